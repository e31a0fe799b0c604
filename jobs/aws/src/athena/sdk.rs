//! The calls to Athena, made with the SDK.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_athena::Client;
use aws_sdk_athena::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration, ResultSet, StatementType,
    WorkGroup, WorkGroupState,
};

use super::api::{Api, AthenaError, Column, Execution, Page, Start, State, Workgroup};
use super::errors::CallError;

/// Rows in a page of results: the most that Athena gives.
const PAGE: i32 = 1000;

/// Athena through the SDK, which knows the region, the endpoint and the credentials.
pub(super) struct Sdk {
    client: Client,
}

impl Sdk {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }
}

#[async_trait]
impl Api for Sdk {
    async fn workgroup(&self, name: &str) -> Result<Workgroup, CallError> {
        let answer = self.client.get_work_group().work_group(name).send().await;
        let answer = answer.map_err(|error| CallError::of("GetWorkGroup", error))?;
        answer.work_group.as_ref().map(Workgroup::from).ok_or_else(|| lacks("GetWorkGroup", "a workgroup"))
    }

    async fn start(&self, request: &Start<'_>) -> Result<String, CallError> {
        let context = request.database.map(|database| QueryExecutionContext::builder().database(database).build());
        let results = request.output.map(|output| ResultConfiguration::builder().output_location(output).build());
        let call = self
            .client
            .start_query_execution()
            .query_string(request.sql)
            .client_request_token(request.token)
            .work_group(request.workgroup)
            .set_query_execution_context(context)
            .set_result_configuration(results);
        let answer = call.send().await.map_err(|error| CallError::of("StartQueryExecution", error))?;
        answer.query_execution_id.ok_or_else(|| lacks("StartQueryExecution", "an id"))
    }

    async fn get(&self, id: &str) -> Result<Execution, CallError> {
        let answer = self.client.get_query_execution().query_execution_id(id).send().await;
        let answer = answer.map_err(|error| CallError::of("GetQueryExecution", error))?;
        let execution = answer.query_execution.as_ref().map(Execution::from);
        execution.ok_or_else(|| lacks("GetQueryExecution", "an execution"))
    }

    async fn results(&self, id: &str, token: Option<&str>) -> Result<Page, CallError> {
        let call = self.client.get_query_results().query_execution_id(id).max_results(PAGE);
        let answer = call.set_next_token(token.map(str::to_owned)).send().await;
        answer.map(Page::from).map_err(|error| CallError::of("GetQueryResults", error))
    }

    async fn stop(&self, id: &str) -> Result<(), CallError> {
        let answer = self.client.stop_query_execution().query_execution_id(id).send().await;
        answer.map(drop).map_err(|error| CallError::of("StopQueryExecution", error))
    }
}

fn lacks(call: &str, what: &str) -> CallError {
    CallError::service(call, &format!("the answer lacks {what}"))
}

impl From<&WorkGroup> for Workgroup {
    fn from(workgroup: &WorkGroup) -> Self {
        let configuration = workgroup.configuration();
        let results = configuration.and_then(|configuration| configuration.result_configuration());
        let output = results.and_then(|results| results.output_location()).filter(|output| !output.is_empty());
        let managed = configuration.and_then(|configuration| configuration.managed_query_results_configuration());
        Self {
            is_disabled: workgroup.state() == Some(&WorkGroupState::Disabled),
            is_enforced: configuration.and_then(|it| it.enforce_work_group_configuration()).unwrap_or_default(),
            output: output.map(str::to_owned),
            keeps_results: managed.is_some_and(|managed| managed.enabled()),
        }
    }
}

impl From<&QueryExecution> for Execution {
    fn from(execution: &QueryExecution) -> Self {
        let status = execution.status();
        let statistics = execution.statistics();
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
        let error = status.and_then(|status| status.athena_error()).map(|error| AthenaError {
            category: error.error_category(),
            number: error.error_type(),
            is_retryable: error.retryable(),
            message: error.error_message().map(str::to_owned),
        });
        Self {
            state: status.and_then(|status| status.state()).map_or_else(|| State::Other(String::new()), State::from),
            is_dml: execution.statement_type().is_none_or(|kind| *kind == StatementType::Dml),
            reason: status.and_then(|status| status.state_change_reason()).map(str::to_owned),
            error,
            queued_ms: number(statistics.and_then(|it| it.query_queue_time_in_millis())),
            running_ms: number(statistics.and_then(|it| it.engine_execution_time_in_millis())),
            scanned_bytes: number(statistics.and_then(|it| it.data_scanned_in_bytes())),
        }
    }
}

impl From<&QueryExecutionState> for State {
    fn from(state: &QueryExecutionState) -> Self {
        match state {
            QueryExecutionState::Queued => Self::Queued,
            QueryExecutionState::Running => Self::Running,
            QueryExecutionState::Succeeded => Self::Succeeded,
            QueryExecutionState::Failed => Self::Failed,
            QueryExecutionState::Cancelled => Self::Cancelled,
            other => Self::Other(other.as_str().to_owned()),
        }
    }
}

impl From<GetQueryResultsOutput> for Page {
    fn from(answer: GetQueryResultsOutput) -> Self {
        let results = answer.result_set.unwrap_or_else(|| ResultSet::builder().build());
        let columns = results.result_set_metadata.and_then(|metadata| metadata.column_info).unwrap_or_default();
        let cells = |row: aws_sdk_athena::types::Row| {
            row.data.unwrap_or_default().into_iter().map(|datum| datum.var_char_value).collect()
        };
        Self {
            columns: columns
                .into_iter()
                .map(|column| Column { label: column.label.unwrap_or_default(), name: column.name })
                .collect(),
            rows: results.rows.unwrap_or_default().into_iter().map(cells).collect(),
            next: answer.next_token.filter(|token| !token.is_empty()),
            update_count: answer.update_count,
        }
    }
}
