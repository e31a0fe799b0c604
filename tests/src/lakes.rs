//! Lakes in a bucket of their own, with a database of their own: the emulator has one catalog for all.

use std::sync::Arc;

use athena_local::{AthenaLocal, Trino};
use meterlake_core::config::{Config, EngineKind};
use meterlake_core::lake::Lake;
use meterlake_embedded::connect_aws;

use crate::ministack::{bucket, sdk_config, sdk_config_for};
use crate::stand_in::{StandIn, config_in, serve};

/// A lake whose SQL the embedded engine runs.
pub async fn lake_on_s3() -> Lake {
    let root = bucket().await;
    connect_aws(config_in(root), &sdk_config()).await.expect("a lake that opens")
}

/// A lake whose SQL Athena runs, for which the stand-in answers.
pub async fn lake_on_athena() -> (Lake, Arc<AthenaLocal>) {
    lake_on(StandIn::start(None, |_| {}).await).await
}

/// A lake whose SQL Athena runs, for which the stand-in answers, and a Trino does the work.
pub async fn lake_on_trino(trino: &Trino) -> Lake {
    lake_on(StandIn::start(Some(trino), |_| {}).await).await.0
}

async fn lake_on(stand_in: StandIn) -> (Lake, Arc<AthenaLocal>) {
    let config = Config { engine: EngineKind::Athena, ..stand_in.config() };
    (open(config, &stand_in.endpoint).await, stand_in.athena)
}

/// The same lake on the same stand-in, for a program that stops its queries when it is stopped, or leaves them.
pub async fn on_athena(lake: &Lake, athena: Arc<AthenaLocal>, stop_on_exit: bool) -> Lake {
    let mut config = lake.config.clone();
    config.athena.stop_on_exit = stop_on_exit;
    open(config, &serve(athena).await).await
}

async fn open(config: Config, endpoint: &str) -> Lake {
    meterlake_aws::open(config, &sdk_config(), &sdk_config_for(endpoint)).await.expect("a lake that opens")
}
