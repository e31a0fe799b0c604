//! PyAthena and awswrangler from PyPI, unmodified, over a lake that meterlake made: the scripts beside this file.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use meterlake_core::config::Config;
use meterlake_embedded::connect_aws;
use meterlake_merge::MergeJob;
use meterlake_tables::TablesJob;
use meterlake_tests::calls::{call, lines, with};
use meterlake_tests::lake::{counts, hour, one, run};
use meterlake_tests::ministack::{endpoint, sdk_config};
use meterlake_tests::python::{python_with, succeed};

use super::StandIn;

fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| python_with(include_str!("../../../requirements-clients.txt")))
}

/// A lake with one merged hour, whose calls the scripts know.
async fn stand_in_with_lake() -> StandIn {
    let stand_in = StandIn::new().await;
    let config =
        Config { database: stand_in.database.parse().unwrap(), lake: stand_in.root.clone(), ..Config::default() };
    let lake = connect_aws(config, &sdk_config()).await.unwrap();
    run::<TablesJob>(&lake, &Default::default()).await.unwrap();
    let hour = hour("2023-01-31T06");
    let missing = with(with(call("b"), "status", "-"), "responseLength", "-");
    let calls = [
        call("a"),
        with(missing, "user", "-"),
        with(with(call("c"), "user", "say \"서울\", it's"), "requestTime", "1675146000000"),
        with(with(call("d"), "resourcePath", ""), "responseLength", "9007199254740993"),
    ];
    let object = lake.layout.raw.folder_of(hour).join("object");
    lake.store.write(&object, lines(&calls).as_bytes()).await.unwrap();
    let merged = run::<MergeJob>(&lake, &one(hour)).await.unwrap();
    assert_eq!(counts(&merged[0]), (4, 0, 0));
    stand_in
}

/// Runs a script of tests against a stand-in.
async fn succeed_with(script: &str, stand_in: &StandIn) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/aws/clients").join(script);
    let mut command = Command::new(python());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.arg(path).args([&stand_in.database, &format!("{}/results/", stand_in.root)]).envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_ENDPOINT_URL", endpoint()),
        ("AWS_ENDPOINT_URL_ATHENA", &stand_in.endpoint),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]);
    tokio::task::spawn_blocking(move || succeed(&mut command)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pyathena_reads_the_lake_with_each_of_its_cursors() {
    succeed_with("with_pyathena.py", &stand_in_with_lake().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn awswrangler_reads_the_lake_in_each_of_its_modes() {
    succeed_with("with_awswrangler.py", &stand_in_with_lake().await).await;
}
