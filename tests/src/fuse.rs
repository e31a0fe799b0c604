//! Seams that cut a run off at one of its calls, as SIGKILL would: what was called is done, nothing is tidied up.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::catalog::{Catalog, Database, Partition, PartitionFilter, Table};
use meterlake_core::config::Config;
use meterlake_core::engine::{Engine, Outcome, Rows, Statement};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_core::store::{Children, LocalStore, Object, ObjectWriter, Store};
use meterlake_embedded::{EmbeddedEngine, SqliteCatalog};
use tokio::sync::Notify;

use crate::cut::{ATTEMPTS, CallName, CallNames, Cut, Moment};
use crate::lake::TestLake;

/// The calls that change nothing.
const LOOKS: [&str; 11] = [
    "Store::exists",
    "Store::list",
    "Store::folders",
    "Store::read",
    "Store::read_part",
    "Catalog::database",
    "Catalog::table",
    "Catalog::tables",
    "Catalog::partitions",
    "Catalog::get_partitions",
    "Engine::query",
];

/// Cuts a run off before each call to a seam that it makes undisturbed, and after each that changes something. `prepare`
/// gives the lake of a run, and gets that of the last; `check` sees what the run left, and where it was cut off. Gives
/// how many cuts there were.
///
/// # Panics
/// A run never makes the call at which it is to be cut off.
pub fn cut_everywhere(
    mut prepare: impl FnMut(Option<TestLake>) -> TestLake,
    vacuum_after: Duration,
    job: impl AsyncFn(&Lake),
    mut check: impl FnMut(&TestLake, &str),
) -> usize {
    let run = |lake: &TestLake, cut: Option<&Cut>| {
        let config = Config { vacuum_after, ..lake.lake.config.clone() };
        let fuse = Fuse::new(CallNames::of(&config.lake), cut.cloned());
        let seams = fused(&config, &fuse).expect("a lake that opens");
        let finished = fuse.run(job(&seams));
        (fuse, finished.is_some())
    };
    let mut lake = prepare(None);
    let (undisturbed, _) = run(&lake, None);
    let cuts = undisturbed.cuts();
    for cut in &cuts {
        let mut attempts = 0;
        loop {
            lake = prepare(Some(lake));
            let (_, has_finished) = run(&lake, Some(cut));
            if !has_finished {
                break;
            }
            attempts += 1;
            assert!(attempts < ATTEMPTS, "{cut}: {attempts} runs did not make this call");
        }
        check(&lake, &cut.to_string());
    }
    cuts.len()
}

/// Knows the calls to all seams of a lake, and lets none return from the one on at which it cuts.
pub struct Fuse {
    cut: Option<Cut>,
    calls: Mutex<Calls>,
    is_blown: AtomicBool,
    blown: Notify,
}

/// The calls so far.
struct Calls {
    names: CallNames,
    /// Each with its operation.
    calls: Vec<(&'static str, CallName)>,
}

impl Fuse {
    /// Cuts nowhere where `cut` is `None`. `names` names the calls.
    #[must_use]
    pub fn new(names: CallNames, cut: Option<Cut>) -> Arc<Self> {
        let calls = Mutex::new(Calls { names, calls: Vec::new() });
        Arc::new(Self { cut, calls, is_blown: AtomicBool::new(false), blown: Notify::new() })
    }

