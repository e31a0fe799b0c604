//! The whole chain, from raw files to invoices, on S3 with the Glue catalog: it gives what it gives in a local folder.

use meterlake_aggregate::AggregateJob;
use meterlake_core::config::Config;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::publish::Publication;
use meterlake_embedded::connect_aws;
use meterlake_invoice::InvoiceJob;
use meterlake_loadgen::{Late, Options, write_files};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tables::TablesJob;
use meterlake_tests::billing::draft;
use meterlake_tests::lake::{TestLake, counts, hour, run, statuses};
use meterlake_tests::ministack::sdk_config;
use serde_json::Value;

use crate::lakes::{lake_on_athena, lake_on_s3};

const PLANS: &str = "
currency = 'USD'
default_plan = 'standard'
[[plans]]
id = 'standard'
effective_from = 2023-01-01
[[plans.charges]]
id = 'calls'
meter = 'billable_requests'
model = 'graduated'
tiers = [{ up_to = 10, unit = 0 }, { unit = '0.0123' }]
[[plans.charges]]
id = 'traffic'
meter = 'response_bytes'
model = 'package'
size = 1000
price = '0.01'
";

/// A day of traffic: on time, merged and aggregated; then late files, and all of it again; then invoices.
pub(crate) async fn chain(lake: &Lake, malformed: f64) -> (Vec<Value>, [String; 3]) {
    let traffic = Options {
        from: hour("2023-01-31T00"),
        to: hour("2023-01-31T23"),
        calls_per_hour: 40,
        objects_per_hour: 2,
        copies: 0.1,
        malformed,
        unauthenticated: 0.1,
        legacy: 0.1,
        late_share: 0.1,
        late: Late::OnTime,
        ..Options::default()
    };
    write_files(&*lake.store, &lake.layout, &traffic).await.unwrap();
    run::<TablesJob>(lake, &Default::default()).await.unwrap();
    let full = RepairArgs { full: true, ..RepairArgs::default() };
    run::<RepairJob>(lake, &full).await.unwrap();
    let all = MergeArgs { from: Some(traffic.from), to: Some(traffic.to), lookback: Some(0), ..MergeArgs::default() };
    run::<MergeJob>(lake, &all).await.unwrap();
    let truth = write_files(&*lake.store, &lake.layout, &Options { late: Late::LateOnly, ..traffic }).await.unwrap();
    let merged = run::<MergeJob>(lake, &all).await.unwrap();
    let calls: u64 = merged.iter().map(|report| counts(report).0).sum();
    assert_eq!(calls, truth.totals.calls);
    let again = run::<MergeJob>(lake, &all).await.unwrap();
    assert!(statuses(&again).iter().all(|status| status.ends_with("unchanged")), "{again:?}");

    let day = meterlake_aggregate::Args { day: Some(Some("2023-01-31".parse().unwrap())), ..Default::default() };
    let usage = run::<AggregateJob>(lake, &day).await.unwrap().remove(0);
    assert_eq!(usage["requests"], calls);

    lake.store.write(&lake.config.lake.join("plans.toml"), PLANS.as_bytes()).await.unwrap();
    let plans = lake.config.lake.join("plans.toml").to_string();
    let args = meterlake_invoice::Args { plans: Some(plans), ..draft("2023-01") };
    let made = run::<InvoiceJob>(lake, &args).await.unwrap().remove(0);
    assert_eq!(made["status"], "draft");
    let unchanged = run::<InvoiceJob>(lake, &args).await.unwrap().remove(0);
    assert_eq!(unchanged["generation"], made["generation"]);

    let output: Location = made["output"].as_str().unwrap().parse().unwrap();
    let mut files = Vec::new();
    for name in ["invoices.csv", "line_items.csv", "focus.csv"] {
        let content = lake.store.read(&output.join(name)).await.unwrap().unwrap();
        files.push(String::from_utf8(content).unwrap());
    }
    (merged, files.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_on_s3_gives_the_invoices_of_a_local_one_byte_for_byte() {
    let (on_s3, local) = (lake_on_s3().await, TestLake::bare().await);
    let (merged_on_s3, files_on_s3) = chain(&on_s3, 0.02).await;
    let (merged, files) = chain(&local.lake, 0.02).await;
    let all = |reports: &[Value]| reports.iter().map(counts).collect::<Vec<_>>();
    assert_eq!(all(&merged_on_s3), all(&merged));
    assert_eq!(files_on_s3, files);
    assert!(files[0].lines().count() > 20, "{}", files[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn athena_gives_the_invoices_of_the_embedded_engine_byte_for_byte() {
    let ((on_athena, _), local) = (lake_on_athena().await, TestLake::bare().await);
    let (merged_on_athena, files_on_athena) = chain(&on_athena, 0.02).await;
    let (merged, files) = chain(&local.lake, 0.02).await;
    let all = |reports: &[Value]| reports.iter().map(counts).collect::<Vec<_>>();
    assert_eq!(all(&merged_on_athena), all(&merged));
    assert_eq!(files_on_athena, files);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_on_s3_publish_an_hour_once() {
    let lake = lake_on_s3().await;
    run::<TablesJob>(&lake, &Default::default()).await.unwrap();
    let hour = hour("2023-01-31T06");
    let object = lake.layout.raw.folder_of(hour).join("a");
    lake.store.write(&object, meterlake_tests::calls::many_calls(50).as_bytes()).await.unwrap();
    let args = MergeArgs { hour: Some(Some(hour)), lookback: Some(0), ..MergeArgs::default() };
    let both = futures::future::join(run::<MergeJob>(&lake, &args), run::<MergeJob>(&lake, &args)).await;
    let reports = [both.0.unwrap().remove(0), both.1.unwrap().remove(0)];
    assert!(reports.iter().all(|report| counts(report) == (50, 0, 0)), "{reports:?}");
    assert_eq!(reports[0]["generation"], reports[1]["generation"], "{reports:?}");

    // What the one that was late had written is gone, and what is published is there.
    let merged = &lake.layout.merged;
    let values = [merged.partition(hour).values];
    let partition = lake.catalog.get_partitions(&merged.name, &values).await.unwrap().remove(0).unwrap();
    assert_eq!(Publication::of(&partition).unwrap().number("rows"), 50);
    assert_eq!(lake.store.folders(&merged.folder_of(hour)).await.unwrap(), [partition.location.parent()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_no_lake() {
    let config = Config { lake: "s3://meterlake-nobody-made-this".parse().unwrap(), ..Config::default() };
    let error = connect_aws(config, &sdk_config()).await.err().unwrap().to_string();
    assert!(error.contains("there is no lake at s3://meterlake-nobody-made-this"), "{error}");
}
