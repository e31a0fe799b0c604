//! A lake has a beginning, and heals by itself: what was missed is merged and built by the next runs, with no person.

use chrono::TimeDelta;
use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::beginning::Beginning;
use meterlake_core::clock::Clock;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::run::{Context, Job, Output, one_line};
use meterlake_invoice::InvoiceJob;
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_scheduler::jobs::Reports;
use meterlake_scheduler::list::{Firing, Schedules};
use meterlake_scheduler::replay::{Replay, Scene};
use meterlake_tables::{Args as TablesArgs, TablesJob};
use meterlake_tests::billing::{Invoices, draft, finalize};
use meterlake_tests::calls::{call, calls, lines, with};
use meterlake_tests::lake::{TestLake, hour, one, range, run, statuses};
use serde_json::Value;

use crate::invoices::PLANS;

/// The hour in which a lake is made.
const FIRST: &str = "2023-01-10T14";

/// Runs a job at a time, as its schedule does.
async fn at<J: Job>(lake: &Lake, time: &str, args: &J::Args) -> anyhow::Result<Vec<Value>> {
    let mut lake = lake.clone();
    let now = time.parse().unwrap();
    lake.clock = Clock::at(now);
    let mut output = Output::keep();
    J::run(&lake, args, &Context { now, dry_run: false, deadline: None }, &mut output).await?;
    Ok(output.into_kept())
}

