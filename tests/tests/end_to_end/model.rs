//! Lives of a lake, thousands of them in memory and some with the real engine: whatever arrives and whatever dies, every line is
//! a call once, a copy by the one rule, or malformed, or lies in a file that a job names and fails for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::beginning::Beginning;
use meterlake_core::clock::Clock;
use meterlake_core::config::Config;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publications::{self, Head};
use meterlake_core::run::{Context, Job, Output};
use meterlake_invoice::InvoiceJob;
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tests::billing::{day, draft, finalize};
use meterlake_tests::calls::calls;
use meterlake_tests::lake::{TestLake, hour, one, range, run};
use meterlake_tests::model::{Fate, Home, InMemory, Memory, PLANS, Process, live};
use rand::rngs::StdRng;
use rust_decimal::Decimal;
use serde_json::Value;

/// How many lives are played; more by `METERLAKE_LIVES=2000 cargo test --release --test end_to_end model::every_line`.
fn lives(usual: u64) -> u64 {
    std::env::var("METERLAKE_LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_line_is_what_the_rule_says_in_memory() {
    let memory = Memory::new();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let memory = &memory;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                for seed in (0..lives(60)).filter(|seed| seed % 2 == half) {
                    runtime.block_on(live(&mut InMemory(memory, memory.world()), seed));
                }
            });
        }
    });
}

/// A lake in a folder, with the real engine. Its processes live on.
struct InAFolder(TestLake);

impl Home for InAFolder {
    fn lake(&self, clock: &Clock, _: u64, _: Fate) -> (Lake, Option<std::sync::Arc<Process>>) {
        let mut lake = self.0.lake.clone();
        lake.clock = clock.clone();
        (lake, None)
    }

    fn deliver(&self, _: &mut StdRng) {}

    fn expire(&self, object: &Location) {
        fs::remove_file(object.to_path().unwrap()).unwrap();
    }

    async fn move_away(&mut self) {
        let lake = &mut self.0;
        let mut there = lake.folder().into_os_string();
        there.push("'");
        fs::rename(lake.folder(), &there).unwrap();
        let config = Config { lake: Location::from_path(Path::new(&there)).unwrap(), ..lake.lake.config.clone() };
        lake.lake = meterlake_embedded::connect(config).await.unwrap();
    }

    async fn calls(&self, _: &Lake, heads: &[(Hour, Head<Hour>)]) -> BTreeMap<Hour, Vec<String>> {
        let mut calls: BTreeMap<Hour, Vec<String>> = BTreeMap::new();
        let sql = "SELECT year, month, day, hour, extendedrequestid FROM restapi_access_log_parquet";
        for row in self.0.query(sql).await {
            let number = |at: usize| -> u32 { row[at].as_deref().unwrap().parse().unwrap() };
            let hour: Hour =
                format!("{}-{:02}-{:02}T{:02}", number(0), number(1), number(2), number(3)).parse().unwrap();
            if heads.iter().any(|(there, _)| *there == hour) {
                calls.entry(hour).or_default().push(row[4].clone().unwrap());
            }
        }
        calls.values_mut().for_each(|ids| ids.sort());
        calls
    }
}

#[test]
fn every_line_is_what_the_rule_says_on_the_real_engine() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..lives(150).div_ceil(50) {
        runtime.block_on(async { live(&mut InAFolder(TestLake::with_plans(PLANS).await), seed).await });
    }
}

/// All orders of some things.
fn permutations<T: Copy>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |at: usize| {
        let rest: Vec<T> = [&things[..at], &things[at + 1..]].concat();
        permutations(&rest).into_iter().map(move |rest| [vec![things[at]], rest].concat()).collect::<Vec<_>>()
    };
    (0..things.len()).flat_map(with_first).collect()
}

/// X arrives in hours 0, 1 and 2 of a day and is a call once; Y in hours 0 and 2 and is a call twice. After each step somebody
/// tries to make the month final.
#[tokio::test]
async fn in_whatever_order_hours_arrive_and_are_merged_the_same_calls_come_out() {
    let memory = Memory::new();
    let hours = ["2023-01-31T00", "2023-01-31T01", "2023-01-31T02"].map(hour);
    let content = [calls(&["X", "Y"]), calls(&["X"]), calls(&["X", "Y"])];
    let day = AggregateArgs { day: Some(Some(hours[0].day())), lookback: Some(0), ..AggregateArgs::default() };
    let mut adjusted = 0;
    for (arriving, merging) in permutations(&[0, 1, 2])
        .iter()
        .flat_map(|one| permutations(&[0, 1, 2]).into_iter().map(move |other| (one.clone(), other)))
    {
        let (home, clock) = (InMemory(&memory, memory.world()), Clock::at("2023-02-01T03:00:00Z".parse().unwrap()));
        let (mut lake, _) = home.lake(&clock, 0, Fate::default());
        lake.config.billing.grace_days = 0;
        assert!(Beginning::default().move_to(&lake, hours[0]).await.unwrap());
        let merge = async |args: MergeArgs| run::<MergeJob>(&lake, &args).await;
        merge(MergeArgs { lookback: Some(0), ..range(hours[0], hour("2023-02-01T00")) }).await.unwrap();
        let mut last_word = None;
        for at in &arriving {
            let object = lake.layout.raw.folder_of(hours[*at]).join("a.json");
            lake.store.write(&object, content[*at].as_bytes()).await.unwrap();
            for at in &merging {
                merge(MergeArgs { lookback: Some(0), ..one(hours[*at]) }).await.unwrap();
                run::<AggregateJob>(&lake, &day).await.unwrap();
                let heads = publications::heads_since(&lake, &lake.layout.merged, None).await.unwrap();
                let counted = home.calls(&lake, &heads).await;
                let both = |hour: Hour, id: &str| {
                    counted[&hour].iter().any(|one| one == id) && counted[&hour.next()].iter().any(|one| one == id)
                };
                assert!(
                    !hours[..2].iter().any(|hour| both(*hour, "X") || both(*hour, "Y")),
                    "{arriving:?} {merging:?} {counted:?}"
                );
                if let Ok(made) = run::<InvoiceJob>(&lake, &finalize("2023-01")).await {
                    let made = (made[0]["generation"].clone(), made[0]["totals"]["USD"].clone());
                    assert_eq!(last_word.get_or_insert_with(|| made.clone()), &made, "{arriving:?} {merging:?}");
                }
            }
        }
        let heads = publications::heads(&lake, &lake.layout.merged, &hours).await.unwrap();
        let counted = home.calls(&lake, &hours.into_iter().zip(heads).collect::<Vec<_>>()).await;
        assert_eq!(hours.map(|hour| counted[&hour].join(" ")), ["X Y", "", "Y"], "{arriving:?} {merging:?}");
        let requests = run::<AggregateJob>(&lake, &day).await.unwrap().remove(0)["requests"].clone();
        assert_eq!(requests, 3, "{arriving:?} {merging:?}");
        // Whatever January billed when it was made final, with the correction in February it is a dollar a call.
        clock.move_to("2023-03-01T03:00:00Z".parse().unwrap());
        let january = run::<InvoiceJob>(&lake, &finalize("2023-01")).await.unwrap().remove(0);
        let february = run::<InvoiceJob>(&lake, &draft("2023-02")).await.unwrap().remove(0);
        let dollars = |made: &Value| -> Decimal { made["totals"]["USD"].as_str().unwrap_or("0").parse().unwrap() };
        assert_eq!(dollars(&january) + dollars(&february), Decimal::from(3), "{arriving:?} {merging:?}");
        adjusted += u32::from(!dollars(&february).is_zero());
    }
    assert!(adjusted > 0, "no January was final too early to be right");
}

