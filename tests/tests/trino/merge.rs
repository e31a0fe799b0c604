//! An hour of raw lines comes out the same on Trino and on the embedded engine: every row of every kind.

use std::fs;
use std::path::Path;

use aws_sdk_s3::types::StorageClass;
use meterlake_core::catalog::PartitionFilter;
use meterlake_core::config::Glued;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::sql::SqlFiles;
use meterlake_loadgen::{Options, write_files};
use meterlake_merge::{Args, MergeJob};
use meterlake_tests::calls::{calls, gzip, many_calls};
use meterlake_tests::hostile::{self, RawObject};
use meterlake_tests::lake::{Row, TestLake, counts, hour, range, run};
use meterlake_tests::lakes::lake_on_trino;
use meterlake_tests::ministack::s3;
use meterlake_tests::tree::copy_tree;
use meterlake_tests::trino::trino;
use serde_json::Value;

const HOUR: &str = "2023-01-31T06";
const SAMPLE: &str = include_str!("../../fixtures/access-log-edge-cases.jsonl");

/// What a report says of an hour, but for what differs by run and engine.
fn told(report: &Value) -> Value {
    let mut told = report.clone();
    let keys = ["generation", "duration_ms", "scanned_bytes", "estimated_cost_usd", "output_bytes", "output_files"];
    for key in keys {
        told.as_object_mut().unwrap().remove(key);
    }
    told
}

async fn rows(lake: &Lake, sql: &str) -> Vec<Row> {
    let statement = meterlake_core::engine::Statement {
        label: "a comparison".to_owned(),
        sql: sql.to_owned(),
        database: lake.config.database.clone(),
        token: None,
    };
    let mut rows = lake.engine.query(&statement).await.unwrap_or_else(|error| panic!("{error:#}")).rows;
    rows.sort();
    rows
}

/// Everything in the three tables. Which of equal lines is the call is left open, so a call's object and piece are compared
/// as a set over its key.
async fn tables(lake: &Lake) -> Vec<Vec<Row>> {
    let columns = "year, month, day, hour, requestid, extendedrequestid, ip, \"user\", requesttime, httpmethod, resourcepath, \
                   status, protocol, responselength, to_hex(copy_key), unreadable";
    let mut tables = Vec::new();
    for table in ["restapi_access_log_parquet", "restapi_access_log_copies"] {
        tables.push(rows(lake, &format!("SELECT {columns} FROM {table}")).await);
    }
    let places = "SELECT hour, to_hex(copy_key), object, piece FROM restapi_access_log_parquet UNION ALL \
                  SELECT hour, to_hex(copy_key), object, piece FROM restapi_access_log_copies";
    tables.push(rows(lake, places).await);
    let malformed = "SELECT hour, object, piece, reason, line, to_hex(copy_key) FROM restapi_access_log_malformed";
    tables.push(rows(lake, malformed).await);
    tables
}

