//! A real Trino on this machine, over the emulator's S3 and Glue: fetched from Maven's registry, pinned, and started once
//! per test process.
//!
//! It needs Java 24 or newer, `mvn` and Python 3. `tests/README.md` says what happens where they are missing.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use athena_local::{Query, Trino};
use meterlake_core::generation::sha256;

use crate::ministack::endpoint;
use crate::python::{succeed, target};
use crate::supervisor::Server;

/// What is fetched: the SHA-256 of each file, and Maven's name of it.
const ARTIFACTS: &str = include_str!("../trino/artifacts.txt");
/// What the machine that runs Trino is told.
const JVM: &str = include_str!("../trino/etc/jvm.config");
/// Copies a file out of Maven's registry, by way of the local repository.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";
/// Unpacks a file into a folder. Python's `shutil` would leave out names with `..` in them, of which the plugin has some.
const UNPACK: &str = "
import sys, tarfile, zipfile
(zipfile.ZipFile if sys.argv[1].endswith('.zip') else tarfile.open)(sys.argv[1]).extractall(sys.argv[2])
";
/// The oldest Java that runs this Trino.
const JAVA: u32 = 24;
/// How long Trino may take to start. It takes ten seconds where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A client of the Trino. `None` if it cannot run on this machine, which is then said once, in one line.
///
/// Each test has a client of its own, because the connections of a client end with the runtime that it was used in.
///
/// # Panics
/// Java or `mvn` is missing and the variable `CI` is `true`; or Trino does not start.
#[must_use]
pub fn trino() -> Option<Trino> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(start).as_ref().map(|server| client(server.port))
}

fn client(port: u16) -> Trino {
    Trino::new(&format!("http://127.0.0.1:{port}")).expect("a URL")
}

fn start() -> Option<Server> {
    let needs = java().ok_or(format!("Java {JAVA} or newer")).and_then(|java| {
        let mvn = program("mvn").ok_or("mvn".to_owned())?;
        Ok((java, mvn))
    });
    let (java, mvn) = match needs {
        Ok(needs) => needs,
        Err(missing) => {
            assert!(!is_ci(), "the tests on a real Trino need {missing}: install it, see tests/README.md");
            skip(&format!("they need {missing}"));
            return None;
        }
    };
    let home = match installed(&mvn, &java) {
        Ok(home) => home,
        Err(refusal) => {
            skip(&format!("Maven's registry did not give it: {refusal}"));
            return None;
        }
    };
    let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("trino/etc");
    let mut server = Server::start("trino", |port| {
        let mut command = Command::new(java);
        command.args(JVM.lines()).arg("-cp").arg(home.join("lib/*"));
        for (setting, path) in [
            ("config", etc.join("config.properties")),
            ("log.levels-file", etc.join("log.properties")),
            ("catalog.config-dir", etc.join("catalog")),
            ("plugin.dir", home.join("plugin")),
            ("node.data-dir", PathBuf::from(".")),
        ] {
            let mut argument = OsString::from(format!("-D{setting}="));
            argument.push(path);
            command.arg(argument);
        }
        command.args(["-Dnode.environment=test", "-Dnode.id=test", "io.trino.server.TrinoServer"]);
        command.env("TRINO_PORT", port.to_string()).env("AWS_ENDPOINT_URL", endpoint());
        for variable in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "AWS_PROFILE"] {
            command.env_remove(variable);
        }
        command
    });
    server.wait(PATIENCE, |port| answers(&client(port)));
    Some(server)
}

/// Whether it runs queries, and sees the catalog. A server that still starts answers with an error.
fn answers(trino: &Trino) -> bool {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let sql = "SELECT count(*) FROM information_schema.schemata";
            let query = Query { sql, database: "default", property: None };
            // A server that still starts is asked again and again by the client, which would wait without an end.
            tokio::time::timeout(Duration::from_secs(10), trino.run(&query)).await.is_ok_and(|ran| ran.is_ok())
        })
    };
    // A thread of its own, because a test may wait for this within its runtime.
    thread::scope(|scope| scope.spawn(ask).join().expect("a question that can be asked"))
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

/// Says that tests are passed without being run. It goes past the harness, which shows what failing tests print.
fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "warning: no tests on a real Trino: {reason}");
}

