//! Runs that sleep at any of their calls, and updates of the catalog that come later than the next ones, over a lake in memory.

use chrono::TimeDelta;
use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::clock::Clock;
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_values;
use meterlake_core::period::Hour;
use meterlake_core::publications::{self, Head};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tests::calls::calls;
use meterlake_tests::lake::{hour, one, run};
use meterlake_tests::model::{Fate, Memory, Process, World};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

/// More calls than a merge of one hour makes.
const CALLS: u32 = 400;
/// How often others publish while a run sleeps.
const PUBLICATIONS: u64 = 60;

fn the_hour() -> Hour {
    hour("2023-01-31T12")
}

fn merge_it() -> MergeArgs {
    MergeArgs { lookback: Some(0), ..one(the_hour()) }
}

/// A lake whose hour is merged, and to which a late file came.
struct Begun {
    memory: Memory,
    world: Arc<World>,
    clock: Clock,
}

impl Begun {
    async fn new() -> Self {
        let memory = Memory::new();
        let begun = Self { world: memory.world(), memory, clock: Clock::at("2023-01-31T13:10:00Z".parse().unwrap()) };
        let lake = begun.lake();
        begun.put("a").await;
        run::<MergeJob>(&lake, &merge_it()).await.unwrap();
        begun.put("b").await;
        begun
    }

    fn lake(&self) -> Lake {
        self.process(Fate::default()).0
    }

    fn process(&self, fate: Fate) -> (Lake, Arc<Process>) {
        self.memory.lake(&self.world, &self.clock, 0, fate)
    }

    async fn put(&self, name: &str) {
        let lake = self.lake();
        let object = lake.layout.raw.folder_of(the_hour()).join(name);
        lake.store.write(&object, calls(&[name]).as_bytes()).await.unwrap();
    }

    async fn head(&self) -> Head<Hour> {
        let lake = self.lake();
        publications::head(&lake, &lake.layout.merged, the_hour()).await.unwrap()
    }

    /// Others publish 60 times, first what the late file changes, and vacuum what is not published.
    async fn go_on_meanwhile(&self) {
        let lake = self.lake();
        run::<MergeJob>(&lake, &MergeArgs { force: true, ..merge_it() }).await.unwrap();
        for _ in 1..PUBLICATIONS {
            let head = self.head().await;
            let again =
                publications::append(&lake, &lake.layout.merged, the_hour(), head.number, head.partition.as_ref());
            assert!(again.await.unwrap().is_some());
        }
        self.clock.move_to(self.clock.now() + TimeDelta::hours(2));
        run::<RepairJob>(&lake, &RepairArgs { vacuum: true, ..RepairArgs::default() }).await.unwrap();
    }

    /// The folders of generations that the hour has.
    async fn generations(&self) -> Vec<Generation> {
        let lake = self.lake();
        let folders = lake.store.folders(&lake.layout.merged.folder_of(the_hour())).await.unwrap();
        folders.iter().filter_map(Generation::of_folder).collect()
    }
}

/// A merge is stopped at each of its calls in turn: when it has read the head, between its last check and its entry, and
/// everywhere else. What it wrote is gone when it goes on.
#[tokio::test]
async fn a_merge_that_slept_at_any_of_its_calls_reports_nothing_as_published() {
    let mut has_slept_before_its_entry = 0;
    for call in 0..CALLS {
        let begun = Begun::new().await;
        let before = begun.head().await;
        let (lake, process) = begun.process(Fate { pauses: Some(call), ..Fate::default() });
        let merge = tokio::spawn(async move { run::<MergeJob>(&lake, &merge_it()).await });
        while !merge.is_finished() && !process.is_paused() {
            tokio::task::yield_now().await;
        }
        if merge.is_finished() {
            assert!(call > 50, "a merge of {call} calls");
            // Of the calls, more than one lies after the entry.
            assert!(has_slept_before_its_entry > 40 && has_slept_before_its_entry < call - 1);
            return;
        }
        let has_published = begun.head().await.number > before.number;
        begun.go_on_meanwhile().await;
        let (meanwhile, generations) = (begun.head().await, begun.generations().await);
        process.resume();
        let reports = merge.await.unwrap();
        if !has_published {
            has_slept_before_its_entry += 1;
            let status = reports.map(|reports| reports[0]["status"].clone());
            assert!(!matches!(&status, Ok(status) if status == "published"), "call {call}");
        }
        let after = begun.head().await;
        assert_eq!(after, meanwhile, "call {call}");
        assert!(generations.contains(&after.publication().unwrap().generation), "call {call}");
    }
    panic!("a merge makes more than {CALLS} calls");
}

/// What a run told the catalog arrives after the next run published, and after it told the catalog.
#[tokio::test]
async fn an_update_of_the_catalog_that_comes_after_the_next_publication_shows_nothing_old_to_a_statement() {
    let day = AggregateArgs {
        day: Some(Some(the_hour().day())),
        lookback: Some(0),
        allow_missing: true,
        ..AggregateArgs::default()
    };
    let mut came_late = 0;
    for call in 0..CALLS {
        let begun = Begun::new().await;
        let (lake, process) = begun.process(Fate { dies: Some(call), ..Fate::default() });
        if run::<MergeJob>(&lake, &merge_it()).await.is_ok() {
            assert!(!process.is_paused() && came_late > 0, "no update came late");
            return;
        }
        begun.put("c").await;
        let lake = begun.lake();
        run::<MergeJob>(&lake, &merge_it()).await.unwrap();
        let published = begun.head().await;
        begun.world.deliver(&mut StdRng::seed_from_u64(call.into()));
        let values = [period_values(the_hour())];
        let shown = lake.catalog.get_partitions(&lake.layout.merged.name, &values).await.unwrap().remove(0).unwrap();
        came_late += u32::from(shown.location != published.partition.as_ref().unwrap().location);
        begun.clock.move_to("2023-02-01T01:30:00Z".parse().unwrap());
        let requests = run::<AggregateJob>(&lake, &day).await.unwrap().remove(0)["requests"].clone();
        assert_eq!(requests, 3, "call {call}");
        assert_eq!(begun.head().await, published, "call {call}");
        let shown = lake.catalog.get_partitions(&lake.layout.merged.name, &values).await.unwrap().remove(0).unwrap();
        assert_eq!(shown.location, published.partition.unwrap().location, "call {call}: the catalog is put right");
    }
    panic!("a merge makes more than {CALLS} calls");
}
