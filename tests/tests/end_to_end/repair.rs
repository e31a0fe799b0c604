//! The catalog and the folders brought back together.

use std::fs;

use meterlake_core::period::{Hour, Period};
use meterlake_repair::{Args, Report};
use meterlake_tests::calls::calls;
use meterlake_tests::lake::{TestLake, context, hour};
use meterlake_tests::programs::run;
use serde_json::Value;

const COUNT: &str = "SELECT count(*) FROM restapi_access_log_json";
const SHOW: &str = "SHOW PARTITIONS restapi_access_log_json";

fn full() -> Args {
    Args { full: true, ..Args::default() }
}

/// Folders, added, removed, mended, ignored.
fn numbers(report: &Report) -> [u64; 5] {
    [report.folders, report.added, report.removed, report.mended, report.ignored]
}

async fn partitions(lake: &TestLake) -> Vec<String> {
    lake.query(SHOW).await.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

/// A lake with three calls in each of two hours, registered.
async fn two_hours() -> TestLake {
    let lake = TestLake::new().await;
    lake.put(hour("2023-01-31T06"), "a", calls(&["1", "2", "3"]));
    lake.put(hour("2023-02-01T00"), "a", calls(&["4", "5", "6"]));
    assert_eq!(lake.number(COUNT).await, 0, "nothing is registered yet");
    assert_eq!(numbers(&lake.repair(&full()).await), [2, 2, 0, 0, 0]);
    lake
}

const RIGHT: [&str; 2] = ["year=2023/month=01/day=31/hour=06", "year=2023/month=02/day=01/hour=00"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_added_and_a_second_repair_finds_nothing() {
    let lake = two_hours().await;
    assert_eq!((partitions(&lake).await, lake.number(COUNT).await), (RIGHT.map(str::to_owned).to_vec(), 6));
    assert_eq!(numbers(&lake.repair(&full()).await), [2, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_whose_folder_is_gone_is_removed() {
    let lake = two_hours().await;
    fs::remove_dir_all(lake.raw_folder(hour("2023-01-31T06"))).unwrap();
    assert_eq!(numbers(&lake.repair(&full()).await), [1, 0, 1, 0, 0]);
    assert_eq!((partitions(&lake).await, lake.number(COUNT).await), (vec![RIGHT[1].to_owned()], 3));
}

/// Registers both hours once more, under another spelling, as older Hives do and people.
async fn register_again(lake: &TestLake, table: &str) {
    for (values, hour) in [
        ("year=2023, month=1, day=31, hour=6", hour("2023-01-31T06")),
        ("year=2023, month=2, day=1, hour=0", hour("2023-02-01T00")),
    ] {
        let folder = lake.lake.layout.raw.folder_of(hour);
        lake.execute(&format!("ALTER TABLE {table} ADD PARTITION ({values}) LOCATION '{folder}/'")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_registered_twice_doubles_every_count_until_it_is_mended() {
    let lake = two_hours().await;
    register_again(&lake, "restapi_access_log_json").await;
    assert_eq!((partitions(&lake).await.len(), lake.number(COUNT).await), (4, 12));
    assert_eq!(numbers(&lake.repair(&full()).await), [2, 0, 0, 2, 0]);
    assert_eq!((partitions(&lake).await, lake.number(COUNT).await), (RIGHT.map(str::to_owned).to_vec(), 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_mends_what_it_reads() {
    let lake = two_hours().await;
    register_again(&lake, "restapi_access_log_lines").await;
    let report = lake.merge_hour(hour("2023-01-31T06")).await;
    assert_eq!((&report["rows"], &report["duplicates"]), (&3.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn msck_registers_what_is_missing_under_the_values_of_its_folder() {
    for is_registered in [false, true] {
        let lake = if is_registered { two_hours().await } else { TestLake::new().await };
        lake.put(hour("2023-01-31T06"), "a", calls(&["1", "2", "3"]));
        lake.put(hour("2023-02-01T00"), "a", calls(&["4", "5", "6"]));
        let report = lake.repair(&Args { msck: true, ..full() }).await;
        assert_eq!(numbers(&report), [2, 0, 0, 0, 0], "{is_registered}");
        assert_eq!((partitions(&lake).await, lake.number(COUNT).await), (RIGHT.map(str::to_owned).to_vec(), 6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_points_elsewhere_is_mended() {
    let lake = TestLake::new().await;
    lake.put(hour("2023-01-31T06"), "a", calls(&["1", "2", "3"]));
    lake.put(hour("2023-01-31T07"), "a", calls(&["4"]));
    let elsewhere = lake.lake.layout.raw.folder_of(hour("2023-01-31T07"));
    lake.execute(&format!(
        "ALTER TABLE restapi_access_log_json ADD PARTITION (year=2023, month=1, day=31, hour=6) LOCATION '{elsewhere}/'"
    ))
    .await;
    assert_eq!(lake.number(COUNT).await, 1);
    assert_eq!(numbers(&lake.repair(&full()).await), [2, 1, 0, 1, 0]);
    assert_eq!(lake.number(COUNT).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_full_the_last_two_days_are_looked_at() {
    let lake = TestLake::new().await;
    let recent = Hour::last_complete(chrono::Utc::now());
    lake.put(hour("2023-01-31T06"), "a", calls(&["1"]));
    lake.put(recent, "a", calls(&["2", "3"]));
    let folder = lake.folder().display().to_string();
    let go = |args: &[&str]| {
        let args = [&["--lake", folder.as_str(), "--output", "json"], args].concat();
        run("repair", lake.beside.path(), &args).reports().remove(0)
    };
    assert_eq!(go(&[])["added"], 1);
    assert_eq!(lake.number(COUNT).await, 2);
    assert_eq!(go(&["--from", "2023-01-31T00", "--to", "2023-01-31T05"])["added"], 0);
    assert_eq!(go(&["--from", "2023-01-31T00", "--to", "2023-01-31T06"])["added"], 1);
    assert_eq!(lake.repair(&full()).await.added, 0);
    assert_eq!(lake.number(COUNT).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_no_partition_is_counted_and_named() {
    let lake = two_hours().await;
    let raw = lake.folder().join("json-data");
    for wrong in ["oops", "year=2023/month=01/day=31/hour=xx", "year=2023/month=1/day=31/hour=06", "year=2023/day=31"] {
        fs::create_dir_all(raw.join(wrong)).unwrap();
        fs::write(raw.join(wrong).join("a"), calls(&["lost"])).unwrap();
    }
    let folder = lake.folder().display().to_string();
    let ran = run("repair", lake.beside.path(), &["--lake", &folder, "--full", "--output", "json"]);
    assert!(ran.error(1).contains("2 hours have raw files that no published hour counts"), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["ignored"], &report["folders"], &report["added"]), (&4.into(), &2.into(), &0.into()));
    assert_eq!(report["unmerged"], 2);
    for named in ["json-data/oops", "hour=xx", "month=1/day=31/hour=06", "year=2023/day=31"] {
        let warns = |line: &&str| line.contains("WARN") && line.contains(named);
        assert_eq!(ran.stderr.lines().filter(warns).count(), 1, "{named}: {}", ran.stderr);
    }
    assert_eq!(lake.number(COUNT).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_is_wrong_and_changes_nothing() {
    let lake = two_hours().await;
    register_again(&lake, "restapi_access_log_json").await;
    lake.put(hour("2023-02-01T01"), "a", calls(&["7"]));
    let before = partitions(&lake).await;
    let report = meterlake_repair::run(&lake.lake, None, &full(), &context(true)).await.unwrap();
    assert_eq!((numbers(&report), partitions(&lake).await), ([3, 1, 0, 2, 0], before));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_repairs_at_once_agree() {
    let lake = two_hours().await;
    register_again(&lake, "restapi_access_log_json").await;
    let args = full();
    let context = context(false);
    let again = || meterlake_repair::run(&lake.lake, None, &args, &context);
    let (one, two) = tokio::join!(again(), again());
    one.and(two).unwrap();
    assert_eq!((partitions(&lake).await, lake.number(COUNT).await), (RIGHT.map(str::to_owned).to_vec(), 6));
}
