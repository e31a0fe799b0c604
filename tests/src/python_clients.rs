//! PyAthena and awswrangler from PyPI, unmodified, over a lake that meterlake made: the scripts in `tests/aws/clients`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use meterlake_embedded::connect_aws;
use meterlake_merge::MergeJob;

use crate::calls::{call, lines, with};
use crate::lake::{counts, hour, one, run, tables};
use crate::ministack::{endpoint, sdk_config};
use crate::python::{python_with, succeed};
use crate::stand_in::StandIn;

fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| python_with(include_str!("../requirements-clients.txt")))
}

/// A lake with one merged hour, whose calls the scripts know.
async fn lake_with_calls(stand_in: &StandIn) {
    let lake = connect_aws(stand_in.config(), &sdk_config()).await.expect("a lake that opens");
    tables(&lake).await.expect("tables");
    let hour = hour("2023-01-31T06");
    let missing = with(with(call("b"), "status", "-"), "responseLength", "-");
    let calls = [
        call("a"),
        with(missing, "user", "-"),
        with(with(call("c"), "user", "say \"서울\", it's"), "requestTime", "1675146000000"),
        with(with(call("d"), "resourcePath", ""), "responseLength", "1099511627775"),
    ];
    let object = lake.layout.raw.folder_of(hour).join("object");
    lake.store.write(&object, lines(&calls).as_bytes()).await.expect("an object");
    let merged = run::<MergeJob>(&lake, &one(hour)).await.expect("a merge");
    assert_eq!(counts(&merged[0]), (4, 0, 0));
}

/// Runs a script of `tests/aws/clients` against a stand-in, over a lake whose calls the script knows.
///
/// # Panics
/// A test of the script fails.
pub async fn succeed_with(script: &str, stand_in: &StandIn) {
    lake_with_calls(stand_in).await;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/aws/clients").join(script);
    let mut command = Command::new(python());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.arg(path).args([stand_in.config().database.as_str(), &format!("{}/results/", stand_in.root)]).envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_ENDPOINT_URL", endpoint()),
        ("AWS_ENDPOINT_URL_ATHENA", &stand_in.endpoint),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]);
    tokio::task::spawn_blocking(move || succeed(&mut command)).await.expect("a script that succeeds");
}
