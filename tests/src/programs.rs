//! The jobs as programs: built once, run in a folder of the test's own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The programs that the tests run.
const PROGRAMS: [&str; 9] =
    ["aggregate", "athena-local", "invoice", "loadgen", "merge", "query", "repair", "scheduler", "tables"];

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// What a program gave.
    #[must_use]
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a program that speaks UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The JSON lines of standard output, of a run that succeeded.
    #[must_use]
    pub fn reports(&self) -> Vec<Value> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The one line that a failed run said on standard error.
    #[must_use]
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{} {}", self.stdout, self.stderr);
        let errors: Vec<&str> = self.stderr.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        assert_eq!(self.stderr.lines().last(), Some(errors[0]));
        errors[0]
    }
}

/// A program, to be run in a folder, with no settings but those it is given.
#[must_use]
pub fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs().join(name));
    isolate(&mut command, folder);
    command
}

/// Runs a program to its end.
#[must_use]
pub fn run(name: &str, folder: &Path, args: &[&str]) -> Ran {
    Ran::of(program(name, folder).args(args).output().expect("a program that starts"))
}

/// The path of a program, for a command line that another program makes.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    programs().join(name)
}

/// Lets a command see none of the settings in the environment or in a `meterlake.toml`.
pub fn isolate(command: &mut Command, folder: &Path) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("METERLAKE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("AWS_LAMBDA_RUNTIME_API").current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

/// The folder of the programs, built in the profile and target folder of this test.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut build = cargo_build();
        // Of the whole workspace, as `cargo test` does: a part of it may ask for fewer features, and so for another
        // build of what it shares with the rest.
        build.arg("--workspace").args(PROGRAMS.iter().flat_map(|program| ["--bin", program]));
        // A test among them asks for what tests need too, so that all that the programs depend on is built already.
        build.args(["--test", "quote"]);
        assert!(build.status().expect("cargo").success(), "the programs cannot be built");
        folder()
    })
}

/// A `cargo build` in the profile and target folder of this test, as from a shell.
#[must_use]
pub fn cargo_build() -> Command {
    let folder = folder();
    let target = folder.parent().expect("a test in cargo's target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--profile", profile, "--target-dir"]).arg(target);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells this test about its package would make build scripts run again, and all that depends on them.
    for (name, _) in env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|of_package| name.to_string_lossy().starts_with(of_package)) {
            build.env_remove(name);
        }
    }
    build
}

/// Where cargo puts programs of the profile and target folder of this test.
#[must_use]
pub fn folder() -> PathBuf {
    let test = env::current_exe().expect("a test that knows where it is");
    // target/debug/deps/end_to_end-0123456789abcdef
    test.ancestors().nth(2).expect("a test in cargo's target folder").to_owned()
}
