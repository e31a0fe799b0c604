//! A life of a lake: files arrive, late or copied, while jobs run, die, sleep and meet each other. In the end the jobs run
//! until nothing is left to do, and every line must be what the one rule says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::beginning::Beginning;
use meterlake_core::clock::Clock;
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Hour, Period};
use meterlake_core::publications::{self, Head};
use meterlake_core::run::{Context, Job, Output};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Fate, Memory, Process, World};
use crate::calls::calls;

/// Where a life is played.
pub trait Home {
    /// The lake as a new process sees it, and the process, if it can die.
    fn lake(&self, clock: &Clock, seed: u64, fate: Fate) -> (Lake, Option<Arc<Process>>);
    /// Lets updates of the catalog arrive that were under way.
    fn deliver(&self, chance: &mut StdRng);
    /// The calls of published hours, by their ids.
    fn calls(&self, lake: &Lake, heads: &[(Hour, Head<Hour>)]) -> impl Future<Output = BTreeMap<Hour, Vec<String>>>;
}

/// A world in memory.
pub struct InMemory<'a>(pub &'a Memory, pub Arc<World>);

impl Home for InMemory<'_> {
    fn lake(&self, clock: &Clock, seed: u64, fate: Fate) -> (Lake, Option<Arc<Process>>) {
        let (lake, process) = self.0.lake(&self.1, clock, seed, fate);
        (lake, Some(process))
    }

    fn deliver(&self, chance: &mut StdRng) {
        self.1.deliver(chance);
    }

    async fn calls(&self, lake: &Lake, heads: &[(Hour, Head<Hour>)]) -> BTreeMap<Hour, Vec<String>> {
        let mut calls = BTreeMap::new();
        for (hour, head) in heads {
            let Some(partition) = &head.partition else { continue };
            let part = lake.store.read(&partition.location.join("part.txt")).await.expect("a store");
            let text = String::from_utf8(part.unwrap_or_default()).expect("a text");
            let id = |row: &str| -> String {
                let (_, line) = row.split_once('\t').expect("an object and a line");
                let call: Value = serde_json::from_str(line).expect("a call");
                call["extendedRequestId"].as_str().expect("an id").to_owned()
            };
            let mut ids: Vec<String> = text.lines().map(id).collect();
            ids.sort();
            calls.insert(*hour, ids);
        }
        calls
    }
}

/// What arrived.
#[derive(Debug, Default)]
struct Arrivals {
    ids: BTreeMap<Hour, Vec<String>>,
    malformed: BTreeMap<Hour, u64>,
    files: u32,
}

/// When the first file arrives, and when the last job begins that is not among the last.
const BEGIN: &str = "2023-01-30T00:10:00Z";
const HOURS: i64 = 26;

fn first_hour() -> Hour {
    Hour::containing(BEGIN.parse().expect("a time"))
}

/// Plays the life of this seed.
///
/// # Panics
/// A line is not what the rule says, or the jobs do not come to rest.
pub async fn live(home: &impl Home, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let begin: DateTime<Utc> = BEGIN.parse().expect("a time");
    let clock = Clock::at(begin);
    let (watcher, _) = home.lake(&clock, seed, Fate::default());
    if chance.random() {
        assert!(Beginning::default().move_to(&watcher, first_hour()).await.expect("a lake"));
    }
    let mut arrivals = Arrivals::default();
    let mut asleep: Vec<(JoinHandle<()>, Arc<Process>)> = Vec::new();
    while clock.now() < begin + TimeDelta::hours(HOURS) {
        for _ in 0..chance.random_range(0..4) {
            arrive(&watcher, &mut arrivals, &mut chance).await;
        }
        for _ in 0..chance.random_range(1..3) {
            let fate = Fate {
                dies: (chance.random_range(0..3) == 0).then(|| chance.random_range(1..150)),
                pauses: (chance.random_range(0..6) == 0).then(|| chance.random_range(1..100)),
            };
            let (lake, process) = home.lake(&clock, chance.random(), fate);
            let errand = Errand::drawn(&mut chance, Hour::containing(begin));
            match process {
                Some(process) if fate.pauses.is_some() => {
                    asleep.push((tokio::spawn(async move { drop(errand.run(&lake).await) }), process));
                    tokio::task::yield_now().await;
                }
                _ if chance.random_range(0..4) == 0 => {
                    let (other, _) = home.lake(&clock, chance.random(), Fate::default());
                    let again = Errand::drawn(&mut chance, Hour::containing(begin));
                    let _ = tokio::join!(errand.run(&lake), again.run(&other));
                }
                _ => drop(errand.run(&lake).await),
            }
        }
        if chance.random_range(0..4) == 0 {
            home.deliver(&mut chance);
        }
        if !asleep.is_empty() && chance.random_range(0..3) == 0 {
            let (task, process) = asleep.swap_remove(chance.random_range(0..asleep.len()));
            process.resume();
            task.await.expect("a task that ends");
        }
        check_days(home, &watcher, seed).await;
        clock.move_to(clock.now() + TimeDelta::minutes(chance.random_range(5..170)));
    }
    for (task, process) in asleep {
        process.resume();
        task.await.expect("a task that ends");
    }
    home.deliver(&mut chance);
    clock.move_to(begin + TimeDelta::days(2));
    settle(&watcher, seed).await;
    check_days(home, &watcher, seed).await;
    check_all(home, &watcher, &arrivals, seed).await;
}

