//! A lake as a job sees it.

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::Engine;
use crate::layout::Layout;
use crate::sql::SqlFiles;
use crate::store::Store;

/// The three seams, and what tells where things are.
#[derive(Clone)]
pub struct Lake {
    /// The settings.
    pub config: Config,
    /// Where the tables lie.
    pub layout: Layout,
    /// The SQL files.
    pub sql: SqlFiles,
    /// The objects.
    pub store: Arc<dyn Store>,
    /// The tables and partitions.
    pub catalog: Arc<dyn Catalog>,
    /// What runs SQL.
    pub engine: Arc<dyn Engine>,
    /// What tells the time. Only times that jobs wrote by it themselves are compared with it, never a store's.
    pub clock: Clock,
}

impl Lake {
    /// The lake that a configuration names, over the given seams.
    #[must_use]
    pub fn new(config: Config, store: Arc<dyn Store>, catalog: Arc<dyn Catalog>, engine: Arc<dyn Engine>) -> Self {
        let folder = Some(config.sql.clone()).filter(|folder| !folder.as_os_str().is_empty());
        Self {
            layout: config.layout(),
            sql: SqlFiles::new(folder),
            config,
            store,
            catalog,
            engine,
            clock: Clock::real(),
        }
    }
}

/// Refuses a lake that is not there.
///
/// # Errors
/// There is none at that place, or the store failed.
pub async fn require_lake(config: &Config, store: &dyn Store) -> Result<()> {
    if !store.exists(&config.lake).await? {
        bail!(
            "there is no lake at {}: make one with `cargo run --bin demo` or `cargo run --bin loadgen -- files`, \
             or name another with --lake",
            config.lake
        );
    }
    Ok(())
}