/// The folder with Trino's own files and the plugin, made if it is not there.
///
/// # Errors
/// Maven could not fetch them, in one line.
fn installed(mvn: &Path, java: &Path) -> Result<PathBuf, String> {
    let home = target().join(format!("trino-{}", &sha256(ARTIFACTS.as_bytes())[..12]));
    // Another test process may be at it. The lock ends with the file.
    let lock = File::create(target().join("trino.lock")).expect("a file that can be written");
    lock.lock().expect("a file that can be locked");
    if home.exists() {
        return Ok(home);
    }
    let work = target().join("trino-half-made");
    let _ = fs::remove_dir_all(&work);
    for artifact in ARTIFACTS.lines() {
        let (pin, coordinates) = artifact.split_once(' ').expect("a pin and a name");
        fetch(mvn, java, coordinates, &work)?;
        let [_, name, version, kind] = coordinates.split(':').collect::<Vec<_>>()[..] else {
            panic!("{coordinates} has no four parts");
        };
        let file = work.join(format!("{name}-{version}.{kind}"));
        let found = sha256(&fs::read(&file).expect("a file that Maven copied"));
        assert_eq!(found, pin, "{coordinates} is not the file that tests/trino/artifacts.txt names");
        succeed(Command::new("python3").args(["-c", UNPACK]).arg(&file).arg(&work));
    }
    // Of the many plugins, each of which makes the start longer, the one for lakes.
    let folder = |prefix: &str| {
        let entries = fs::read_dir(&work).expect("a folder that can be listed").flatten();
        let mut folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
        folders.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
    };
    let (server, plugin) = (folder("trino-server").expect("the server"), folder("trino-hive").expect("the plugin"));
    let made = work.join("made");
    fs::create_dir_all(made.join("plugin")).expect("a folder that can be made");
    fs::rename(server.join("lib"), made.join("lib")).expect("a folder that can be moved");
    fs::rename(plugin, made.join("plugin/hive")).expect("a folder that can be moved");
    fs::rename(made, &home).expect("a folder that can be moved");
    fs::remove_dir_all(&work).expect("a folder that can be removed");
    Ok(home)
}

/// Lets Maven copy a file into a folder.
fn fetch(mvn: &Path, java: &Path, coordinates: &str, folder: &Path) -> Result<(), String> {
    let mut copy = Command::new(mvn);
    copy.args(["--batch-mode", "--quiet", COPY, &format!("-Dartifact={coordinates}")]);
    let mut to = OsString::from("-DoutputDirectory=");
    to.push(folder);
    // The Java that was found may not be the one on the path, or there may be none on it.
    if let Some(home) = java.ancestors().nth(2) {
        copy.env("JAVA_HOME", home);
    }
    // Away from this project's folder, which Maven would look for a project in.
    let output = copy.arg(to).current_dir(env::temp_dir()).output().expect("mvn starts");
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let error = said.lines().find(|line| line.contains("ERROR")).unwrap_or(&said).trim();
    let is_refused = ["Could not transfer", "Could not find artifact", "Failure to transfer", "Could not resolve"];
    assert!(
        !is_ci() || is_refused.iter().any(|words| said.contains(words)),
        "mvn does not work, and no registry refused {coordinates}: {said}"
    );
    Err(format!("{coordinates}: {error}"))
}

/// The program `java` of the first Java that is new enough.
fn java() -> Option<PathBuf> {
    let mut homes: Vec<PathBuf> = env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    homes.extend(program("java").and_then(|java| java.canonicalize().ok()?.ancestors().nth(2).map(Path::to_owned)));
    let mut folders = vec![("/usr/lib/jvm".into(), ""), ("/opt/java".into(), "")];
    folders.push((PathBuf::from("/Library/Java/JavaVirtualMachines"), "Contents/Home"));
    folders.extend(env::home_dir().map(|home| (home.join(".sdkman/candidates/java"), "")));
    for (folder, below) in folders {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join(below)).collect();
        found.sort();
        homes.extend(found);
    }
    homes.retain(|home| version(home).is_some_and(|version| version >= JAVA));
    homes.into_iter().map(|home| home.join("bin/java")).find(|java| java.exists())
}

/// The first number of a Java's version, which it keeps in a file: `JAVA_VERSION="25.0.1"`.
fn version(home: &Path) -> Option<u32> {
    let release = fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// A program on the path.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
