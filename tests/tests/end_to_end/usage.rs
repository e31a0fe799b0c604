//! From merged hours to daily usage: every call once, on its own day, under its own user.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meterlake_aggregate::{AggregateJob, Args};
use meterlake_core::period::{Day, Hour};
use meterlake_core::sql::SqlFiles;
use meterlake_loadgen::{Late, Options, write_files};
use meterlake_tables::TablesJob;
use meterlake_tests::billing::draft;
use meterlake_tests::calls::{call, lines, with};
use meterlake_tests::fuse::cut_everywhere;
use meterlake_tests::lake::{Row, TestLake, hour, range, run, statuses, tables};
use meterlake_tests::tree::copy_tree;
use serde_json::{Value, json};

const DAY: &str = "2023-01-31";

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn one(text: &str) -> Args {
    Args { day: Some(Some(day(text))), ..Args::default() }
}

async fn merge_day(lake: &TestLake, text: &str) {
    let hours: Vec<Hour> = day(text).hours().collect();
    lake.merge(&range(hours[0], hours[23])).await;
}

async fn aggregate(lake: &TestLake, args: &Args) -> Vec<Value> {
    run::<AggregateJob>(&lake.lake, args).await.unwrap()
}

async fn aggregate_fails(lake: &TestLake, args: &Args) -> String {
    format!("{:#}", run::<AggregateJob>(&lake.lake, args).await.unwrap_err())
}

async fn usage(lake: &TestLake, columns: &str) -> Vec<Row> {
    lake.query(&format!("SELECT {columns} FROM usage_daily ORDER BY {columns}")).await
}

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}

/// A call at an instant, by a user, with a status.
fn at(id: &str, time: &str, user: &str, status: &str) -> Value {
    let ms = time.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis().to_string();
    with(with(with(call(id), "requestTime", &ms), "user", user), "status", status)
}

