//! The chain in a real account. Ignored unless asked for: it takes an account, some minutes and some cents.
//!
//! The variables are described in `tests/README.md`.

use std::env;

use meterlake_core::clock::Clock;
use meterlake_core::config::{Config, EngineKind};
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_embedded::connect;
use meterlake_tests::chain::chain;
use meterlake_tests::lake::TestLake;

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see tests/README.md"))
}

/// A lake in a new folder of the bucket, with a new database.
async fn lake(engine: EngineKind) -> Lake {
    let mark = Generation::begin(&Clock::real()).to_string();
    let root = format!("s3://{}/meterlake-test/{mark}", variable("METERLAKE_TEST_BUCKET"));
    let mut config = Config { lake: root.parse().unwrap(), engine, ..Config::default() };
    config.database = format!("meterlake_test_{mark}").parse().unwrap();
    config.athena.workgroup = variable("METERLAKE_TEST_WORKGROUP");
    config.athena.output = config.lake.join("results").to_string();
    connect(config).await.unwrap()
}

/// Removes what a test made, also after it failed.
async fn remove(lake: &Lake) {
    let glue = aws_sdk_glue::Client::new(&meterlake_aws::sdk_config().await);
    glue.delete_database().name(lake.config.database.as_str()).send().await.unwrap();
    lake.store.delete_folder(&lake.config.lake).await.unwrap();
}

async fn the_chain_gives_the_invoices_of_a_local_lake(engine: EngineKind) {
    let (lake, local) = (lake(engine).await, TestLake::bare().await);
    let there = {
        let lake = lake.clone();
        tokio::spawn(async move { chain(&lake, 0.02).await.1 }).await
    };
    remove(&lake).await;
    assert_eq!(there.unwrap(), chain(&local.lake, 0.02).await.1);
}

#[ignore = "needs an AWS account: see tests/README.md"]
#[tokio::test(flavor = "multi_thread")]
async fn athena_in_a_real_account() {
    the_chain_gives_the_invoices_of_a_local_lake(EngineKind::Athena).await;
}

#[ignore = "needs an AWS account: see tests/README.md"]
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_on_a_real_bucket() {
    the_chain_gives_the_invoices_of_a_local_lake(EngineKind::Embedded).await;
}
