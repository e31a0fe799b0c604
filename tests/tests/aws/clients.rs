//! The stand-in for Athena, as clients that others wrote see it: the AWS SDK, and PyAthena and awswrangler from PyPI.

mod faults;
mod limits;
mod malformed;
mod program;
mod python;
mod results;
mod workgroup;

use std::sync::Arc;
use std::time::Duration;

use athena_local::{AthenaLocal, WorkGroup};
use aws_config::retry::RetryConfig;
use aws_sdk_athena::Client;
use aws_sdk_athena::config::Builder;
use aws_sdk_athena::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use meterlake_aws::S3Store;
use meterlake_core::location::Location;
use meterlake_core::store::Store;
use meterlake_tests::ministack::{sdk_config, sdk_config_for};

/// A stand-in of a test's own, with a bucket and a database of its own, and the AWS SDK's client of it.
struct StandIn {
    athena: Arc<AthenaLocal>,
    endpoint: String,
    client: Client,
    store: S3Store,
    root: Location,
    database: String,
}

impl StandIn {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut WorkGroup)) -> Self {
        let mut can_start = true;
        let started = meterlake_tests::stand_in::StandIn::start(None, |workgroup| {
            change(workgroup);
            can_start = workgroup.is_enabled && workgroup.output.is_some();
        });
        let meterlake_tests::stand_in::StandIn { athena, endpoint, root } = started.await;
        // The SDK's own retries would hide what goes wrong.
        let config = Builder::from(&sdk_config_for(&endpoint)).retry_config(RetryConfig::disabled());
        let client = Client::from_conf(config.build());
        let database = root.bucket_and_key().unwrap().0.replace('-', "_");
        let stand_in = Self { athena, endpoint, client, store: S3Store::new(&sdk_config()), root, database };
        if can_start {
            stand_in.succeed(&format!("CREATE DATABASE `{}`", stand_in.database)).await;
        }
        stand_in
    }

    async fn start(&self, sql: &str) -> String {
        let context = QueryExecutionContext::builder().database(&self.database).build();
        let start = self.client.start_query_execution().query_string(sql).query_execution_context(context);
        start.send().await.unwrap().query_execution_id.unwrap()
    }

    async fn get(&self, id: &str) -> QueryExecution {
        self.client.get_query_execution().query_execution_id(id).send().await.unwrap().query_execution.unwrap()
    }

    /// The execution once it is over.
    async fn wait(&self, id: &str) -> QueryExecution {
        loop {
            let execution = self.get(id).await;
            if !matches!(state(&execution), QueryExecutionState::Queued | QueryExecutionState::Running) {
                return execution;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn run(&self, sql: &str) -> QueryExecution {
        self.wait(&self.start(sql).await).await
    }

    async fn succeed(&self, sql: &str) -> QueryExecution {
        let execution = self.run(sql).await;
        assert_eq!(state(&execution), QueryExecutionState::Succeeded, "{sql}: {}", reason(&execution));
        execution
    }

    /// Why a statement fails, as it must.
    async fn failure(&self, sql: &str) -> String {
        let execution = self.run(sql).await;
        assert_eq!(state(&execution), QueryExecutionState::Failed, "{sql}");
        reason(&execution)
    }

    async fn results(&self, execution: &QueryExecution) -> GetQueryResultsOutput {
        let id = execution.query_execution_id().unwrap();
        self.client.get_query_results().query_execution_id(id).send().await.unwrap()
    }

    /// The rows of a query, without the header.
    async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let rows = cells(&self.results(&self.succeed(sql).await).await);
        rows.into_iter().skip(1).collect()
    }

    /// The one cell of a query.
    async fn cell(&self, sql: &str) -> Option<String> {
        self.rows(sql).await.remove(0).remove(0)
    }

    async fn object(&self, location: &str) -> Vec<u8> {
        let object = self.store.read(&location.parse().unwrap()).await.unwrap();
        object.unwrap_or_else(|| panic!("no object {location}"))
    }

    async fn text(&self, location: &str) -> String {
        String::from_utf8(self.object(location).await).unwrap()
    }
}

fn output_to(location: &str) -> ResultConfiguration {
    ResultConfiguration::builder().output_location(location).build()
}

fn state(execution: &QueryExecution) -> QueryExecutionState {
    execution.status().unwrap().state().unwrap().clone()
}

fn reason(execution: &QueryExecution) -> String {
    execution.status().unwrap().state_change_reason().unwrap_or_default().to_owned()
}

/// Where an execution says that its result lies.
fn output(execution: &QueryExecution) -> &str {
    execution.result_configuration().unwrap().output_location().unwrap()
}

/// All rows of a page; NULL is `None`.
fn cells(page: &GetQueryResultsOutput) -> Vec<Vec<Option<String>>> {
    let rows = page.result_set().unwrap().rows();
    rows.iter().map(|row| row.data().iter().map(|cell| cell.var_char_value().map(str::to_owned)).collect()).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}
