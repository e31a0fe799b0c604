//! The tables of a lake: created once, and never otherwise than their files say.

use std::fs;
use std::path::{Path, PathBuf};

use meterlake_core::lake::Lake;
use meterlake_core::run::{Context, Job, Output};
use meterlake_tables::TablesJob;
use meterlake_tests::lake::{TestLake, run};
use meterlake_tests::programs::{Ran, program};
use meterlake_tests::tree::copy_tree;

/// A lake that takes its SQL from a folder, and the file of the first version.
async fn with_files() -> (TestLake, PathBuf) {
    let lake = TestLake::bare().await;
    let folder = lake.beside.path().join("sql");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql"), &folder);
    let mut config = lake.lake.config.clone();
    config.sql = folder.clone();
    let reopened = meterlake_embedded::connect(config).await.unwrap();
    let first = fs::read_dir(folder.join("tables")).unwrap().map(|entry| entry.unwrap().path());
    let first = first.min().unwrap();
    (TestLake { lake: reopened, ..lake }, first)
}

async fn statuses(lake: &Lake) -> Vec<String> {
    let reports = run::<TablesJob>(lake, &Default::default()).await.unwrap();
    let of_files = reports.iter().filter(|report| report.get("sql").is_some());
    of_files.map(|report| report["status"].as_str().unwrap().to_owned()).collect()
}

async fn columns(lake: &TestLake, table: &str) -> String {
    let rows = lake.query(&format!("DESCRIBE {table}")).await;
    let column = |row: &Vec<Option<String>>| format!("{} {}", row[0].as_ref().unwrap(), row[1].as_ref().unwrap());
    rows.iter().map(column).collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_applied_once() {
    let lake = TestLake::bare().await;
    let first = statuses(&lake.lake).await;
    assert!(!first.is_empty() && first.iter().all(|status| status == "applied"));
    let keys = "year int, month int, day int, hour int";
    let strings = "requestid string, extendedrequestid string, ip string, user string";
    assert_eq!(
        columns(&lake, "restapi_access_log_json").await,
        format!(
            "{strings}, requesttime string, httpmethod string, resourcepath string, status string, protocol string, \
             responselength string, {keys}"
        )
    );
    assert_eq!(columns(&lake, "restapi_access_log_lines").await, format!("line string, rest string, {keys}"));
    let call = format!(
        "{strings}, requesttime timestamp, httpmethod string, resourcepath string, status int, protocol string, \
         responselength bigint, object string, copy_key binary, piece int, unreadable int, {keys}"
    );
    for table in ["restapi_access_log_parquet", "restapi_access_log_copies"] {
        assert_eq!(columns(&lake, table).await, call, "{table}");
    }
    assert_eq!(
        columns(&lake, "restapi_access_log_malformed").await,
        format!("object string, copy_key binary, piece int, reason string, line string, {keys}")
    );
    assert!(statuses(&lake.lake).await.iter().all(|status| status == "unchanged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applied_file_that_was_edited_is_an_error_that_says_so() {
    let (lake, file) = with_files().await;
    statuses(&lake.lake).await;
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace(
            "`httpmethod`        string,\n  `resourcepath`      string,\n  `status`            int",
            "`httpmethod`        string,\n  `resourcepath`      string,\n  `status`            bigint",
        ),
    )
    .unwrap();
    let error = run::<TablesJob>(&lake.lake, &Default::default()).await.unwrap_err().to_string();
    assert!(error.contains("was edited after it was applied"), "{error}");
    assert!(error.contains(&file.display().to_string()), "{error}");
    assert!(columns(&lake, "restapi_access_log_parquet").await.contains("status int"));

    fs::write(&file, format!("-- A remark.\n{text}")).unwrap();
    assert!(statuses(&lake.lake).await.iter().all(|status| status == "unchanged"), "a comment is no edit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_is_applied_after_the_old_ones() {
    let (lake, file) = with_files().await;
    let before = statuses(&lake.lake).await.len();
    let version = before + 1;
    let text = format!(
        "-- name: stage\n-- version: {version}\n-- parameters:\n--   merged_table (name): the merged table\n\n\
         ALTER TABLE {{{{ merged_table }}}} ADD COLUMNS (`stage` string);\n"
    );
    fs::write(file.with_file_name(format!("V{version:03}__stage.sql")), text).unwrap();
    let after = statuses(&lake.lake).await;
    assert_eq!(after.iter().filter(|status| *status == "applied").count(), 1);
    assert_eq!((after.len(), after.last().map(String::as_str)), (version, Some("applied")));
    assert!(columns(&lake, "restapi_access_log_parquet").await.contains("stage string"));
    assert!(statuses(&lake.lake).await.iter().all(|status| status == "unchanged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_the_statements_and_changes_nothing() {
    let lake = TestLake::bare().await;
    let mut output = Output::keep();
    let context = Context { now: chrono::Utc::now(), dry_run: true, deadline: None };
    TablesJob::run(&lake.lake, &Default::default(), &context, &mut output).await.unwrap();
    let plan = output.into_kept();
    let sql = plan[0]["sql"].to_string();
    assert!(sql.contains("CREATE EXTERNAL TABLE") && sql.contains("`restapi_access_log_json`"), "{plan:?}");
    assert_eq!(lake.lake.catalog.database(&lake.lake.config.database).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_all_succeed() {
    let beside = tempfile::tempdir().unwrap();
    fs::create_dir(beside.path().join("lake")).unwrap();
    let start = |_| program("tables", beside.path()).args(["--output", "json"]).spawn().unwrap();
    let children: Vec<_> = (0..4).map(start).collect();
    for child in children {
        assert!(!Ran::of(child.wait_with_output().unwrap()).reports().is_empty());
    }
    let again = Ran::of(program("tables", beside.path()).args(["--output", "json"]).output().unwrap()).reports();
    assert!(again.iter().all(|report| report["status"] == "unchanged"), "{again:?}");
}