/// A lake that takes its SQL from a folder that may be edited.
async fn with_sql_folder() -> (TestLake, PathBuf) {
    let mut lake = TestLake::bare().await;
    let folder = lake.beside.path().join("sql");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql"), &folder);
    lake.lake.config.sql = folder.clone();
    lake.lake.sql = SqlFiles::new(Some(folder.clone()));
    tables(&lake.lake).await.unwrap();
    (lake, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_agrees_with_the_truth_to_the_unit() {
    let lake = TestLake::new().await;
    let traffic = Options {
        from: hour("2023-01-31T00"),
        to: hour("2023-01-31T23"),
        calls_per_hour: 60,
        objects_per_hour: 2,
        copies: 0.1,
        malformed: 0.02,
        unauthenticated: 0.05,
        legacy: 0.2,
        late_share: 0.2,
        ..Options::default()
    };
    for late in [Late::OnTime, Late::LateOnly] {
        let options = Options { late, ..traffic.clone() };
        let truth = write_files(&*lake.lake.store, &lake.lake.layout, &options).await.unwrap();
        merge_day(&lake, DAY).await;
        let report = aggregate(&lake, &one(DAY)).await.remove(0);
        assert_eq!(report["requests"], truth.totals.calls);
        assert_eq!(report["unattributed"], truth.totals.unattributed);
        assert_eq!(report["duplicates"], truth.totals.copies);
        assert_eq!(report["malformed"], truth.totals.malformed);
        let columns = "requests, client_errors, server_errors, throttled, response_bytes";
        let sums = columns.split(", ").map(|column| format!("sum({column})")).collect::<Vec<_>>().join(", ");
        for (user, days) in &truth.users {
            for (date, expected) in days {
                let found = lake
                    .query(&format!(
                        "SELECT {sums} FROM usage_daily WHERE \"user\" = '{user}' AND usage_date = DATE '{date}'"
                    ))
                    .await;
                let numbers = [
                    expected.requests,
                    expected.client_errors,
                    expected.server_errors,
                    expected.throttled,
                    expected.response_bytes,
                ];
                assert_eq!(found, [row(&numbers.map(|number| number.to_string()).each_ref().map(String::as_str))]);
            }
        }
        assert_eq!(lake.number("SELECT sum(requests) FROM usage_daily").await, truth.totals.calls);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_counts_on_its_own_day_in_the_billing_time_zone() {
    let mut lake = TestLake::new().await;
    let calls = [
        at("1", "2023-01-31T14:59:59.999Z", "u", "200"),
        at("2", "2023-01-31T15:00:00Z", "u", "200"),
        // Made the day before, arrived on this one.
        at("3", "2023-01-30T14:00:00Z", "u", "200"),
        // Its time cannot be read: it counts at the hour of its arrival.
        with(call("4"), "requestTime", "-"),
    ];
    lake.put(hour("2023-01-31T16"), "a", lines(&calls));
    merge_day(&lake, DAY).await;
    aggregate(&lake, &one(DAY)).await;
    let days = "CAST(usage_date AS varchar), requests, \"user\"";
    let other = "5c1d9f5e-0c4b-4d4f-9a55-1f0f8d2f6a01";
    assert_eq!(
        usage(&lake, days).await,
        [row(&["2023-01-30", "1", "u"]), row(&["2023-01-31", "1", other]), row(&["2023-01-31", "2", "u"])]
    );
    lake.lake.config.billing.time_zone = "Asia/Seoul".to_owned();
    assert_eq!(statuses(&aggregate(&lake, &one(DAY)).await), ["2023-01-31 published"]);
    assert_eq!(
        usage(&lake, days).await,
        [
            row(&["2023-01-30", "1", "u"]),
            row(&["2023-01-31", "1", "u"]),
            row(&["2023-02-01", "1", other]),
            row(&["2023-02-01", "1", "u"]),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_billable_is_counted_and_calls_without_a_user_are_kept_apart() {
    let lake = TestLake::new().await;
    let time = "2023-01-31T06:00:00Z";
    let calls = [
        at("1", time, "u", "200"),
        at("2", time, "u", "404"),
        at("3", time, "u", "429"),
        at("4", time, "u", "503"),
        at("5", time, "u", "-"),
        at("6", time, "-", "200"),
        at("7", time, "", "403"),
    ];
    lake.put(hour("2023-01-31T06"), "a", lines(&calls));
    merge_day(&lake, DAY).await;
    let report = aggregate(&lake, &one(DAY)).await.remove(0);
    assert_eq!((&report["requests"], &report["unattributed"], &report["rows"]), (&json!(7), &json!(2), &json!(2)));
    assert_eq!(
        usage(&lake, "\"user\", requests, billable_requests, client_errors, server_errors, throttled, unknown_status")
            .await,
        // A call of which nobody knows how it ended is not billed.
        [row(&["-", "2", "2", "1", "0", "0", "0"]), row(&["u", "5", "2", "2", "1", "1", "1"])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_length_wraps_a_sum_or_stops_the_day_of_others() {
    let lake = TestLake::new().await;
    let time = "2023-01-31T06:00:00Z";
    let lengths = ["9223372036854775807", "-1", "-9223372036854775808", "1099511627775", "1000"];
    let calls: Vec<_> = lengths
        .iter()
        .enumerate()
        .map(|(id, length)| with(at(&id.to_string(), time, &format!("u{id}"), "200"), "responseLength", length))
        .collect();
    lake.put(hour("2023-01-31T06"), "a", lines(&calls));
    merge_day(&lake, DAY).await;
    aggregate(&lake, &one(DAY)).await;
    let bytes = ["0", "0", "0", "1099511627775", "1000"];
    let expected: Vec<_> = bytes.iter().enumerate().map(|(id, bytes)| row(&[&format!("u{id}"), bytes])).collect();
    assert_eq!(usage(&lake, "\"user\", response_bytes").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_hour_is_refused_with_the_command_that_mends_it() {
    let lake = TestLake::new().await;
    lake.put(hour("2023-01-31T06"), "a", lines([&call("1")]));
    lake.merge(&range(hour("2023-01-31T00"), hour("2023-01-31T21"))).await;
    let error = aggregate_fails(&lake, &one(DAY)).await;
    assert!(error.contains("2023-01-31T22, 2023-01-31T23"), "{error}");
    assert!(error.contains("merge --from 2023-01-31T22 --to 2023-01-31T23"), "{error}");
    assert_eq!(lake.number("SELECT count(*) FROM usage_daily").await, 0);

    let allowed = Args { allow_missing: true, ..one(DAY) };
    let report = aggregate(&lake, &allowed).await.remove(0);
    assert_eq!(report["missing_hours"], json!(["2023-01-31T22", "2023-01-31T23"]));
    assert_eq!(report["requests"], 1);

    // Once the hours are there, the next run's lookback builds the day again, whole.
    merge_day(&lake, DAY).await;
    lake.merge(&range(hour("2023-02-01T00"), hour("2023-02-01T23"))).await;
    let reports = aggregate(&lake, &one("2023-02-01")).await;
    assert_eq!(statuses(&reports), ["2023-01-31 published", "2023-02-01 empty"]);
    assert_eq!(reports[0]["missing_hours"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_file_builds_only_its_day_again() {
    let lake = TestLake::new().await;
    for text in [DAY, "2023-02-01", "2023-02-02"] {
        lake.put(day(text).hours().nth(6).unwrap(), "a", lines([&call(text)]));
        merge_day(&lake, text).await;
        aggregate(&lake, &one(text)).await;
    }
    let before = lake.files();
    assert_eq!(statuses(&aggregate(&lake, &one("2023-02-02")).await), ["2023-02-02 unchanged"]);
    assert_eq!(lake.files(), before);

    lake.put(hour("2023-02-01T23"), "late", lines([&call("late")]));
    lake.merge_hour(hour("2023-02-01T23")).await;
    let reports = aggregate(&lake, &one("2023-02-02")).await;
    assert_eq!(statuses(&reports), ["2023-02-01 published", "2023-02-02 unchanged"]);
    assert_eq!(lake.number("SELECT sum(requests) FROM usage_daily").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_edits_add_a_meter() {
    let (lake, folder) = with_sql_folder().await;
    let time = "2023-01-31T06:00:00Z";
    let write = with(at("1", time, "u", "200"), "httpMethod", "POST");
    lake.put(hour("2023-01-31T06"), "a", lines([&write, &at("2", time, "u", "200")]));
    lake.put(hour("2023-01-30T06"), "a", lines([&call("3")]));
    for text in ["2023-01-30", DAY] {
        merge_day(&lake, text).await;
        aggregate(&lake, &one(text)).await;
    }

    fs::write(
        folder.join("tables/V004__writes.sql"),
        "-- name: writes\n-- version: 4\n-- parameters:\n--   usage_daily_table (name): usage\n\
         ALTER TABLE {{ usage_daily_table }} ADD COLUMNS (`writes` bigint COMMENT 'POST and the like');\n",
    )
    .unwrap();
    let file = folder.join("queries/usage_daily.sql");
    let text = fs::read_to_string(&file).unwrap();
    let edited = text.replace("-- version: 1", "-- version: 2").replace(
        "count(*) AS requests,",
        "count(*) AS requests,\n  count_if(httpmethod IN ('POST', 'PUT')) AS writes,",
    );
    assert_ne!(text, edited);
    fs::write(&file, edited).unwrap();

    let applied = run::<TablesJob>(&lake.lake, &Default::default()).await.unwrap();
    assert_eq!(applied.last().unwrap()["status"], "applied");
    let args = Args { lookback: Some(0), ..one(DAY) };
    let report = aggregate(&lake, &args).await.remove(0);
    assert_eq!(report["sql"], "usage_daily@2+published@1");
    let columns = "year, month, day, httpmethod, writes";
    let null = |mut row: Row| {
        row[4] = None;
        row
    };
    assert_eq!(
        usage(&lake, columns).await,
        [
            null(row(&["2023", "1", "30", "GET", ""])),
            row(&["2023", "1", "31", "GET", "0"]),
            row(&["2023", "1", "31", "POST", "1"]),
        ]
    );

    // A plan can price it, and nothing else was edited.
    let plans = "currency = 'USD'\ndefault_plan = 'p'\n[[plans]]\nid = 'p'\neffective_from = 2023-01-01\n\
                 [[plans.charges]]\nid = 'w'\nmeter = 'writes'\nmodel = 'per_unit'\nunit = '0.25'\n";
    let file = lake.beside.path().join("plans.toml");
    fs::write(&file, plans).unwrap();
    let args = meterlake_invoice::Args { plans: Some(file.display().to_string()), ..draft("2023-01") };
    assert_eq!(lake.invoice(&args).await.lines(), ["u usage w 2023-01 1 0.25"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_loses_calls_is_not_published() {
    let (lake, folder) = with_sql_folder().await;
    lake.put(hour("2023-01-31T06"), "a", lines([&call("1"), &with(call("2"), "status", "500")]));
    merge_day(&lake, DAY).await;
    let file = folder.join("queries/usage_daily.sql");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("FROM calls\n", "FROM calls\nWHERE is_billable\n")).unwrap();
    let error = aggregate_fails(&lake, &one(DAY)).await;
    assert!(error.contains("1 requests") && error.contains("2 calls"), "{error}");
    assert_eq!(lake.number("SELECT count(*) FROM usage_daily").await, 0);
    lake.assert_no_stray("after a refused edit").await;
}

#[test]
fn an_aggregate_may_be_cut_off_anywhere() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // One hour is enough here.
    let args = Args { allow_missing: true, lookback: Some(3), ..one(DAY) };
    let prepare = async || {
        let lake = TestLake::new().await;
        lake.put(hour("2023-01-31T06"), "a", lines([&call("1"), &call("2")]));
        lake.merge_hour(hour("2023-01-31T06")).await;
        lake
    };
    let check = async |lake: &TestLake, place: &str| {
        let report = aggregate(lake, &args).await.remove(0);
        assert_eq!(report["requests"], 2, "{place}");
        lake.assert_no_stray(place).await;
        assert_eq!(lake.number("SELECT sum(requests) FROM usage_daily").await, 2, "{place}");
    };
    let cuts = cut_everywhere(
        |_| runtime.block_on(prepare()),
        Duration::from_secs(3600),
        async |lake| drop(run::<AggregateJob>(lake, &args).await.unwrap()),
        |lake, place| runtime.block_on(check(lake, place)),
    );
    assert!(cuts > 10, "a run has more than {cuts} cuts");
}

#[test]
fn a_new_version_of_the_tables_may_be_cut_off_anywhere() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let prepare = |_| {
        let (lake, folder) = runtime.block_on(with_sql_folder());
        fs::write(
            folder.join("tables/V004__two.sql"),
            "-- name: two\n-- version: 4\n-- parameters:\n--   usage_daily_table (name): usage\n\
             ALTER TABLE {{ usage_daily_table }} ADD COLUMNS (`one` bigint);\n\
             ALTER TABLE {{ usage_daily_table }} ADD COLUMNS (`two` bigint);\n",
        )
        .unwrap();
        lake
    };
    let check = async |lake: &TestLake, place: &str| {
        let again = run::<TablesJob>(&lake.lake, &Default::default()).await;
        again.unwrap_or_else(|error| panic!("{place}: {error:#}"));
        let columns = lake.query("DESCRIBE usage_daily").await;
        let new = columns.iter().filter(|row| ["one", "two"].contains(&row[0].as_deref().unwrap())).count();
        assert_eq!(new, 2, "{place}");
    };
    let cuts = cut_everywhere(
        prepare,
        Duration::from_secs(3600),
        async |lake| drop(run::<TablesJob>(lake, &Default::default()).await.unwrap()),
        |lake, place| runtime.block_on(check(lake, place)),
    );
    assert!(cuts > 5, "a run has more than {cuts} cuts");
}
