//! Several runs at once.

use futures::future::join_all;
use meterlake_core::period::{Hour, Period};
use meterlake_merge::{MergeJob, Options, merge_hour};
use meterlake_tests::calls::{calls, many_calls};
use meterlake_tests::lake::{TestLake, counts, hour, one, run};
use meterlake_tests::programs::{Ran, program};
use serde_json::Value;

const HOUR: &str = "2023-01-31T06";

fn the_hour() -> Hour {
    hour(HOUR)
}

/// Starts this many merges of the hour at once, and gives their reports.
fn at_once(lake: &TestLake, count: usize, more: &[&str]) -> Vec<Value> {
    let folder = lake.folder().display().to_string();
    let args = ["--lake", &folder, "--hour", HOUR, "--output", "json"];
    let start = || program("merge", lake.beside.path()).args(args).args(more).spawn().unwrap();
    let children: Vec<_> = (0..count).map(|_| start()).collect();
    let ended = children.into_iter().map(|child| Ran::of(child.wait_with_output().unwrap()));
    ended.map(|ran| ran.reports().remove(0)).collect()
}

fn published(reports: &[Value]) -> usize {
    reports.iter().filter(|report| report["status"] == "published").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_processes_publishes_and_the_other_finds_it_done() {
    for _ in 0..3 {
        let lake = TestLake::new().await;
        lake.put(the_hour(), "a", many_calls(2000));
        lake.put(the_hour(), "b", calls(&["call-00000000", "x"]));
        let reports = at_once(&lake, 2, &[]);
        assert_eq!(published(&reports), 1, "{reports:?}");
        assert!(reports.iter().all(|report| counts(report) == (2001, 1, 0)), "{reports:?}");
        assert_eq!(reports[0]["generation"], reports[1]["generation"]);
        assert_eq!(lake.calls().await, 2001);
        lake.assert_no_stray("after two processes").await;
        assert_eq!(lake.calls().await, 2001);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_both_must_rebuild_both_succeed() {
    let lake = TestLake::new().await;
    lake.put(the_hour(), "a", many_calls(500));
    lake.merge_hour(the_hour()).await;
    let reports = at_once(&lake, 2, &["--force"]);
    assert_eq!(published(&reports), 2, "{reports:?}");
    assert_eq!(lake.calls().await, 500);
    lake.assert_no_stray("after two forced processes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_four_tasks_publishes_and_the_others_find_it_done() {
    let lake = TestLake::new().await;
    lake.put(the_hour(), "a", many_calls(500));
    let args = one(the_hour());
    let reports = join_all((0..4).map(|_| run::<MergeJob>(&lake.lake, &args))).await;
    let reports: Vec<Value> = reports.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!((reports.len(), published(&reports)), (4, 1), "{reports:?}");
    assert_eq!(lake.calls().await, 500);
    lake.assert_no_stray("after four tasks").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_find_only_the_hour_before_changed_do_not_disturb_each_other() {
    let lake = TestLake::new().await;
    let next = the_hour().next();
    lake.put(the_hour(), "a", calls(&["1"]));
    lake.put(next, "a", many_calls(100));
    lake.merge_hour(the_hour()).await;
    lake.merge_hour(next).await;
    for round in 0..5 {
        lake.put(the_hour(), &format!("late-{round}"), calls(&[&format!("late-{round}")]));
        let merges = (0..4).map(|_| merge_hour(&lake.lake, next, Options::default()));
        for report in join_all(merges).await {
            assert_eq!(report.unwrap().rows, 100);
        }
    }
    lake.assert_no_stray("after tasks that renewed").await;
    assert_eq!(lake.calls_in(next).await, 100);
}
