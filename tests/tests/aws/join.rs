//! Runs that join the queries of earlier ones: what Athena ran, and was paid for, it does not run again.

use std::sync::Arc;
use std::time::Duration;

use athena_local::{AthenaLocal, Fault, Summary};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_merge::{Args, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tests::calls::many_calls;
use meterlake_tests::lake::{counts, hour, run, tables};
use serde_json::Value;

use crate::lakes::{lake_on_athena, on_athena};

const HOUR: &str = "2023-01-31T06";

/// A lake on Athena with an hour of 50 calls.
async fn lake_with_an_hour() -> (Lake, Arc<AthenaLocal>) {
    let (lake, athena) = lake_on_athena().await;
    tables(&lake).await.unwrap();
    put(&lake, "a").await;
    (lake, athena)
}

async fn put(lake: &Lake, name: &str) {
    let object = lake.layout.raw.folder_of(hour(HOUR)).join(name);
    lake.store.write(&object, many_calls(50).as_bytes()).await.unwrap();
}

fn args() -> Args {
    Args { hour: Some(Some(hour(HOUR))), lookback: Some(0), ..Args::default() }
}

async fn merge(lake: &Lake) -> Value {
    run::<MergeJob>(lake, &args()).await.unwrap().remove(0)
}

fn is_ctas(execution: &Summary) -> bool {
    execution.sql.contains("CREATE TABLE")
}

fn ctas(athena: &AthenaLocal) -> usize {
    athena.executions().iter().filter(|execution| is_ctas(execution)).count()
}

/// Begins to merge, and is gone when its CTAS has been started.
async fn merge_and_be_killed(lake: &Lake, athena: &AthenaLocal) {
    merge_and_be_killed_when(lake, |_| true, athena).await;
}

/// Begins to merge, and is gone when a new CTAS is as far as is said.
async fn merge_and_be_killed_when(lake: &Lake, is_time: impl Fn(&Summary) -> bool, athena: &AthenaLocal) {
    let before = ctas(athena);
    let started = async {
        while !athena.executions().iter().filter(|execution| is_ctas(execution)).skip(before).any(&is_time) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let args = args();
    tokio::select! {
        biased;
        () = started => {}
        ended = run::<MergeJob>(lake, &args) => panic!("it ended before it could be killed: {ended:?}"),
    }
}

async fn generations(lake: &Lake) -> Vec<Location> {
    lake.store.folders(&lake.layout.merged.folder_of(hour(HOUR))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_after_one_that_was_killed_joins_its_query() {
    let (lake, athena) = lake_with_an_hour().await;
    athena.faults().queue_for(Duration::from_secs(1));
    merge_and_be_killed(&lake, &athena).await;
    let merged = merge(&lake).await;
    assert_eq!((counts(&merged), ctas(&athena)), ((50, 0, 0), 1));
    // Three queries, each of which is charged for 10 MB at least.
    assert_eq!(merged["estimated_cost_usd"], "0.00014304", "{merged}");
    assert_eq!(generations(&lake).await.len(), 1);

    // What is published is over: the next rebuild is a run of its own.
    put(&lake, "b").await;
    let again = merge(&lake).await;
    assert_eq!((counts(&again), ctas(&athena)), ((50, 50, 0), 2));
    assert_ne!(again["generation"], merged["generation"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_one_query_is_paid_for() {
    let (lake, athena) = lake_with_an_hour().await;
    athena.faults().queue_for(Duration::from_millis(300));
    let (first, second) = futures::future::join(merge(&lake), merge(&lake)).await;
    assert_eq!((counts(&first), counts(&second), ctas(&athena)), ((50, 0, 0), (50, 0, 0), 1));
    assert_eq!(first["generation"], second["generation"]);
    assert_eq!(generations(&lake).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_failed_for_a_reason_that_may_pass_is_begun_again_in_a_new_folder() {
    let (lake, athena) = lake_with_an_hour().await;
    athena.faults().spoil(1, Fault::FailsAfter { retryable: true });
    let merged = merge(&lake).await;
    assert_eq!((counts(&merged), ctas(&athena)), ((50, 0, 0), 2));
    assert_eq!(generations(&lake).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_failed_for_good_is_paid_for_once() {
    let (lake, athena) = lake_with_an_hour().await;
    athena.faults().spoil(1, Fault::FailsAfter { retryable: false });
    let error = run::<MergeJob>(&lake, &args()).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("merge_hour@2+lines@1+apigateway@1+published@1 failed on Athena"),
        "{error:#}"
    );
    assert_eq!(ctas(&athena), 1);
    // The next run is a new try.
    assert_eq!((counts(&merge(&lake).await), ctas(&athena)), ((50, 0, 0), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_failed_while_nobody_looked_does_not_fail_the_run_that_joins_it() {
    let (lake, athena) = lake_with_an_hour().await;
    athena.faults().queue_for(Duration::from_millis(300));
    athena.faults().spoil(1, Fault::FailsAfter { retryable: false });
    merge_and_be_killed(&lake, &athena).await;
    assert_eq!((counts(&merge(&lake).await), ctas(&athena)), ((50, 0, 0), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_stopped_on_exit_is_begun_again() {
    let (lake, athena) = lake_with_an_hour().await;
    let stopping = on_athena(&lake, Arc::clone(&athena), true).await;
    athena.faults().queue_for(Duration::from_secs(60));
    // A run that has not yet the answer to its start does not know what to stop.
    merge_and_be_killed_when(&stopping, |execution| execution.asked > 0, &athena).await;
    athena.faults().queue_for(Duration::ZERO);
    assert_eq!((counts(&merge(&lake).await), ctas(&athena)), ((50, 0, 0), 2));
    let states: Vec<_> = athena.executions().iter().map(|execution| execution.state).collect();
    assert!(states.contains(&athena_local::State::Cancelled), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn force_joins_nothing() {
    let (lake, athena) = lake_with_an_hour().await;
    athena.faults().queue_for(Duration::from_millis(300));
    merge_and_be_killed(&lake, &athena).await;
    let forced = Args { force: true, ..args() };
    let merged = run::<MergeJob>(&lake, &forced).await.unwrap().remove(0);
    assert_eq!((counts(&merged), ctas(&athena)), ((50, 0, 0), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_too_old_is_not_joined_because_vacuum_may_come() {
    let (mut lake, athena) = lake_with_an_hour().await;
    lake.config.vacuum_after = Duration::from_secs(2);
    merge_and_be_killed(&lake, &athena).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!((counts(&merge(&lake).await), ctas(&athena)), ((50, 0, 0), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_run_says_that_it_is_over_and_stays() {
    let (mut lake, athena) = lake_with_an_hour().await;
    merge(&lake).await;
    let records = lake.config.lake.join(".meterlake/runs");
    lake.config.vacuum_after = Duration::ZERO;
    let vacuum = RepairArgs { vacuum: true, full: true, ..RepairArgs::default() };
    run::<RepairJob>(&lake, &vacuum).await.unwrap();
    let entries = lake.store.list(&records).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.location.name()).collect::<Vec<_>>(), ["0000000001", "0000000002"]);
    assert_eq!(lake.store.read(&entries[1].location).await.unwrap().unwrap(), b"\"over\"");
    assert_eq!(merge(&lake).await["status"], "unchanged");
    assert_eq!(ctas(&athena), 1);
}
