//! Finds tables by name, when a query names them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use meterlake_core::catalog::Catalog;
use meterlake_core::names::TableName;
use meterlake_core::store::Store;
use tokio::sync::Mutex;

use super::{HiveTable, metadata};
use crate::dialect::{INFORMATION_SCHEMA, PARTITIONS, Tables};
use crate::objects::ObjectStores;

/// What reading a table takes, for one statement.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) objects: ObjectStores,
    /// Counts the bytes of all objects scanned, as stored.
    pub(crate) scanned: Arc<AtomicU64>,
    /// Whether tables show the hidden column `"$path"`.
    pub(crate) shows_path: bool,
}

/// Athena's one catalog; any database may be asked for. A table is looked up once, however often it is named.
pub(crate) struct LakeCatalog {
    reader: Reader,
    found: Arc<Mutex<BTreeMap<TableName, Arc<HiveTable>>>>,
}

impl LakeCatalog {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, found: Arc::default() }
    }
}

impl fmt::Debug for LakeCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeCatalog")
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let (reader, found) = (self.reader.clone(), Arc::clone(&self.found));
        Some(Arc::new(LakeDatabase { name: name.to_owned(), reader, found }))
    }
}

struct LakeDatabase {
    name: String,
    reader: Reader,
    found: Arc<Mutex<BTreeMap<TableName, Arc<HiveTable>>>>,
}

impl fmt::Debug for LakeDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LakeDatabase({})", self.name)
    }
}

#[async_trait]
impl SchemaProvider for LakeDatabase {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let external = |error: anyhow::Error| DataFusionError::External(error.into());
        if self.name == INFORMATION_SCHEMA {
            return metadata::information_schema(&*self.reader.catalog, name).await;
        }
        if let Some(of) = name.strip_suffix(PARTITIONS) {
            let (Ok(database), Ok(of)) = (self.name.parse(), of.parse()) else { return Ok(None) };
            return metadata::partitions(&*self.reader.catalog, &TableName::new(database, of)).await;
        }
        // A name that Athena would not take names no table.
        let (Ok(database), Ok(table)) = (self.name.parse(), name.parse()) else { return Ok(None) };
        let name = TableName::new(database, table);
        let mut found = self.found.lock().await;
        if let Some(table) = found.get(&name) {
            return Ok(Some(Arc::clone(table) as Arc<dyn TableProvider>));
        }
        let Some(table) = self.reader.catalog.table(&name).await.map_err(external)? else { return Ok(None) };
        let table = Arc::new(HiveTable::new(table, self.reader.clone()).map_err(external)?);
        found.insert(name, Arc::clone(&table));
        Ok(Some(table))
    }

    fn table_exist(&self, _name: &str) -> bool {
        true
    }
}

/// The columns of the tables that a query names, as far as there are such tables.
///
/// # Errors
/// The catalog cannot be read, or has a table that cannot.
pub(crate) async fn columns(state: &SessionState, query: &Statement) -> PlanResult<Tables> {
    let defaults = &state.config_options().catalog;
    let mut tables = Tables::of(&defaults.default_schema);
    for name in state.resolve_table_references(query)? {
        let name = name.resolve(&defaults.default_catalog, &defaults.default_schema);
        let Ok(database) = state.schema_for_ref(name.clone()) else { continue };
        if let Some(table) = database.table(&name.table).await? {
            tables.add(&name.schema, &name.table, &table.schema());
        }
    }
    Ok(tables)
}
