//! The AWS side of the seams: objects on S3, the Glue catalog, the Athena engine.

mod athena;
mod client;
mod glue;
mod s3;

use std::sync::Arc;

use anyhow::{Result, bail};
use aws_config::SdkConfig;
use futures::future::{BoxFuture, FutureExt};
use meterlake_core::config::{Config, EngineKind};
use meterlake_core::lake::{Lake, require_lake};

pub use athena::AthenaEngine;
pub use client::sdk_config;
pub use glue::GlueCatalog;
pub use s3::S3Store;

/// The objects and the catalog of a lake on S3.
///
/// # Errors
/// There is no such bucket, or AWS cannot be reached.
pub async fn seams(config: &Config, sdk: &SdkConfig) -> Result<(Arc<S3Store>, Arc<GlueCatalog>)> {
    let store = Arc::new(S3Store::new(sdk));
    require_lake(config, &*store).await?;
    Ok((store, Arc::new(GlueCatalog::new(sdk))))
}

/// Opens a lake on S3 with Athena, which `athena` says how to reach and `sdk` the rest.
///
/// # Errors
/// As for [`seams`], or the workgroup cannot be used.
pub async fn open(config: Config, sdk: &SdkConfig, athena: &SdkConfig) -> Result<Lake> {
    let (store, catalog) = seams(&config, sdk).await?;
    let engine = Arc::new(AthenaEngine::open(&config, athena).await?);
    Ok(Lake::new(config, store, catalog, engine))
}

/// Opens a lake for a program that was built without the embedded engine, and so runs its SQL on Athena.
///
/// # Errors
/// As for [`open`]; or the settings ask for the embedded engine, or for a local folder.
pub fn connect(config: Config) -> BoxFuture<'static, Result<Lake>> {
    async move {
        if config.engine != EngineKind::Athena || config.lake.to_path().is_some() {
            bail!(
                "this program was built without the embedded engine, which the lake {} needs: give --engine athena and \
                 --lake s3://bucket",
                config.lake
            );
        }
        let sdk = sdk_config().await;
        open(config, &sdk, &sdk).await
    }
    .boxed()
}