    /// Runs `work` on a runtime of its own until it ends or is cut off; `None` if it was cut off.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        // With the runtime end the tasks that the work had spawned.
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.blown.notified() => None,
                done = work => Some(done),
            }
        })
    }

    /// All places at which a run is cut off that makes these calls.
    #[must_use]
    pub fn cuts(&self) -> Vec<Cut> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        Cut::all_of(calls.calls.iter().map(|(operation, name)| (name, !LOOKS.contains(operation))))
    }

    async fn call<T>(&self, operation: &'static str, resource: impl ToString, work: impl Future<Output = T>) -> T {
        self.stop_if_blown().await;
        let moment = self.note(operation, resource.to_string());
        if moment == Some(Moment::Before) {
            self.blow();
        }
        self.stop_if_blown().await;
        let answer = work.await;
        if moment == Some(Moment::After) {
            self.blow();
        }
        self.stop_if_blown().await;
        answer
    }

    /// Notes a call; says on which side of it the run is to be cut off.
    fn note(&self, operation: &'static str, resource: String) -> Option<Moment> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let name = calls.names.next(operation, [resource]);
        let cut = self.cut.as_ref().filter(|cut| cut.call == name);
        calls.calls.push((operation, name));
        cut.map(|cut| cut.moment)
    }

    fn blow(&self) {
        self.is_blown.store(true, Ordering::SeqCst);
        self.blown.notify_one();
    }

    async fn stop_if_blown(&self) {
        if self.is_blown.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

/// Opens a lake whose every call, also those that the engine makes, goes through the fuse.
///
/// # Errors
/// The lake cannot be opened.
pub fn fused(config: &Config, fuse: &Arc<Fuse>) -> Result<Lake> {
    let folder = config.lake.to_path().expect("a local lake");
    let store: Arc<dyn Store> = Arc::new(Fused { inner: LocalStore, fuse: Arc::clone(fuse) });
    let catalog = SqliteCatalog::open(&folder)?;
    let catalog: Arc<dyn Catalog> = Arc::new(Fused { inner: catalog, fuse: Arc::clone(fuse) });
    let engine = EmbeddedEngine::new(config, Arc::clone(&store), Arc::clone(&catalog))?;
    let engine = Arc::new(Fused { inner: engine, fuse: Arc::clone(fuse) });
    Ok(Lake::new(config.clone(), store, catalog, engine))
}

struct Fused<T> {
    inner: T,
    fuse: Arc<Fuse>,
}

#[async_trait]
impl<T: Store> Store for Fused<T> {
    async fn exists(&self, root: &Location) -> Result<bool> {
        self.fuse.call("Store::exists", root, self.inner.exists(root)).await
    }

    async fn sweep(&self, folder: &Location, age: Duration) -> Result<()> {
        self.fuse.call("Store::sweep", folder, self.inner.sweep(folder, age)).await
    }

    async fn list(&self, folder: &Location) -> Result<Vec<Object>> {
        self.fuse.call("Store::list", folder, self.inner.list(folder)).await
    }

    async fn children(&self, folder: &Location) -> Result<Children> {
        self.fuse.call("Store::children", folder, self.inner.children(folder)).await
    }

    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>> {
        self.fuse.call("Store::read", object, self.inner.read(object)).await
    }

    async fn read_part(&self, object: &Location, from: u64, length: u64) -> Result<Option<Vec<u8>>> {
        self.fuse.call("Store::read_part", object, self.inner.read_part(object, from, length)).await
    }

    async fn write(&self, object: &Location, content: &[u8]) -> Result<()> {
        self.fuse.call("Store::write", object, self.inner.write(object, content)).await
    }

    async fn write_new(&self, object: &Location, content: &[u8]) -> Result<bool> {
        self.fuse.call("Store::write_new", object, self.inner.write_new(object, content)).await
    }

    async fn create(&self, object: &Location) -> Result<Box<dyn ObjectWriter>> {
        let inner = self.fuse.call("Store::create", object, self.inner.create(object)).await?;
        Ok(Box::new(FusedWriter { inner, object: object.clone(), fuse: Arc::clone(&self.fuse) }))
    }

    async fn delete_folder(&self, folder: &Location) -> Result<()> {
        self.fuse.call("Store::delete_folder", folder, self.inner.delete_folder(folder)).await
    }

    async fn persist(&self, folder: &Location) -> Result<()> {
        self.fuse.call("Store::persist", folder, self.inner.persist(folder)).await
    }
}

struct FusedWriter {
    inner: Box<dyn ObjectWriter>,
    object: Location,
    fuse: Arc<Fuse>,
}

#[async_trait]
impl ObjectWriter for FusedWriter {
    async fn write(&mut self, content: Vec<u8>) -> Result<()> {
        self.fuse.call("ObjectWriter::write", &self.object, self.inner.write(content)).await
    }

    async fn finish(self: Box<Self>) -> Result<u64> {
        let Self { inner, object, fuse } = *self;
        fuse.call("ObjectWriter::finish", object, inner.finish()).await
    }
}

#[async_trait]
impl<T: Catalog> Catalog for Fused<T> {
    async fn create_database(&self, name: &Name) -> Result<bool> {
        self.fuse.call("Catalog::create_database", name, self.inner.create_database(name)).await
    }

    async fn databases(&self) -> Result<Vec<Name>> {
        self.fuse.call("Catalog::databases", "all", self.inner.databases()).await
    }

    async fn database(&self, name: &Name) -> Result<Option<Database>> {
        self.fuse.call("Catalog::database", name, self.inner.database(name)).await
    }

    async fn set_database_parameter(&self, name: &Name, key: &str, value: &str) -> Result<()> {
        let set = self.inner.set_database_parameter(name, key, value);
        self.fuse.call("Catalog::set_database_parameter", name, set).await
    }

    async fn create_table(&self, table: &Table) -> Result<bool> {
        self.fuse.call("Catalog::create_table", &table.name, self.inner.create_table(table)).await
    }

    async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        self.fuse.call("Catalog::table", name, self.inner.table(name)).await
    }

    async fn update_table(&self, table: &Table) -> Result<()> {
        self.fuse.call("Catalog::update_table", &table.name, self.inner.update_table(table)).await
    }

    async fn drop_table(&self, name: &TableName) -> Result<bool> {
        self.fuse.call("Catalog::drop_table", name, self.inner.drop_table(name)).await
    }

    async fn tables(&self, database: &Name) -> Result<Vec<Name>> {
        self.fuse.call("Catalog::tables", database, self.inner.tables(database)).await
    }

    async fn partitions(&self, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
        self.fuse.call("Catalog::partitions", table, self.inner.partitions(table, filter)).await
    }

    async fn get_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        self.fuse.call("Catalog::get_partitions", table, self.inner.get_partitions(table, values)).await
    }

    async fn add_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<usize> {
        self.fuse.call("Catalog::add_partitions", table, self.inner.add_partitions(table, partitions)).await
    }

    async fn put_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<()> {
        self.fuse.call("Catalog::put_partitions", table, self.inner.put_partitions(table, partitions)).await
    }

    async fn drop_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<usize> {
        self.fuse.call("Catalog::drop_partitions", table, self.inner.drop_partitions(table, values)).await
    }
}

#[async_trait]
impl<T: Engine> Engine for Fused<T> {
    async fn execute(&self, statement: &Statement) -> Result<Outcome> {
        self.fuse.call("Engine::execute", &statement.label, self.inner.execute(statement)).await
    }

    async fn query(&self, statement: &Statement) -> Result<Rows> {
        self.fuse.call("Engine::query", &statement.label, self.inner.query(statement)).await
    }
}
