//! The schedules over a real lake: what they say a job works on is what it works on, the programs do what is due, and a
//! stretch of time in fast motion is the same as the jobs by hand.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use meterlake_core::period::{Hour, Period};
use meterlake_core::run::Context;
use meterlake_loadgen::{Options, write_files};
use meterlake_scheduler::book::{Book, LEASE};
use meterlake_scheduler::jobs::Reports;
use meterlake_scheduler::list::{Firing, Schedules};
use meterlake_scheduler::replay::{Bare, Replay, Scene};
use meterlake_tests::lake::{TestLake, hour};
use meterlake_tests::programs::{Ran, program};
use serde_json::Value;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A lake with a little traffic on every hour of two days.
async fn lake_of_two_days() -> (TestLake, meterlake_loadgen::Truth) {
    let lake = TestLake::new().await;
    let options = Options {
        from: hour("2023-01-30T00"),
        to: hour("2023-01-31T23"),
        calls_per_hour: 20,
        objects_per_hour: 1,
        copies: 0.1,
        ..Options::default()
    };
    let truth = write_files(&*lake.lake.store, &lake.lake.layout, &options).await.unwrap();
    (lake, truth)
}

fn replay<'a>(lake: &'a TestLake, schedules: &'a Schedules, from: &str, to: &str) -> Replay<'a> {
    Replay { lake: &lake.lake, schedules, from: time(from), to: time(to), reports: Reports::Keep }
}

/// Compares what each job reports with what the list says it works on.
struct Periods {
    checked: usize,
}

impl Scene for Periods {
    fn after(&mut self, firing: &Firing<'_>, reports: Vec<Value>) {
        let config = meterlake_core::config::Config::default();
        let period = firing.entry.job.work(&config, firing.at).unwrap().period;
        assert_eq!(reports.last().unwrap()["period"], period, "{} {}", firing.entry.name, firing.at);
        self.checked += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_in_fast_motion_merges_and_aggregates_all_of_it() {
    let (lake, truth) = lake_of_two_days().await;
    // Without the invoices, for which the lake has no plan file.
    let list: String = include_str!("../../../schedules/schedules.toml").to_owned();
    let list = list.split("\n\n").filter(|entry| !entry.contains("job = \"invoice\"")).collect::<Vec<_>>().join("\n\n");
    let schedules = Schedules::parse("schedules.toml", &list).unwrap();
    let mut periods = Periods { checked: 0 };
    replay(&lake, &schedules, "2023-01-30T00:00:00Z", "2023-01-31T12:00:00Z").play(&mut periods).await.unwrap();
    // The second half goes on where the first ended: no entry is new any more.
    replay(&lake, &schedules, "2023-01-31T12:00:00Z", "2023-02-01T02:00:00Z").play(&mut periods).await.unwrap();
    // Merges, repairs, aggregates, vacuums, late merges; but for those that work on the day before.
    assert_eq!(periods.checked, (50 - 1) + 3 + (3 - 1) + 2 + (3 - 1));
    assert_eq!(lake.calls().await, truth.totals.calls);
    // Once more from the beginning: what was before it is still left out.
    replay(&lake, &schedules, "2023-01-30T00:00:00Z", "2023-01-30T02:00:00Z").play(&mut Bare).await.unwrap();
    assert_eq!(lake.number("SELECT sum(requests) FROM usage_daily").await, truth.totals.calls);
    // A scheduler that begins now takes all of it for done.
    let book = Book::open(&lake.lake, LEASE).await.unwrap();
    let notes = book.look(&schedules).await.unwrap();
    assert_eq!(notes["merge"].entries["merge"].done, time("2023-02-01T01:59:59Z"));
    assert!(notes.values().all(|notes| notes.lease.is_none()));
    lake.assert_no_stray("after a replay").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_stops_at_the_first_failure_and_says_where_to_go_on() {
    let (lake, _) = lake_of_two_days().await;
    let schedules = Schedules::built_in().unwrap();
    // There is no plan file.
    let error = replay(&lake, &schedules, "2023-01-31T12:00:00Z", "2023-02-01T13:00:00Z").play(&mut Bare).await;
    let error = meterlake_core::run::one_line(&error.unwrap_err());
    assert!(error.contains("invoice-draft") && error.contains("--from 2023-02-01T12:30:00Z"), "{error}");
    let book = Book::open(&lake.lake, LEASE).await.unwrap();
    assert!(
        book.look(&schedules).await.unwrap().values().all(|notes| notes.lease.is_none() && notes.entries.is_empty())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_works_on_the_month_that_the_list_says() {
    let mut lake = TestLake::new().await;
    let plans = lake.lake.config.lake.join("plans.toml");
    lake.lake.config.billing.plans = plans.clone();
    lake.lake.store.write(&plans, include_bytes!("../../../jobs/invoice/plans.example.toml")).await.unwrap();
    let schedules = Schedules::built_in().unwrap();
    for zone in ["UTC", "America/Los_Angeles", "Asia/Seoul"] {
        let mut lake = lake.lake.clone();
        lake.config.billing.time_zone = zone.to_owned();
        for firing in schedules.due_after(time("2023-01-31T12:00:00Z")).take(24 * 9) {
            let entry = firing.entry;
            if entry.job.name == "invoice" {
                let context = Context { now: firing.at, dry_run: true, deadline: None };
                let reports = entry.job.run(&lake, &entry.args, context, Reports::Keep).await.unwrap();
                let period = entry.job.work(&lake.config, firing.at).unwrap().period;
                assert!(reports[0]["plan"].as_str().unwrap().starts_with(&period), "{zone} {}: {reports:?}", firing.at);
                assert_eq!(period, "2023-01");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_runs_the_programs_for_the_hours_that_were_missed() {
    let lake = TestLake::new().await;
    // The minute of half an hour ago, so that nothing becomes due meanwhile.
    let since = Utc::now() - TimeDelta::hours(4);
    let minute = (Utc::now() - TimeDelta::minutes(30)).minute();
    let entry = |job: &str, after: &str| {
        format!("[[schedule]]\nname = '{job}'\njob = '{job}'\ncron = '{minute} * * * *'\nafter = [{after}]\n")
    };
    let list = entry("merge", "'repair'") + &entry("repair", "");
    std::fs::write(lake.beside.path().join("s.toml"), &list).unwrap();
    let schedules = Schedules::parse("s.toml", &list).unwrap();
    let due = schedules.entries[0].due_after(since).take_while(|at| *at < Utc::now());
    let hours: Vec<Hour> = due.map(Hour::last_complete).collect();
    let options = Options { from: hours[0], to: hours[3], calls_per_hour: 50, copies: 0.1, ..Options::default() };
    let truth = write_files(&*lake.lake.store, &lake.lake.layout, &options).await.unwrap();
    let book = Book::open(&lake.lake, LEASE).await.unwrap();
    book.enroll(&schedules, since).await.unwrap();

    let folder = lake.folder().display().to_string();
    let args = ["--schedules", "s.toml", "--lake", &folder, "--output", "json", "run", "--once"];
    let run_once = || Ran::of(program("scheduler", lake.beside.path()).args(args).output().unwrap()).reports();
    let reports = run_once();
    let merged: Vec<&str> =
        reports.iter().filter(|report| report["job"] == "merge").filter_map(|it| it["period"].as_str()).collect();
    assert_eq!(merged, hours.iter().map(Hour::to_string).collect::<Vec<_>>());
    assert_eq!(reports.len(), 8, "{reports:?}");
    assert_eq!(lake.calls().await, truth.totals.calls);
    assert!(run_once().is_empty());
}
