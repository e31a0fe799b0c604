//! Python tools from PyPI, in a virtual environment that the tests make themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// The interpreter of a virtual environment with all that `requirements.txt` names; made once, in the target folder.
#[must_use]
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| python_with(include_str!("../requirements.txt")))
}

/// The interpreter of a virtual environment with all that a requirements file's text names; made if it is not there.
#[must_use]
pub fn python_with(requirements: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().expect("no other thread failed to make an environment");
    let key = meterlake_core::generation::sha256(requirements.as_bytes());
    let folder = target().join(format!("python-{}", &key[..12]));
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if !ready.exists() {
        // What an earlier try left half-made would not be mended by pip.
        let _ = fs::remove_dir_all(&folder);
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let file = folder.join("requirements.txt");
        fs::write(&file, requirements).expect("a file that can be written");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        succeed(Command::new(&python).args(install).arg(&file));
        fs::write(&ready, "").expect("a file that can be written");
    }
    python
}

/// Cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test that knows where it is");
    test.ancestors().nth(3).expect("a test in cargo's target folder").to_owned()
}

/// The folder of the environment's packages.
#[must_use]
pub fn site_packages() -> PathBuf {
    let script = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
    PathBuf::from(succeed(Command::new(python()).args(["-c", script])).trim())
}

/// Runs a command that must succeed, and gives what it printed.
///
/// # Panics
/// It failed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("a command that starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
