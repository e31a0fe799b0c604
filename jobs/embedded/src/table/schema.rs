//! Finds tables by name, when a query names them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use meterlake_core::catalog::Catalog;
use meterlake_core::names::TableName;
use meterlake_core::store::Store;

use super::HiveTable;
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

/// Athena's one catalog; any database may be asked for.
#[derive(Clone)]
pub(crate) struct LakeCatalog(pub(crate) Reader);

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
        Some(Arc::new(LakeDatabase { name: name.to_owned(), reader: self.0.clone() }))
    }
}

struct LakeDatabase {
    name: String,
    reader: Reader,
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
        // A name that Athena would not take names no table.
        let (Ok(database), Ok(table)) = (self.name.parse(), name.parse()) else { return Ok(None) };
        let found = self.reader.catalog.table(&TableName::new(database, table)).await.map_err(external)?;
        match found {
            Some(table) => Ok(Some(Arc::new(HiveTable::new(table, self.reader.clone()).map_err(external)?))),
            None => Ok(None),
        }
    }

    fn table_exist(&self, _name: &str) -> bool {
        true
    }
}