async fn merge(lake: &Lake, args: &Args) -> Vec<Value> {
    run::<MergeJob>(lake, args).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// Puts objects into both lakes, merges, and compares.
async fn put_and_compare(on_trino: &Lake, local: &TestLake, hour: Hour, objects: &[RawObject]) -> Value {
    for lake in [on_trino, &local.lake] {
        for (name, content) in objects {
            lake.store.write(&lake.layout.raw.folder_of(hour).join(name), content).await.unwrap();
        }
    }
    let args = Args { hour: Some(Some(hour)), lookback: Some(1), ..Args::default() };
    let (there, here) = (merge(on_trino, &args).await, merge(&local.lake, &args).await);
    let told = |reports: &[Value]| reports.iter().map(told).collect::<Vec<_>>();
    assert_eq!(told(&there), told(&here));
    for (there, here) in tables(on_trino).await.iter().zip(tables(&local.lake).await) {
        for (there, here) in there.iter().zip(&here) {
            assert_eq!(there, here);
        }
        assert_eq!(there.len(), here.len());
    }
    here.last().unwrap().clone()
}

async fn lakes(trino: &athena_local::Trino) -> (Lake, TestLake) {
    let on_trino = lake_on_trino(trino).await;
    meterlake_tests::lake::tables(&on_trino).await.unwrap();
    (on_trino, TestLake::new().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_and_hostile_lines_come_out_the_same() {
    let Some(trino) = trino() else { return };
    let (on_trino, local) = lakes(&trino).await;
    let report = put_and_compare(&on_trino, &local, hour(HOUR), &[("sample", SAMPLE.into())]).await;
    assert_eq!(counts(&report), (8, 1, 1));
    let next = hour(HOUR).next();
    // The sample again, an hour later: copies of what the hour before published.
    let objects = [vec![("sample", SAMPLE.into())], hostile::lines()].concat();
    let report = put_and_compare(&on_trino, &local, next, &objects).await;
    assert!(counts(&report).1 >= 9, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_with_copies_late_and_malformed_lines_comes_out_the_same() {
    let Some(trino) = trino() else { return };
    let (on_trino, local) = lakes(&trino).await;
    let traffic = Options {
        from: hour("2023-01-31T00"),
        to: hour("2023-01-31T05"),
        calls_per_hour: 400,
        objects_per_hour: 3,
        copies: 0.1,
        malformed: 0.02,
        bare_dashes: 0.05,
        unauthenticated: 0.1,
        legacy: 0.1,
        late_share: 0.1,
        ..Options::default()
    };
    let args = Args { lookback: Some(0), ..range(traffic.from, traffic.to) };
    for lake in [&on_trino, &local.lake] {
        let truth = write_files(&*lake.store, &lake.layout, &traffic).await.unwrap();
        let reports = merge(lake, &args).await;
        let found: Vec<_> = reports.iter().map(counts).collect();
        let expected = truth.hours.values().map(|hour| (hour.calls, hour.duplicates, hour.malformed));
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
    assert_eq!(tables(&on_trino).await, tables(&local.lake).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_objects_between_good_ones_are_left_out_alike() {
    let Some(trino) = trino() else { return };
    let (on_trino, local) = lakes(&trino).await;
    let whole = gzip(many_calls(60_000));
    let objects = vec![
        ("a", calls(&["1"]).into_bytes()),
        ("b.gz", calls(&["text under a name for GZIP"]).into_bytes()),
        ("c", gzip(calls(&["GZIP under a plain name"]))),
        ("d.gz", whole[..whole.len() / 2].to_vec()),
        ("e", b"PK\x03\x04\x14\0\0\0\x08\0".to_vec()),
        ("f", calls(&["2"]).into_bytes()),
        // Trino would take this line, which stands behind another one.
        ("g", [calls(&["3"]).into_bytes(), vec![b'x'; (24 << 20) + 1]].concat()),
        ("h", [calls(&["4"]).into_bytes(), vec![b'x'; 10 << 20]].concat()),
    ];
    let report = put_and_compare(&on_trino, &local, hour(HOUR), &objects).await;
    assert_eq!((counts(&report), &report["unreadable_objects"]), ((3, 0, 1), &5.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_records_on_one_line_are_fifty_thousand_calls() {
    let Some(trino) = trino() else { return };
    let (on_trino, local) = lakes(&trino).await;
    let records = many_calls(50_000).replace('\n', "");
    let bad = records.replacen("\"ip\":\"203.0.113.9\"", "\"ip\":\"203.0.113.9", 1);
    for (at, text, expected) in [(0, records, (50_000, 0, 0)), (2, bad, (49_999, 0, 1))] {
        let hour = hour(HOUR).offset(at);
        let report = put_and_compare(&on_trino, &local, hour, &[("one-line.gz", gzip(text))]).await;
        assert_eq!((counts(&report), &report["unsplit"]), (expected, &49_999.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_tables_follow_each_generation_on_both() {
    let Some(trino) = trino() else { return };
    let (mut on_trino, mut local) = lakes(&trino).await;
    for (name, content, expected) in [
        ("a", "garbage\n".to_owned(), (0, 0, 1)),
        ("b", calls(&["1"]), (1, 0, 1)),
        ("c", calls(&["1", "2"]), (2, 1, 1)),
    ] {
        let report = put_and_compare(&on_trino, &local, hour(HOUR), &[(name, content.into_bytes())]).await;
        assert_eq!(counts(&report), expected);
    }
    // Then by SQL that drops the copy's line: there is no partition of copies any more.
    let folder = local.beside.path().join("sql");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql"), &folder);
    let file = folder.join("sources/lines.sql");
    let text = fs::read_to_string(&file).unwrap();
    let condition = "NOT (path LIKE '%/c' AND text LIKE '%\"extendedRequestId\":\"1\"%')";
    let edited = text.replace("WHERE text <> '' OR NOT is_whole", &format!("WHERE text <> '' AND {condition}"));
    assert_ne!(text, edited);
    fs::write(&file, edited).unwrap();
    on_trino.sql = SqlFiles::new(Some(folder.clone()));
    local.lake.sql = SqlFiles::new(Some(folder));
    let report = put_and_compare(&on_trino, &local, hour(HOUR), &[]).await;
    assert_eq!(counts(&report), (2, 0, 1));
    for lake in [&on_trino, &local.lake] {
        let partitions = lake.catalog.partitions(&lake.layout.copies.name, &PartitionFilter::default()).await;
        assert!(partitions.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_may_try_with_a_request_id_comes_out_the_same() {
    let Some(trino) = trino() else { return };
    let (mut on_trino, mut local) = lakes(&trino).await;
    for config in [&mut on_trino.config, &mut local.lake.config] {
        config.raw.glued = Glued::Malformed;
    }
    let injected = hostile::lines().into_iter().find(|(name, _)| *name == "injected").unwrap();
    let expected = injected.1.split(|byte| *byte == b'\n').count() as u64;
    let report = put_and_compare(&on_trino, &local, hour(HOUR), &[injected]).await;
    assert_eq!(counts(&report), (expected, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_a_class_that_queries_leave_out_refuses_its_hour() {
    let Some(trino) = trino() else { return };
    let on_trino = lakes(&trino).await.0;
    let folder = on_trino.layout.raw.folder_of(hour(HOUR));
    on_trino.store.write(&folder.join("a"), calls(&["1"]).as_bytes()).await.unwrap();
    let (bucket, prefix) = folder.bucket_and_key().unwrap();
    let put = s3().put_object().bucket(bucket).key(format!("{prefix}/b")).body(calls(&["2"]).into_bytes().into());
    put.storage_class(StorageClass::DeepArchive).send().await.unwrap();
    let args = Args { hour: Some(Some(hour(HOUR))), lookback: Some(0), ..Args::default() };
    let error = format!("{:#}", run::<MergeJob>(&on_trino, &args).await.unwrap_err());
    assert!(error.contains("hour=06/b") && error.contains("DEEP_ARCHIVE"), "{error}");
}