async fn begins(lake: &TestLake, time: &str, args: &TablesArgs) -> String {
    let reports = at::<TablesJob>(&lake.lake, time, args).await.unwrap();
    let last = reports.last().unwrap();
    format!("{} {}", last["begins"].as_str().unwrap(), last["status"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_begins_where_its_first_raw_folder_is_or_now() {
    let none = TablesArgs::default();
    let lake = TestLake::bare().await;
    assert_eq!(begins(&lake, "2023-01-10T14:20:00Z", &none).await, "2023-01-10T14 applied");
    lake.put(hour("2023-01-09T23"), "a", calls(&["1"]));
    assert_eq!(begins(&lake, "2023-01-10T15:20:00Z", &none).await, "2023-01-10T14 unchanged");

    let lake = TestLake::bare().await;
    for earlier in ["2023-01-31T06", "2023-02-01T00"] {
        lake.put(hour(earlier), "a", calls(&["1"]));
    }
    std::fs::create_dir_all(lake.folder().join("json-data/year=2022/month=oops")).unwrap();
    assert_eq!(begins(&lake, "2023-03-01T00:00:00Z", &none).await, "2023-01-31T06 applied");
    let moved = |to: &str| TablesArgs { begins: Some(hour(to)) };
    assert_eq!(begins(&lake, "2023-03-01T00:00:00Z", &moved("2023-01-30T00")).await, "2023-01-30T00 applied");
    assert_eq!(begins(&lake, "2023-03-01T00:00:00Z", &moved("2023-01-31T06")).await, "2023-01-31T06 applied");
    lake.merge_hour(hour("2023-01-31T06")).await;
    let refused = at::<TablesJob>(&lake.lake, "2023-03-01T00:00:00Z", &moved("2023-01-31T07")).await.unwrap_err();
    assert!(one_line(&refused).contains("the hour 2023-01-31T06 is published"), "{refused:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_before_the_beginning_is_named_and_counted_once_it_is_moved() {
    let lake = TestLake::bare().await;
    begins(&lake, "2023-01-10T14:20:00Z", &TablesArgs::default()).await;
    let early = hour("2023-01-10T13");
    lake.put(early, "a", calls(&["1"]));
    let args = RepairArgs { from: Some(early), to: Some(early), ..RepairArgs::default() };
    let failed = at::<RepairJob>(&lake.lake, "2023-01-10T15:00:00Z", &args).await.unwrap_err();
    assert!(one_line(&failed).contains("1 hours before the lake begins have raw files"), "{failed:#}");
    let refused = lake.merge_fails(&one(early)).await;
    assert!(refused.contains("tables --begins 2023-01-10T13"), "{refused}");
    let day = AggregateArgs { day: Some(Some("2023-01-09".parse().unwrap())), ..AggregateArgs::default() };
    let refused = run::<AggregateJob>(&lake.lake, &day).await.unwrap_err();
    assert!(one_line(&refused).contains("tables --begins 2023-01-09T00"), "{refused:#}");

    begins(&lake, "2023-01-10T15:20:00Z", &TablesArgs { begins: Some(early) }).await;
    assert_eq!(lake.merge_hour(early).await["rows"], 1);
    at::<RepairJob>(&lake.lake, "2023-01-10T15:00:00Z", &args).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_does_not_wait_for_what_lies_before_the_beginning_on_the_first_day() {
    let mut lake = TestLake::with_plans(PLANS).await;
    lake.lake.config.billing.grace_days = 0;
    let first = hour("2023-01-31T20");
    assert!(Beginning::default().move_to(&lake.lake, first).await.unwrap());
    lake.put(first.previous(), "early", calls(&["0"]));
    lake.put(first, "a", calls(&["1"]));
    lake.merge(&range(first, hour("2023-01-31T23"))).await;
    let day = AggregateArgs { day: Some(Some(first.day())), ..AggregateArgs::default() };
    assert_eq!(run::<AggregateJob>(&lake.lake, &day).await.unwrap()[0]["requests"], 1);
    assert_eq!(lake.invoice(&finalize("2023-01")).await.status(), "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_nobody_tends_counts_every_hour_from_its_first_on() {
    let lake = TestLake::bare().await;
    begins(&lake, "2023-01-10T14:20:00Z", &TablesArgs::default()).await;
    lake.put(hour("2023-01-10T14"), "a", calls(&["1"]));
    lake.put(hour("2023-01-10T17"), "a", calls(&["2", "3"]));
    let ordinary = MergeArgs::default();
    let merge = async |time: &str| statuses(&at::<MergeJob>(&lake.lake, time, &ordinary).await.unwrap());
    assert!(merge("2023-01-10T14:25:00Z").await.is_empty(), "the hour before the first");
    assert_eq!(merge("2023-01-10T15:10:00Z").await, ["2023-01-10T14 published"]);
    // Two firings were missed; the hours between are published with the next one's, and nobody is warned.
    let caught_up = ["2023-01-10T15 empty", "2023-01-10T16 empty", "2023-01-10T17 published"];
    assert_eq!(merge("2023-01-10T18:10:00Z").await, caught_up);

    let waits = AggregateArgs { wait_until: "+34h".parse().ok(), ..AggregateArgs::default() };
    let aggregate = async |time: &str, args: &AggregateArgs| at::<AggregateJob>(&lake.lake, time, args).await;
    assert!(aggregate("2023-01-10T01:30:00Z", &waits).await.unwrap().is_empty(), "the day before the first");
    let early = aggregate("2023-01-11T01:30:00Z", &waits).await.unwrap();
    assert_eq!(statuses(&early), ["2023-01-10 waiting"]);
    assert!(early[0]["waiting_for"].as_str().unwrap().contains("2023-01-10T18"), "{early:?}");
    let named = AggregateArgs { day: Some("2023-01-10".parse().ok()), ..waits.clone() };
    assert_eq!(statuses(&aggregate("2023-01-12T09:59:00Z", &named).await.unwrap()), ["2023-01-10 waiting"]);
    assert!(one_line(&aggregate("2023-01-12T10:00:00Z", &named).await.unwrap_err()).contains("never merged"));

    merge("2023-01-11T01:10:00Z").await;
    let done = aggregate("2023-01-11T01:30:00Z", &waits).await.unwrap();
    assert_eq!((statuses(&done), &done[0]["requests"]), (vec!["2023-01-10 published".to_owned()], &3.into()));
    assert_eq!(done[0]["missing_hours"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_days_each_run_goes_on_with_what_is_left() {
    let lake = TestLake::bare().await;
    let first = hour("2023-01-10T14");
    begins(&lake, "2023-01-10T14:20:00Z", &TablesArgs::default()).await;
    for n in [0, 20, 70] {
        lake.put(first.offset(n), "a", calls(&[&n.to_string()]));
    }
    let reports = at::<MergeJob>(&lake.lake, "2023-01-13T15:10:00Z", &MergeArgs::default()).await.unwrap();
    let hours: Vec<&str> = reports.iter().map(|report| report["period"].as_str().unwrap()).collect();
    let all: Vec<String> = Hour::range(first, hour("2023-01-13T14")).map(|hour| hour.to_string()).collect();
    assert_eq!(hours, all);
    assert_eq!(lake.calls().await, 3);
    // The days that were never built are built with the last one.
    let days = at::<AggregateJob>(&lake.lake, "2023-01-13T01:30:00Z", &AggregateArgs::default()).await.unwrap();
    assert_eq!(statuses(&days), ["2023-01-10 published", "2023-01-11 published", "2023-01-12 empty"]);
    assert_eq!(lake.number("SELECT sum(requests) FROM usage_daily").await, 2);
}

/// What arrives in a lake that was made on a 10th: every six hours a call of `a` and one of nobody, and every twelve hours one of
/// `b`, in a file that comes five hours late.
struct Unattended<'a> {
    lake: &'a TestLake,
    next: Hour,
    /// What `invoice-final` said, by the day of the month.
    finals: Vec<String>,
}

impl Unattended<'_> {
    fn put(&self, hour: Hour, users: &[&str]) {
        let time = (hour.start() + TimeDelta::minutes(5)).timestamp_millis().to_string();
        let call = |user: &&str| with(with(call(&format!("{user} {hour}")), "user", user), "requestTime", &time);
        self.lake.put(hour, users[0], lines(&users.iter().map(call).collect::<Vec<_>>()));
    }
}

fn has_calls(hour: &Hour) -> bool {
    hour.number() % 6 == 2
}

fn has_late_call(hour: &Hour) -> bool {
    hour.number() % 12 == 2
}

impl Scene for Unattended<'_> {
    fn before(&mut self, firing: &Firing<'_>) -> anyhow::Result<()> {
        while self.next.end() <= firing.at {
            if has_calls(&self.next) {
                self.put(self.next, &["a", "-"]);
            }
            let earlier = self.next.offset(-5);
            if has_late_call(&earlier) && earlier >= hour(FIRST) {
                self.put(earlier, &["b"]);
            }
            self.next = self.next.next();
        }
        Ok(())
    }

    fn after(&mut self, firing: &Firing<'_>, reports: Vec<Value>) {
        if firing.entry.name == "invoice-final" {
            self.finals.push(format!("{} {}", firing.at.format("%d"), reports[0]["status"].as_str().unwrap()));
        }
    }
}

/// From the middle of a month to the invoices of that month, which ends later in Los Angeles: nothing fails, and nobody does
/// anything by hand.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_night_and_the_first_month_of_a_lake_need_nobody() {
    let plans = "currency = 'USD'\ndefault_plan = 'p'\n[[plans]]\nid = 'p'\neffective_from = 2023-01-01\n\
                 [[plans.charges]]\nid = 'calls'\nmeter = 'requests'\nmodel = 'per_unit'\nunit = 1\n";
    let mut lake = TestLake::with_plans(plans).await;
    lake.lake.config.billing.time_zone = "America/Los_Angeles".to_owned();
    let from = "2023-01-10T14:20:00Z";
    assert_eq!(begins(&lake, from, &TablesArgs::default()).await, format!("{FIRST} applied"));
    let schedules = Schedules::built_in().unwrap();
    let (from, to) = (from.parse().unwrap(), "2023-02-05T12:00:00Z".parse().unwrap());
    let replay = Replay { lake: &lake.lake, schedules: &schedules, from, to, reports: Reports::Keep };
    let mut month = Unattended { lake: &lake, next: hour(FIRST), finals: Vec::new() };
    replay.play(&mut month).await.unwrap();
    assert_eq!(month.finals, ["03 waiting", "04 final", "05 already final"]);

    let january: Vec<Hour> = Hour::range(hour(FIRST), hour("2023-02-01T07")).collect();
    let [calls, late] = [has_calls, has_late_call].map(|has| january.iter().filter(|hour| has(hour)).count());
    let invoice = Invoices::of(run::<InvoiceJob>(&lake.lake, &draft("2023-01")).await.unwrap().remove(0));
    assert_eq!(invoice.totals(), [format!("a {calls}.00"), format!("b {late}.00")]);
}
