//! The catalog of a lake in a local folder: a SQLite file inside it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use meterlake_core::catalog::{Catalog, Database, Partition, PartitionFilter, Table};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use rusqlite::{Connection, TransactionBehavior};

mod columns;
#[cfg(test)]
mod concurrency_tests;
mod partitions;
mod places;
mod schema;
mod tables;
#[cfg(test)]
mod tests;

use places::Db;

/// The catalog in `<lake>/.meterlake/catalog.sqlite`. Clones share one connection; any number of processes may have
/// the same lake open. Each call is one transaction, so a process killed at any point leaves all of a call or nothing.
#[derive(Debug, Clone)]
pub struct SqliteCatalog {
    file: Arc<Path>,
    /// The lake's folder. What lies in it is stored relative to it.
    lake: Location,
    connection: Arc<Mutex<Connection>>,
}

impl SqliteCatalog {
    /// Opens a lake's catalog; a lake without one gets an empty one.
    ///
    /// # Errors
    /// There is no such folder, or the file is no catalog, one of a newer meterlake, or cannot be read or written.
    pub fn open(lake: &Path) -> Result<Self> {
        ensure!(lake.is_dir(), "there is no lake folder {}: create it, or correct --lake", lake.display());
        let file = catalog_file(lake)?;
        let connection = schema::connect(&file)?;
        let lake = Location::from_path(lake)?;
        Ok(Self { file: file.into(), lake, connection: Arc::new(Mutex::new(connection)) })
    }

    /// A transaction that sees one state of the catalog, and waits for nobody.
    async fn read<T: Send + 'static>(&self, work: impl FnOnce(&Db<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, "read", work).await
    }

    /// A transaction that has the catalog to itself from its start: what it reads is still so when it writes.
    async fn write<T: Send + 'static>(&self, work: impl FnOnce(&Db<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.transaction(TransactionBehavior::Immediate, "write", work).await
    }

    async fn transaction<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        verb: &'static str,
        work: impl FnOnce(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Self { file, lake, connection } = self.clone();
        let run = move || {
            // A call that panicked has rolled its transaction back, so the connection is as good as before.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(behavior)?;
            let answer = work(&Db { connection: &transaction, lake: &lake })?;
            transaction.commit()?;
            Ok(answer)
        };
        tokio::task::spawn_blocking(run).await?.map_err(|error: anyhow::Error| {
            // An error of ours, such as a missing table, says itself what and where; one of SQLite's does not.
            if error.is::<rusqlite::Error>() {
                error.context(format!("cannot {verb} the catalog {}", file.display()))
            } else {
                error
            }
        })
    }
}

fn catalog_file(lake: &Path) -> Result<PathBuf> {
    let folder = lake.join(".meterlake");
    match fs::create_dir(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot create {}", folder.display()))
        }
        _ => Ok(folder.join("catalog.sqlite")),
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn create_database(&self, name: &Name) -> Result<bool> {
        let name = name.clone();
        self.write(move |db| tables::create_database(db, &name)).await
    }

    async fn databases(&self) -> Result<Vec<Name>> {
        self.read(tables::database_names).await
    }

    async fn database(&self, name: &Name) -> Result<Option<Database>> {
        let name = name.clone();
        self.read(move |db| tables::database(db, &name)).await
    }

    async fn set_database_parameter(&self, name: &Name, key: &str, value: &str) -> Result<()> {
        let (name, key, value) = (name.clone(), key.to_owned(), value.to_owned());
        self.write(move |db| tables::set_database_parameter(db, &name, &key, &value)).await
    }

    async fn create_table(&self, table: &Table) -> Result<bool> {
        let table = table.clone();
        self.write(move |db| tables::create(db, &table)).await
    }

    async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        let name = name.clone();
        self.read(move |db| tables::find(db, &name)).await
    }

    async fn update_table(&self, table: &Table) -> Result<()> {
        let table = table.clone();
        self.write(move |db| tables::update(db, &table)).await
    }

    async fn drop_table(&self, name: &TableName) -> Result<bool> {
        let name = name.clone();
        self.write(move |db| tables::drop(db, &name)).await
    }

    async fn tables(&self, database: &Name) -> Result<Vec<Name>> {
        let database = database.clone();
        self.read(move |db| tables::names(db, &database)).await
    }

    async fn partitions(&self, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
        let (table, filter) = (table.clone(), filter.clone());
        self.read(move |db| partitions::list(db, &table, &filter)).await
    }

    async fn get_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        let (table, values) = (table.clone(), values.to_vec());
        self.read(move |db| partitions::get(db, &table, &values)).await
    }

    async fn add_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<usize> {
        let (table, partitions) = (table.clone(), partitions.to_vec());
        self.write(move |db| partitions::add(db, &table, &partitions)).await
    }

    async fn put_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<()> {
        let (table, partitions) = (table.clone(), partitions.to_vec());
        self.write(move |db| partitions::put(db, &table, &partitions)).await
    }

    async fn drop_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<usize> {
        let (table, values) = (table.clone(), values.to_vec());
        self.write(move |db| partitions::drop(db, &table, &values)).await
    }
}
