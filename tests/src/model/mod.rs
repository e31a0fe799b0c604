//! A lake in memory, whose engine knows what our few statements mean, and the processes that work on it: they die, pause, and
//! meet each other, and what they told the catalog may arrive late. Thousands of such lives pass in a minute.

mod checks;
mod errands;
mod life;
mod play;
mod seams;
mod statements;
mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Result, bail};
use meterlake_core::catalog::{Column, Partition, StorageFormat, Table};
use meterlake_core::clock::Clock;
use meterlake_core::config::Config;
use meterlake_core::generation::sha256;
use meterlake_core::lake::Lake;
use meterlake_core::layout::TableLayout;
use meterlake_core::location::Location;
use meterlake_core::names::TableName;
use meterlake_core::period::{Day, Hour, Month, Period};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Semaphore;

pub use life::live;
pub use play::{Home, InMemory};

/// A plan file by which a month costs as many dollars as it has calls.
pub const PLANS: &str = "
currency = 'USD'
default_plan = 'standard'
[[plans]]
id = 'standard'
effective_from = 2023-01-01
[[plans.charges]]
id = 'calls'
meter = 'requests'
model = 'per_unit'
unit = '1'
";

/// What there is: objects, tables and partitions.
#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The folder of the lake.
    root: Location,
    objects: BTreeMap<String, Content>,
    tables: BTreeMap<TableName, Table>,
    partitions: BTreeMap<TableName, BTreeMap<Vec<String>, Partition>>,
    /// Updates of the catalog whose senders died before they arrived.
    late: Vec<(TableName, Partition)>,
    /// Objects that an expiry rule deletes soon.
    doomed: Vec<String>,
}

/// An object.
#[derive(Debug, Clone)]
struct Content {
    bytes: Arc<[u8]>,
    /// As on S3, by the content alone.
    etag: Arc<str>,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), etag: sha256(bytes).into() }
    }
}

impl World {
    fn new() -> Self {
        let state = State {
            root: "s3://model/lake-0".parse().expect("a location"),
            objects: BTreeMap::new(),
            tables: BTreeMap::new(),
            partitions: BTreeMap::new(),
            late: Vec::new(),
            doomed: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an expiry rule delete an object, now or at one of the next calls.
    pub fn expire(&self, object: &Location) {
        self.state().doomed.push(object.to_string());
    }

    /// Moves all that there is into another folder. The catalog goes by the lake's folder, as that of a local lake does.
    pub fn move_away(&self) {
        let mut state = self.state();
        let from = state.root.to_string();
        let number: u32 = from.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number");
        let to = format!("s3://model/lake-{}", number + 1);
        state.root = to.parse().expect("a location");
        let moved =
            |path: &str| path.strip_prefix(&from).map(|rest| format!("{to}{rest}")).expect("a path in the lake");
        let location = |location: &Location| moved(location.as_str()).parse::<Location>().expect("a location");
        let objects = std::mem::take(&mut state.objects);
        state.objects = objects.into_iter().map(|(path, content)| (moved(&path), content)).collect();
        state.doomed.iter_mut().for_each(|path| *path = moved(path));
        state.tables.values_mut().for_each(|table| table.location = location(&table.location));
        let partitions = state.partitions.values_mut().flat_map(|there| there.values_mut());
        partitions.for_each(|partition| partition.location = location(&partition.location));
        assert!(state.late.is_empty(), "an update of the catalog is under way");
    }

    /// Lets the late updates arrive, in any order, and what is to expire go.
    pub fn deliver(&self, chance: &mut StdRng) {
        let mut state = self.state();
        for object in std::mem::take(&mut state.doomed) {
            state.objects.remove(&object);
        }
        let mut late = std::mem::take(&mut state.late);
        while !late.is_empty() {
            let (table, partition) = late.swap_remove(chance.random_range(0..late.len()));
            state.partitions.entry(table).or_default().insert(partition.values.clone(), partition);
        }
    }
}

/// A process: what it calls may be the last thing that it does.
pub struct Process {
    own: Weak<Self>,
    world: Arc<World>,
    chance: Mutex<StdRng>,
    /// Calls until it dies; below zero: it lives on.
    left: AtomicI64,
    /// Calls until one fails; below zero: none does.
    until_failure: AtomicI64,
    /// Calls until it pauses; below zero: it does not.
    until_pause: AtomicI64,
    is_asleep: AtomicBool,
    /// Has a permit once it may go on.
    resumed: Semaphore,
    /// The calls so far, as S3 and Glue count them: a page of 1,000 is one.
    calls: AtomicU64,
}

/// When a process dies, fails or pauses, counted in its calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    /// After so many calls it dies.
    pub dies: Option<u32>,
    /// After so many calls one fails.
    pub fails: Option<u32>,
    /// After so many calls it pauses.
    pub pauses: Option<u32>,
}

impl Process {
    fn new(world: &Arc<World>, seed: u64, fate: Fate) -> Arc<Self> {
        let calls = |calls: Option<u32>| AtomicI64::new(calls.map_or(-1, i64::from));
        Arc::new_cyclic(|own| Self {
            own: Weak::clone(own),
            world: Arc::clone(world),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            left: calls(fate.dies),
            until_failure: calls(fate.fails),
            until_pause: calls(fate.pauses),
            is_asleep: AtomicBool::new(false),
            resumed: Semaphore::new(0),
            calls: AtomicU64::new(0),
        })
    }

