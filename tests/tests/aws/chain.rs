//! The whole chain, from raw files to invoices, on S3 with the Glue catalog: it gives what it gives in a local folder.

use meterlake_core::config::Config;
use meterlake_core::period::Hour;
use meterlake_core::publish::Publication;
use meterlake_embedded::connect_aws;
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_tests::chain::chain;
use meterlake_tests::lake::{TestLake, counts, hour, run, tables};
use meterlake_tests::ministack::sdk_config;
use serde_json::Value;

use crate::lakes::{lake_on_athena, lake_on_s3};

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
    tables(&lake).await.unwrap();
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
    assert_eq!(Publication::<Hour>::of(&partition).unwrap().notes.rows, 50);
    assert_eq!(lake.store.folders(&merged.folder_of(hour)).await.unwrap(), [partition.location.parent()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_no_lake() {
    let config = Config { lake: "s3://meterlake-nobody-made-this".parse().unwrap(), ..Config::default() };
    let error = connect_aws(config, &sdk_config()).await.err().unwrap().to_string();
    assert!(error.contains("there is no lake at s3://meterlake-nobody-made-this"), "{error}");
}
