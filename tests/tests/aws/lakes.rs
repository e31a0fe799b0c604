//! Lakes in a bucket of their own, with a database of their own: the emulator has one catalog for all.

use std::sync::Arc;

use athena_local::{AthenaLocal, WorkGroup, serve};
use meterlake_core::config::{Config, EngineKind};
use meterlake_core::lake::Lake;
use meterlake_embedded::connect_aws;
use meterlake_tests::ministack::{bucket, sdk_config, sdk_config_for};
use tokio::net::TcpListener;

/// A lake whose SQL the embedded engine runs.
pub(crate) async fn lake_on_s3() -> Lake {
    let root = bucket().await;
    let (name, _) = root.bucket_and_key().unwrap();
    let config = Config { database: name.parse().unwrap(), lake: root, ..Config::default() };
    connect_aws(config, &sdk_config()).await.unwrap()
}

/// A lake whose SQL Athena runs, for which the stand-in answers.
pub(crate) async fn lake_on_athena() -> (Lake, Arc<AthenaLocal>) {
    let root = bucket().await;
    let sdk = sdk_config();
    let workgroup = WorkGroup { output: Some(root.join("results")), ..WorkGroup::default() };
    let athena = Arc::new(AthenaLocal::new(&sdk, &sdk, workgroup).unwrap());
    let (name, _) = root.bucket_and_key().unwrap();
    let config =
        Config { database: name.parse().unwrap(), engine: EngineKind::Athena, lake: root, ..Config::default() };
    (open(config, Arc::clone(&athena)).await, athena)
}

/// The same lake on the same stand-in, for a program that stops its queries when it is stopped, or leaves them.
pub(crate) async fn on_athena(lake: &Lake, athena: Arc<AthenaLocal>, stop_on_exit: bool) -> Lake {
    let mut config = lake.config.clone();
    config.athena.stop_on_exit = stop_on_exit;
    open(config, athena).await
}

async fn open(config: Config, athena: Arc<AthenaLocal>) -> Lake {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, athena));
    meterlake_aws::open(config, &sdk_config(), &sdk_config_for(&endpoint)).await.unwrap()
}