    /// Lets it go on, if it paused or will.
    pub fn resume(&self) {
        self.resumed.add_permits(1);
    }

    /// Whether it pauses, and was not let go on.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.is_asleep.load(Ordering::Relaxed)
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

    /// A call that changes something. Of one at which the process dies, or that fails, nobody knows whether it was done.
    async fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        self.require_life()?;
        match self.live().await {
            Err(error) if self.random(2) == 0 => Err(error),
            lives => {
                let changed = change(&mut self.world.state());
                lives.map(|()| changed)
            }
        }
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
        self.let_one_expire();
        if self.until_pause.load(Ordering::Relaxed) >= 0 && self.until_pause.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.is_asleep.store(true, Ordering::Relaxed);
            let resumed = self.resumed.acquire().await;
            self.is_asleep.store(false, Ordering::Relaxed);
            drop(resumed);
        }
        self.require_life()?;
        if self.left.load(Ordering::Relaxed) > 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        self.require_life()?;
        if self.until_failure.load(Ordering::Relaxed) >= 0 && self.until_failure.fetch_sub(1, Ordering::Relaxed) == 0 {
            bail!("SlowDown: please reduce your request rate");
        }
        Ok(())
    }

    /// Expiry goes on beside all jobs.
    fn let_one_expire(&self) {
        let mut state = self.world.state();
        if !state.doomed.is_empty() && self.random(4) == 0 {
            let object = state.doomed.remove(0);
            state.objects.remove(&object);
        }
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
        fs::write(sql.path().join("plans.toml"), PLANS).expect("a new file");
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
        let mut config = Config {
            lake: world.state().root.clone(),
            sql: self.sql.path().to_owned(),
            vacuum_after: Duration::from_secs(3600),
            ..Config::default()
        };
        config.billing.plans = Location::from_path(&self.sql.path().join("plans.toml")).expect("a path in UTF-8");
        let mut lake = Lake::new(config, process.clone(), process.clone(), process.clone());
        lake.clock = clock.clone();
        (lake, process)
    }

    /// A new world with the tables.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        let world = Arc::new(World::new());
        let (lake, _) = self.lake(&world, &Clock::real(), 0, Fate::default());
        let layout = &lake.layout;
        let mut state = world.state();
        let hourly = [&layout.raw, &layout.lines, &layout.merged, &layout.copies, &layout.malformed];
        let tables = hourly.into_iter().map(table::<Hour>).chain([table::<Day>(&layout.usage_daily)]);
        for table in tables.chain([&layout.invoices, &layout.line_items].into_iter().map(table::<Month>)) {
            state.tables.insert(table.name.clone(), table);
        }
        // The meter that every table of usage has.
        let requests = Column { name: "requests".to_owned(), data_type: "bigint".to_owned(), comment: None };
        state.tables.get_mut(&layout.usage_daily.name).expect("a table").columns.push(requests);
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