async fn arrive(lake: &Lake, arrivals: &mut Arrivals, chance: &mut StdRng) {
    let late = if chance.random_range(0..3) == 0 { chance.random_range(0..26) } else { 0 };
    let first = first_hour();
    let hour = Hour::containing(lake.clock.now()).offset(-late).max(first);
    let known: Vec<(Hour, String)> =
        arrivals.ids.iter().flat_map(|(hour, ids)| ids.iter().map(|id| (*hour, id.clone()))).collect();
    let near: Vec<&String> = known
        .iter()
        .filter(|(there, _)| (there.start() - hour.start()).num_hours().abs() <= 3)
        .map(|(_, id)| id)
        .collect();
    let mut text = String::new();
    for line in 0..chance.random_range(1..4) {
        match chance.random_range(0..10) {
            0 => {
                text.push_str("no record\n");
                *arrivals.malformed.entry(hour).or_default() += 1;
            }
            draw => {
                let id = match near.len() {
                    there if there > 0 && draw < 5 => near[chance.random_range(0..there)].clone(),
                    _ => format!("{}-{line}", arrivals.files),
                };
                text.push_str(&calls(&[&id]));
                arrivals.ids.entry(hour).or_default().push(id);
            }
        }
    }
    let object = lake.layout.raw.folder_of(hour).join(&format!("{:04}.json", arrivals.files));
    lake.store.write(&object, text.as_bytes()).await.expect("a file that arrives");
    arrivals.files += 1;
}

/// What a process is sent to do.
enum Errand {
    Merge(MergeArgs),
    Aggregate(AggregateArgs),
    Vacuum,
}

impl Errand {
    fn drawn(chance: &mut StdRng, first: Hour) -> Self {
        match chance.random_range(0..10) {
            0 => Self::Vacuum,
            1 | 2 => Self::Aggregate(AggregateArgs::default()),
            3 => {
                let hour = first.offset(chance.random_range(0..24));
                Self::Merge(MergeArgs { hour: Some(Some(hour)), lookback: Some(0), ..MergeArgs::default() })
            }
            _ => {
                let lookback = Some([0, 2, 26, 60][chance.random_range(0..4)]);
                Self::Merge(MergeArgs { lookback, ..MergeArgs::default() })
            }
        }
    }

    async fn run(&self, lake: &Lake) -> Result<Vec<Value>> {
        match self {
            Self::Merge(args) => run::<MergeJob>(lake, args).await,
            Self::Aggregate(args) => run::<AggregateJob>(lake, args).await,
            Self::Vacuum => run::<RepairJob>(lake, &RepairArgs { vacuum: true, ..RepairArgs::default() }).await,
        }
    }
}

async fn run<J: Job>(lake: &Lake, args: &J::Args) -> Result<Vec<Value>> {
    let mut output = Output::keep();
    let context = Context { now: lake.clock.now(), dry_run: false, deadline: None };
    J::run(lake, args, &context, &mut output).await?;
    Ok(output.into_kept())
}

/// The hours of the life, each with the last entry of its log.
async fn hours(lake: &Lake) -> Vec<(Hour, Head<Hour>)> {
    publications::heads_since(lake, &lake.layout.merged, None).await.expect("logs")
}

