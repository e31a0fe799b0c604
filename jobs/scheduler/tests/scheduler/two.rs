//! Two schedulers on one lake.

use std::time::Duration;

use chrono::TimeDelta;
use meterlake_core::log::{Entry, Log};
use meterlake_scheduler::book::{Book, JobNotes};
use meterlake_scheduler::run::run;
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, hourly, until};

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_run_each_firing_once() {
    let list = [
        hourly("merge", "merge", ""),
        hourly("aggregate", "aggregate", "after = ['merge']"),
        hourly("repair", "repair", ""),
        hourly("vacuum", "repair", "args = { vacuum = true }"),
    ]
    .concat();
    let fixture = Fixture::new(&list).await;
    let since = fixture.missed(10).await;
    for job in ["merge", "aggregate", "repair"] {
        // Two runs of one job at once would meet here.
        fixture.script(
            job,
            &format!("mkdir \"$HERE/{job}-runs\" || echo twice >> \"$HERE/log\"\nrmdir \"$HERE/{job}-runs\""),
        );
    }
    let settings = fixture.settings();
    let [one, other] = [(); 2].map(|()| run(&fixture.lake, &fixture.schedules, &settings));
    let names = ["merge", "aggregate", "repair", "vacuum"];
    let count: usize = names.iter().map(|name| fixture.expected(name, since).len()).sum();
    tokio::select! {
        ended = one => panic!("{ended:?}"),
        ended = other => panic!("{ended:?}"),
        () = until(async || fixture.log().len() >= count) => {}
    }
    let mut expected: Vec<String> = names.iter().flat_map(|name| fixture.expected(name, since)).collect();
    let mut log = fixture.log();
    assert_eq!(fixture.log_of("merge"), fixture.expected("merge", since));
    expected.sort();
    log.sort();
    assert_eq!(log, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_another_scheduler_runs_is_left_to_it() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    let since = fixture.missed(2).await;
    let other = fixture.book().await;
    other.take_job("merge").await.unwrap();
    fixture.run_once().await.unwrap();
    assert!(fixture.log().is_empty());
    let refused = fixture.book().await.take_job("merge").await.unwrap_err().to_string();
    assert!(refused.contains("another scheduler runs merge") && refused.contains("process"), "{refused}");
    assert!(other.finish("merge", None).await.unwrap());
    fixture.run_once().await.unwrap();
    assert_eq!(fixture.log(), fixture.expected("merge", since));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_a_dead_scheduler_is_taken_over_when_it_has_run_out() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    let since = fixture.missed(1).await;
    let dead = Book::open(&fixture.lake, TimeDelta::seconds(2)).await.unwrap();
    dead.take_job("merge").await.unwrap();
    let started = Instant::now();
    fixture.run_until(&fixture.settings(), async || !fixture.log().is_empty()).await;
    assert!(started.elapsed() > Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(fixture.log(), fixture.expected("merge", since));
    assert!(!dead.renew("merge").await.unwrap(), "it may not go on as if it had the lease");
    assert!(!dead.finish("merge", None).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_as_long_as_the_job_runs() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    let since = fixture.missed(1).await;
    fixture.script("merge", "sleep 3; touch \"$HERE/done\"");
    let mut settings = fixture.settings();
    settings.lease = TimeDelta::seconds(1);
    let [one, other] = [(); 2].map(|()| run(&fixture.lake, &fixture.schedules, &settings));
    tokio::select! {
        ended = one => panic!("{ended:?}"),
        ended = other => panic!("{ended:?}"),
        () = until(async || fixture.path("done").exists()) => {}
    }
    assert_eq!(fixture.log(), fixture.expected("merge", since));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_lost_its_lease_ends_its_job() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    fixture.missed(1).await;
    fixture.script("merge", "trap 'echo ended >> \"$HERE/log\"; exit 1' TERM\nsleep 60 & wait");
    let mut settings = fixture.settings();
    settings.lease = TimeDelta::seconds(1);
    let thief = fixture.book().await;
    let steal = async {
        until(async || fixture.log().len() == 1).await;
        // As if this machine had been asleep for longer than its lease.
        let log = Log::new(&fixture.lake.store, fixture.lake.config.lake.join(".meterlake/firings/merge"));
        let mut last: Entry<JobNotes> = log.last_after(0).await.unwrap().unwrap();
        last.content.lease.as_mut().unwrap().until = "2000-01-01T00:00:00Z".parse().unwrap();
        assert!(log.append(last.number, &last.content).await.unwrap());
        thief.take_job("merge").await.unwrap();
        until(async || fixture.log().len() == 2).await;
        sleep(Duration::from_millis(500)).await;
    };
    tokio::select! {
        ended = run(&fixture.lake, &fixture.schedules, &settings) => panic!("{ended:?}"),
        () = steal => {}
    }
    assert_eq!(fixture.log()[1], "ended");
    assert_eq!(fixture.log().len(), 2, "and begins no other while the thief has it");
    assert!(thief.renew("merge").await.unwrap(), "the lease is the thief's");
    assert_eq!(fixture.progress("merge").await.failures, 0);
}
