//! The embedded engine: Athena's SQL in process, on Apache DataFusion, with a SQLite catalog.

mod catalog;
mod ddl;
mod dialect;
mod engine;
mod functions;
mod keys;
mod lines;
mod objects;
mod session;
mod statement;
mod table;
mod write;

use std::sync::Arc;

use anyhow::{Result, bail};
use futures::future::{BoxFuture, FutureExt};
use meterlake_core::config::Config;
use meterlake_core::lake::{Lake, require_lake};
use meterlake_core::store::LocalStore;

pub use catalog::SqliteCatalog;
pub use engine::EmbeddedEngine;

/// Opens a lake in a local folder, with its catalog inside it and this engine.
///
/// # Errors
/// There is no lake there, or its catalog cannot be opened.
pub fn connect(config: Config) -> BoxFuture<'static, Result<Lake>> {
    async move {
        let Some(folder) = config.lake.to_path() else {
            bail!("the lake {} is on S3, which needs the Glue catalog: only local folders are served yet", config.lake);
        };
        let store = Arc::new(LocalStore);
        require_lake(&config, &*store).await?;
        let catalog = Arc::new(SqliteCatalog::open(&folder)?);
        let engine = Arc::new(EmbeddedEngine::new(&config, store.clone(), catalog.clone())?);
        Ok(Lake::new(config, store, catalog, engine))
    }
    .boxed()
}
