//! A lake in memory, whose engine knows what our few statements mean, and the processes that work on it: they die, pause, and
//! meet each other, and what they told the catalog may arrive late. Thousands of such lives pass in a minute.

mod play;
mod seams;
mod statements;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use meterlake_core::catalog::{Column, Partition, StorageFormat, Table};
use meterlake_core::clock::Clock;
use meterlake_core::config::Config;
use meterlake_core::lake::Lake;
use meterlake_core::layout::TableLayout;
use meterlake_core::names::TableName;
use meterlake_core::period::{Day, Hour, Month, Period};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Semaphore;

pub use play::{Home, InMemory, live};

/// What there is: objects, tables and partitions.
#[derive(Debug, Default)]
pub struct World {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    tables: BTreeMap<TableName, Table>,
    partitions: BTreeMap<TableName, BTreeMap<Vec<String>, Partition>>,
    /// Updates of the catalog whose senders died before they arrived.
    late: Vec<(TableName, Partition)>,
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the late updates arrive, in any order.
    pub fn deliver(&self, chance: &mut StdRng) {
        let mut state = self.state();
        let mut late = std::mem::take(&mut state.late);
        while !late.is_empty() {
            let (table, partition) = late.swap_remove(chance.random_range(0..late.len()));
            state.partitions.entry(table).or_default().insert(partition.values.clone(), partition);
        }
    }
}

/// A process: what it calls may be the last thing that it does.
pub struct Process {
    world: Arc<World>,
    chance: Mutex<StdRng>,
    /// Calls until it dies; below zero: it lives on.
    left: AtomicI64,
    /// Calls until it pauses; below zero: it does not.
    until_pause: AtomicI64,
    /// Has a permit once it may go on.
    resumed: Semaphore,
    /// The calls so far, as S3 and Glue count them: a page of 1,000 is one.
    calls: AtomicU64,
}

/// When a process dies or pauses, counted in its calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    /// After so many calls it dies.
    pub dies: Option<u32>,
    /// After so many calls it pauses.
    pub pauses: Option<u32>,
}

impl Process {
    fn new(world: &Arc<World>, seed: u64, fate: Fate) -> Arc<Self> {
        let calls = |calls: Option<u32>| AtomicI64::new(calls.map_or(-1, i64::from));
        Arc::new(Self {
            world: Arc::clone(world),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            left: calls(fate.dies),
            until_pause: calls(fate.pauses),
            resumed: Semaphore::new(0),
            calls: AtomicU64::new(0),
        })
    }

    /// Lets it go on, if it paused or will.
    pub fn resume(&self) {
        self.resumed.add_permits(1);
    }

    fn random(&self, below: u32) -> u32 {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..below)
    }

    fn is_dead(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    fn require_life(&self) -> Result<()> {
        if self.is_dead() { bail!("the process died") } else { Ok(()) }
    }

    /// A call that only looks.
    async fn look<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T> {
        self.live().await?;
        Ok(look(&self.world.state()))
    }

    /// A call that changes something. Of one at which the process dies, nobody knows whether it was done.
    async fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        self.require_life()?;
        let lives = self.live().await;
        if lives.is_err() && self.random(2) == 0 {
            bail!("the process died");
        }
        let changed = change(&mut self.world.state());
        lives.map(|()| changed)
    }

    /// How many calls it made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts the pages after the first one.
    fn turn_pages(&self, items: usize) {
        self.calls.fetch_add(items.saturating_sub(1) as u64 / 1_000, Ordering::Relaxed);
    }

    async fn live(&self) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.random(3) {
            tokio::task::yield_now().await;
        }
        if self.until_pause.load(Ordering::Relaxed) >= 0 && self.until_pause.fetch_sub(1, Ordering::Relaxed) == 0 {
            let resumed = self.resumed.acquire().await;
            drop(resumed);
        }
        self.require_life()?;
        if self.left.load(Ordering::Relaxed) > 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        self.require_life()
    }
}

/// Lakes in memory. One world each; the SQL files, which say only what they are given, are shared.
pub struct Memory {
    sql: tempfile::TempDir,
}

impl Memory {
    /// Writes the SQL files.
    #[must_use]
    pub fn new() -> Self {
        let sql = tempfile::tempdir().expect("a temporary folder");
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql");
        for folder in ["queries", "sources"] {
            fs::create_dir(sql.path().join(folder)).expect("a new folder");
        }
        for file in fs::read_dir(files.join("queries")).expect("the SQL files") {
            let file: PathBuf = file.expect("a SQL file").path();
            let text = fs::read_to_string(&file).expect("a readable file");
            let name = file.file_name().expect("a name");
            fs::write(sql.path().join("queries").join(name), statements::what_it_is_given(&text)).expect("a new file");
        }
        Self { sql }
    }

    /// The lake as a process sees it.
    #[must_use]
    pub fn lake(&self, world: &Arc<World>, clock: &Clock, seed: u64, fate: Fate) -> (Lake, Arc<Process>) {
        let process = Process::new(world, seed, fate);
        let config = Config {
            lake: "s3://model/lake".parse().expect("a location"),
            sql: self.sql.path().to_owned(),
            vacuum_after: Duration::from_secs(3600),
            ..Config::default()
        };
        let mut lake = Lake::new(config, process.clone(), process.clone(), process.clone());
        lake.clock = clock.clone();
        (lake, process)
    }

    /// A new world with the tables.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        let world = Arc::new(World::default());
        let (lake, _) = self.lake(&world, &Clock::real(), 0, Fate::default());
        let layout = &lake.layout;
        let mut state = world.state();
        let hourly = [&layout.raw, &layout.lines, &layout.merged, &layout.copies, &layout.malformed];
        let tables = hourly.into_iter().map(table::<Hour>).chain([table::<Day>(&layout.usage_daily)]);
        for table in tables.chain([&layout.invoices, &layout.line_items].into_iter().map(table::<Month>)) {
            state.tables.insert(table.name.clone(), table);
        }
        drop(state);
        world
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

fn table<P: Period>(layout: &TableLayout) -> Table {
    let key = |key: &&str| Column { name: (*key).to_owned(), data_type: "int".to_owned(), comment: None };
    Table {
        name: layout.name.clone(),
        columns: Vec::new(),
        partition_keys: P::KEYS.iter().map(key).collect(),
        location: layout.folder.clone(),
        format: StorageFormat::default(),
        parameters: Default::default(),
    }
}
