//! A job that is still at work when its invocation's time is up.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::catalog::{Catalog, Database, Partition, PartitionFilter, Table};
use crate::engine::{Engine, Outcome, Rows, Statement};
use crate::names::{Name, TableName};
use crate::store::LocalStore;

/// A job that publishes an hour and never gets on from there.
struct StuckJob;

#[derive(Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct Hour {
    job: &'static str,
    period: &'static str,
    rows: u64,
}

impl std::fmt::Display for Hour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.period)
    }
}

#[async_trait]
impl Job for StuckJob {
    const NAME: &'static str = "stuck";
    const ABOUT: &'static str = "Publishes an hour";
    type Args = Nothing;
    type Report = Hour;

    async fn run(_: &Lake, _: &Nothing, _: &Context, output: &mut Output<Hour>) -> Result<()> {
        output.report(&Hour { job: "stuck", period: "2023-01-31T06", rows: 7 })?;
        pending().await
    }
}

#[tokio::test]
async fn what_was_done_before_the_time_was_up_is_in_the_metrics() {
    let lake = Lake::new(Config::default(), Arc::new(LocalStore), Arc::new(Nowhere), Arc::new(Nowhere));
    let mut log = Vec::new();
    let event = json!({"scheduled_time": "2023-01-31T07:10:00Z"});
    let handled = handle::<StuckJob>(&lake, event, Instant::now() + Duration::from_millis(50), &mut log).await;
    assert!(handled.unwrap_err().to_string().contains("time of this invocation is up"));
    let lines: Vec<Value> =
        log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["period"], &lines[0]["rows"]), (&json!("2023-01-31T06"), &json!(7)));
}

/// The seams of a lake that nobody asks anything of.
struct Nowhere;

#[async_trait]
impl Engine for Nowhere {
    async fn execute(&self, _: &Statement) -> Result<Outcome> {
        bail!("there is no engine")
    }

    async fn query(&self, _: &Statement) -> Result<Rows> {
        bail!("there is no engine")
    }
}

#[async_trait]
impl Catalog for Nowhere {
    async fn create_database(&self, _: &Name) -> Result<bool> {
        bail!("there is no catalog")
    }

    async fn databases(&self) -> Result<Vec<Name>> {
        bail!("there is no catalog")
    }

    async fn database(&self, _: &Name) -> Result<Option<Database>> {
        bail!("there is no catalog")
    }

    async fn set_database_parameter(&self, _: &Name, _: &str, _: &str) -> Result<()> {
        bail!("there is no catalog")
    }

    async fn create_table(&self, _: &Table) -> Result<bool> {
        bail!("there is no catalog")
    }

    async fn table(&self, _: &TableName) -> Result<Option<Table>> {
        bail!("there is no catalog")
    }

    async fn update_table(&self, _: &Table) -> Result<()> {
        bail!("there is no catalog")
    }

    async fn drop_table(&self, _: &TableName) -> Result<bool> {
        bail!("there is no catalog")
    }

    async fn tables(&self, _: &Name) -> Result<Vec<Name>> {
        bail!("there is no catalog")
    }

    async fn partitions(&self, _: &TableName, _: &PartitionFilter) -> Result<Vec<Partition>> {
        bail!("there is no catalog")
    }

    async fn get_partitions(&self, _: &TableName, _: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        bail!("there is no catalog")
    }

    async fn add_partitions(&self, _: &TableName, _: &[Partition]) -> Result<usize> {
        bail!("there is no catalog")
    }

    async fn put_partitions(&self, _: &TableName, _: &[Partition]) -> Result<()> {
        bail!("there is no catalog")
    }

    async fn drop_partitions(&self, _: &TableName, _: &[Vec<String>]) -> Result<usize> {
        bail!("there is no catalog")
    }
}