/// No day that is fresh counts a call in two neighbouring hours, and each has the calls of its hours.
async fn check_days(home: &impl Home, lake: &Lake, seed: u64) {
    let days = publications::heads_since::<Day>(lake, &lake.layout.usage_daily, None).await.expect("logs");
    let sql = lake.sql.query("usage_daily").expect("a SQL file");
    for (day, head) in days {
        let Some(published) = head.publication() else { continue };
        let inputs = DayInputs::look(lake, day).await.expect("logs");
        if published.fingerprint != inputs.fingerprint(lake, &sql) {
            continue;
        }
        let of_day: Vec<(Hour, Head<Hour>)> = inputs.hours().cloned().collect();
        let calls = home.calls(lake, &of_day).await;
        let count: usize = calls.values().map(Vec::len).sum();
        assert_eq!(published.notes.requests, count as u64, "seed {seed}: {day}");
        for (hour, ids) in &calls {
            let next: BTreeSet<&String> = calls.get(&hour.next()).into_iter().flatten().collect();
            let twice: Vec<&String> = ids.iter().filter(|id| next.contains(id)).collect();
            assert!(twice.is_empty(), "seed {seed}: {day} counts {twice:?} in {hour} and the hour after it");
        }
    }
}

/// Runs the jobs until they find nothing to do.
async fn settle(lake: &Lake, seed: u64) {
    let first = first_hour();
    let last = first.offset(i32::try_from(HOURS).expect("few hours"));
    let mut left = Vec::new();
    for _ in 0..8 {
        let merge = MergeArgs { from: Some(first), to: Some(last), lookback: Some(0), ..MergeArgs::default() };
        let day =
            AggregateArgs { from: Some(first.day()), to: Some(last.day().previous()), ..AggregateArgs::default() };
        let merged = run::<MergeJob>(lake, &merge).await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
        let built = run::<AggregateJob>(lake, &day).await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
        let repair = RepairArgs { vacuum: true, ..RepairArgs::default() };
        run::<RepairJob>(lake, &repair).await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
        left = merged.into_iter().chain(built).filter(|report| report["status"] != "unchanged").collect();
        if left.is_empty() {
            return;
        }
    }
    panic!("seed {seed}: the jobs do not come to rest: {left:?}");
}

/// A line is a call unless it is malformed, or an equal one is in its hour or in the one before.
async fn check_all(home: &impl Home, lake: &Lake, arrivals: &Arrivals, seed: u64) {
    let heads = hours(lake).await;
    let calls = home.calls(lake, &heads).await;
    let (mut total, last) = (0, first_hour().offset(i32::try_from(HOURS).expect("few hours")).day());
    for (hour, head) in &heads {
        let Some(published) = head.publication() else { continue };
        let there: Vec<&String> = arrivals.ids.get(hour).into_iter().flatten().collect();
        let before: BTreeSet<&String> = arrivals.ids.get(&hour.previous()).into_iter().flatten().collect();
        let expected: BTreeSet<&String> = there.iter().copied().filter(|id| !before.contains(id)).collect();
        let found: Vec<&String> = calls.get(hour).into_iter().flatten().collect();
        assert_eq!(found, expected.iter().copied().collect::<Vec<_>>(), "seed {seed}: the calls of {hour}");
        let copies = there.len() - expected.len();
        let malformed = arrivals.malformed.get(hour).copied().unwrap_or_default();
        let noted = [published.notes.rows, published.notes.duplicates, published.notes.malformed];
        assert_eq!(noted, [expected.len() as u64, copies as u64, malformed], "seed {seed}: {hour}");
        // Those of the last day, of which most hours are not merged, are not aggregated.
        if hour.day() < last {
            total += expected.len() as u64;
        }
    }
    let merged: BTreeSet<Hour> =
        heads.iter().filter(|(_, head)| head.partition.is_some()).map(|(hour, _)| *hour).collect();
    assert!(arrivals.ids.keys().all(|hour| merged.contains(hour)), "seed {seed}: an hour was never merged");
    let days = publications::heads_since::<Day>(lake, &lake.layout.usage_daily, None).await.expect("logs");
    let requests = days.iter().filter_map(|(_, head)| head.publication()).map(|day| day.notes.requests);
    assert_eq!(requests.sum::<u64>(), total, "seed {seed}: the days' calls");
}