/// How many calls to the store and the catalog a job makes.
async fn calls_of<J: Job>(home: &impl Home, clock: &Clock, args: &J::Args) -> u64 {
    let (lake, process) = home.lake(clock, 0, Fate::default());
    let context = Context { now: clock.now(), dry_run: false, deadline: None };
    J::run(&lake, args, &context, &mut Output::keep()).await.unwrap();
    process.unwrap().calls()
}

#[tokio::test]
async fn a_night_takes_hardly_more_calls_on_a_lake_of_a_year_than_on_one_of_four_months() {
    let memory = Memory::new();
    let (home, clock) = (InMemory(&memory, memory.world()), Clock::at("2024-01-01T01:35:00Z".parse().unwrap()));
    let (lake, _) = home.lake(&clock, 0, Fate::default());
    let mut counted = Vec::new();
    for (first, last) in
        [("2023-09-01", "2023-12-31"), ("2023-01-01", "2023-08-31")].map(|(one, other)| (day(one), day(other)))
    {
        let hours = range(first.hours().next().unwrap(), last.next().hours().next().unwrap());
        run::<MergeJob>(&lake, &MergeArgs { lookback: Some(0), ..hours }).await.unwrap();
        let days = AggregateArgs { from: Some(first), to: Some(last), lookback: Some(0), ..AggregateArgs::default() };
        run::<AggregateJob>(&lake, &days).await.unwrap();
        let late = MergeArgs { lookback: Some(960), ..MergeArgs::default() };
        let vacuum = RepairArgs { vacuum: true, ..RepairArgs::default() };
        counted.push([
            calls_of::<MergeJob>(&home, &clock, &MergeArgs::default()).await,
            calls_of::<MergeJob>(&home, &clock, &late).await,
            calls_of::<AggregateJob>(&home, &clock, &AggregateArgs::default()).await,
            calls_of::<RepairJob>(&home, &clock, &vacuum).await,
        ]);
    }
    assert_eq!(counted[0][..3], counted[1][..3], "{counted:?}");
    assert!(counted[1].iter().zip([160, 1_200, 40, 80]).all(|(calls, most)| *calls <= most), "{counted:?}");
}

/// Twenty days in which nothing ran: one run finds all of it, and each hour takes a call for each of its objects and a few more.
#[tokio::test]
async fn after_an_outage_an_hour_takes_a_few_calls_beside_those_for_its_objects() {
    const OBJECTS: u64 = 6;
    let memory = Memory::new();
    let (home, clock) = (InMemory(&memory, memory.world()), Clock::at("2023-12-01T00:20:00Z".parse().unwrap()));
    let (lake, _) = home.lake(&clock, 0, Fate::default());
    let first = Hour::containing(clock.now());
    assert!(Beginning::default().move_to(&lake, first).await.unwrap());
    for hour in Hour::range(first, first.offset(479)) {
        for object in 0..OBJECTS {
            let folder = lake.layout.raw.folder_of(hour);
            let line = calls(&[&format!("{hour} {object}")]);
            lake.store.write(&folder.join(&object.to_string()), line.as_bytes()).await.unwrap();
        }
    }
    clock.move_to(first.offset(480).start() + TimeDelta::minutes(10));
    let calls = calls_of::<MergeJob>(&home, &clock, &MergeArgs::default()).await;
    let hours: Vec<Hour> = Hour::range(first, first.offset(479)).collect();
    let heads = publications::heads(&lake, &lake.layout.merged, &hours).await.unwrap();
    assert!(heads.iter().all(|head| head.publication().is_some_and(|published| published.notes.rows == OBJECTS)));
    let an_hour = calls / 480;
    // Measured: 123 beside those for the objects.
    assert!(an_hour <= OBJECTS + 140, "{an_hour} calls an hour");
}
