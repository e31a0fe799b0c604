//! The embedded engine: Athena's SQL in process, on Apache DataFusion, with a SQLite catalog.

mod catalog;
mod ddl;
mod dialect;
mod engine;
mod functions;
mod guards;
mod keys;
mod lines;
mod objects;
mod one_item;
mod session;
mod statement;
mod table;
mod text;
mod utf8;
mod write;

use std::sync::Arc;

use anyhow::{Result, bail};
use aws_config::SdkConfig;
use futures::future::{BoxFuture, FutureExt};
use meterlake_aws::sdk_config;
use meterlake_core::config::{Config, EngineKind};
use meterlake_core::lake::{Lake, require_lake};
use meterlake_core::store::LocalStore;

pub use catalog::SqliteCatalog;
pub use engine::{EmbeddedEngine, TypedRows};

/// Athena's name for the Glue catalog, its own. A statement may spell it out.
const CATALOG: &str = "awsdatacatalog";

/// Opens a lake with this engine: in a local folder, with its catalog inside it, or on S3, with the Glue catalog and what
/// the AWS SDK finds in the environment.
///
/// # Errors
/// There is no lake there, or its catalog cannot be opened.
pub fn connect(config: Config) -> BoxFuture<'static, Result<Lake>> {
    async move {
        let Some(folder) = config.lake.to_path() else { return connect_aws(config, &sdk_config().await).await };
        if config.engine == EngineKind::Athena {
            bail!(
                "Athena reads no local folder such as {}: give --lake s3://bucket, or --engine embedded",
                config.lake
            );
        }
        let store = Arc::new(LocalStore);
        require_lake(&config, &*store).await?;
        let catalog = Arc::new(SqliteCatalog::open(&folder)?);
        let engine = Arc::new(EmbeddedEngine::new(&config, store.clone(), catalog.clone())?);
        Ok(Lake::new(config, store, catalog, engine))
    }
    .boxed()
}

/// Opens a lake on S3, with the Glue catalog and the engine that the settings name.
///
/// # Errors
/// There is no such bucket, AWS cannot be reached, or Athena's workgroup cannot be used.
pub async fn connect_aws(config: Config, sdk: &SdkConfig) -> Result<Lake> {
    if config.engine == EngineKind::Athena {
        return meterlake_aws::open(config, sdk, sdk).await;
    }
    let (store, catalog) = meterlake_aws::seams(&config, sdk).await?;
    let engine = Arc::new(EmbeddedEngine::on_aws(&config, store.clone(), catalog.clone(), sdk)?);
    Ok(Lake::new(config, store, catalog, engine))
}
