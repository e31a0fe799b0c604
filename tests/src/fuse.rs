//! Seams that cut a run off after a number of calls, as SIGKILL would: what was called is done, nothing is tidied up.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::catalog::{Catalog, Database, Partition, PartitionFilter, Swap, Table};
use meterlake_core::config::Config;
use meterlake_core::engine::{Engine, Outcome, Rows, Statement};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_core::store::{LocalStore, Object, ObjectWriter, Store};
use meterlake_embedded::{EmbeddedEngine, SqliteCatalog};
use tokio::sync::Notify;

/// Counts the calls to all seams of a lake, and lets none return from the n-th on.
pub struct Fuse {
    cut_after: usize,
    calls: AtomicUsize,
    last: Mutex<&'static str>,
    blown: Notify,
}

impl Fuse {
    /// Cuts after `cut_after` calls.
    #[must_use]
    pub fn new(cut_after: usize) -> Arc<Self> {
        Arc::new(Self { cut_after, calls: AtomicUsize::new(0), last: Mutex::new("nothing"), blown: Notify::new() })
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

    /// The call after which it cut, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        format!("cut after call {}, {last}", self.cut_after)
    }

    async fn call<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        if self.calls.load(Ordering::SeqCst) >= self.cut_after {
            pending::<()>().await;
        }
        let answer = work.await;
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.cut_after {
            if number == self.cut_after {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = name;
                self.blown.notify_one();
            }
            pending::<()>().await;
        }
        answer
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
        self.fuse.call("Store::exists", self.inner.exists(root)).await
    }

    async fn sweep(&self, folder: &Location, age: Duration) -> Result<()> {
        self.fuse.call("Store::sweep", self.inner.sweep(folder, age)).await
    }

    async fn list(&self, folder: &Location) -> Result<Vec<Object>> {
        self.fuse.call("Store::list", self.inner.list(folder)).await
    }

    async fn folders(&self, folder: &Location) -> Result<Vec<Location>> {
        self.fuse.call("Store::folders", self.inner.folders(folder)).await
    }

    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>> {
        self.fuse.call("Store::read", self.inner.read(object)).await
    }

    async fn read_part(&self, object: &Location, from: u64, length: u64) -> Result<Option<Vec<u8>>> {
        self.fuse.call("Store::read_part", self.inner.read_part(object, from, length)).await
    }

    async fn write(&self, object: &Location, content: &[u8]) -> Result<()> {
        self.fuse.call("Store::write", self.inner.write(object, content)).await
    }

    async fn write_new(&self, object: &Location, content: &[u8]) -> Result<bool> {
        self.fuse.call("Store::write_new", self.inner.write_new(object, content)).await
    }

    async fn create(&self, object: &Location) -> Result<Box<dyn ObjectWriter>> {
        let inner = self.fuse.call("Store::create", self.inner.create(object)).await?;
        Ok(Box::new(FusedWriter { inner, fuse: Arc::clone(&self.fuse) }))
    }

    async fn delete_folder(&self, folder: &Location) -> Result<()> {
        self.fuse.call("Store::delete_folder", self.inner.delete_folder(folder)).await
    }

    async fn persist(&self, folder: &Location) -> Result<()> {
        self.fuse.call("Store::persist", self.inner.persist(folder)).await
    }
}

struct FusedWriter {
    inner: Box<dyn ObjectWriter>,
    fuse: Arc<Fuse>,
}

#[async_trait]
impl ObjectWriter for FusedWriter {
    async fn write(&mut self, content: Vec<u8>) -> Result<()> {
        self.fuse.call("ObjectWriter::write", self.inner.write(content)).await
    }

    async fn finish(self: Box<Self>) -> Result<u64> {
        self.fuse.call("ObjectWriter::finish", self.inner.finish()).await
    }
}

#[async_trait]
impl<T: Catalog> Catalog for Fused<T> {
    async fn create_database(&self, name: &Name) -> Result<bool> {
        self.fuse.call("Catalog::create_database", self.inner.create_database(name)).await
    }

    async fn database(&self, name: &Name) -> Result<Option<Database>> {
        self.fuse.call("Catalog::database", self.inner.database(name)).await
    }

    async fn set_database_parameter(&self, name: &Name, key: &str, value: &str) -> Result<()> {
        let set = self.inner.set_database_parameter(name, key, value);
        self.fuse.call("Catalog::set_database_parameter", set).await
    }

    async fn create_table(&self, table: &Table) -> Result<bool> {
        self.fuse.call("Catalog::create_table", self.inner.create_table(table)).await
    }

    async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        self.fuse.call("Catalog::table", self.inner.table(name)).await
    }

    async fn update_table(&self, table: &Table) -> Result<()> {
        self.fuse.call("Catalog::update_table", self.inner.update_table(table)).await
    }

    async fn drop_table(&self, name: &TableName) -> Result<bool> {
        self.fuse.call("Catalog::drop_table", self.inner.drop_table(name)).await
    }

    async fn tables(&self, database: &Name) -> Result<Vec<Name>> {
        self.fuse.call("Catalog::tables", self.inner.tables(database)).await
    }

    async fn partitions(&self, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
        self.fuse.call("Catalog::partitions", self.inner.partitions(table, filter)).await
    }

    async fn get_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        self.fuse.call("Catalog::get_partitions", self.inner.get_partitions(table, values)).await
    }

    async fn add_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<usize> {
        self.fuse.call("Catalog::add_partitions", self.inner.add_partitions(table, partitions)).await
    }

    async fn swap_partition(
        &self,
        table: &TableName,
        partition: &Partition,
        expected: Option<&Partition>,
    ) -> Result<Swap> {
        let swap = self.inner.swap_partition(table, partition, expected);
        self.fuse.call("Catalog::swap_partition", swap).await
    }

    async fn drop_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<usize> {
        self.fuse.call("Catalog::drop_partitions", self.inner.drop_partitions(table, values)).await
    }

    async fn vacuum(&self) -> Result<u64> {
        self.fuse.call("Catalog::vacuum", self.inner.vacuum()).await
    }
}

#[async_trait]
impl<T: Engine> Engine for Fused<T> {
    async fn execute(&self, statement: &Statement) -> Result<Outcome> {
        self.fuse.call("Engine::execute", self.inner.execute(statement)).await
    }

    async fn query(&self, statement: &Statement) -> Result<Rows> {
        self.fuse.call("Engine::query", self.inner.query(statement)).await
    }
}
