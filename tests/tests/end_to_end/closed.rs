//! Hours whose raw files have expired: they stay as they are published, and hold up nothing that comes before or after them.

use std::fs;

use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::period::{Hour, Period};
use meterlake_tests::billing::finalize;
use meterlake_tests::calls::calls;
use meterlake_tests::lake::{TestLake, counts, hour, range, run};
use serde_json::Value;

use crate::invoices::PLANS;

fn the_hour() -> Hour {
    hour("2023-01-31T06")
}

/// What an expiry rule of the store does.
fn expire(lake: &TestLake, hour: Hour, name: &str) {
    fs::remove_file(lake.raw_folder(hour).join(name)).unwrap();
}

async fn requests(lake: &TestLake) -> Value {
    let day = Some(Some(the_hour().day()));
    let args = AggregateArgs { day, lookback: Some(0), allow_missing: true, ..AggregateArgs::default() };
    run::<AggregateJob>(&lake.lake, &args).await.unwrap().remove(0)["requests"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_hour_is_linked_to_an_hour_before_it_that_comes_later_and_is_empty() {
    let lake = TestLake::new().await;
    lake.put(the_hour(), "a", calls(&["1"]));
    lake.merge_hour(the_hour()).await;
    let before = lake.published().await;
    expire(&lake, the_hour(), "a");
    lake.merge_hour(the_hour().previous()).await;
    assert_eq!(requests(&lake).await, 1);
    let published = lake.published().await;
    assert!(published.iter().any(|one| one.location == before[0].location), "it keeps its generation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_moves_to_an_earlier_hour_leaves_the_later_one_though_the_hour_after_that_is_closed() {
    let lake = TestLake::new().await;
    let hours = [the_hour(), the_hour().next(), the_hour().offset(2)];
    lake.put(hours[0], "a", calls(&["W"]));
    lake.put(hours[1], "a", calls(&["X"]));
    lake.put(hours[2], "a", calls(&["X", "Z"]));
    lake.merge(&range(hours[0], hours[2])).await;
    expire(&lake, hours[2], "a");
    // X is a call here now, and a copy in the hour after it. In the closed hour it is a copy as before.
    lake.put(hours[0], "late", calls(&["X"]));
    assert_eq!(counts(&lake.merge_hour(hours[0]).await), (2, 0, 0));
    let mut calls = Vec::new();
    for hour in hours {
        calls.push((lake.calls_in(hour).await, lake.copies_in(hour).await));
    }
    assert_eq!(calls, [(2, 0), (0, 1), (1, 1)]);
    assert_eq!(requests(&lake).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_counted_because_the_next_hour_is_closed_is_accepted_by_its_number() {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put(the_hour(), "a", calls(&["1"]));
    lake.put(the_hour().next(), "a", calls(&["2"]));
    let day = range(hour("2023-01-31T00"), hour("2023-01-31T23"));
    lake.merge(&day).await;
    requests(&lake).await;
    lake.fill("2023-01").await;
    expire(&lake, the_hour().next(), "a");
    lake.put(the_hour(), "late", calls(&["2"]));
    let error = lake.invoice_fails(&finalize("2023-01")).await;
    assert!(error.contains("hour=06/late") && error.contains("--accept late=1`"), "{error}");
    let accepted = meterlake_invoice::Args { accept: Some("late=1".parse().unwrap()), ..finalize("2023-01") };
    assert_eq!(lake.invoice(&accepted).await.status(), "final");
}
