//! The calls to Athena that the engine makes, in plain terms, so that tests can answer them.

use async_trait::async_trait;

use super::errors::CallError;

/// Athena, as far as the engine needs it.
#[async_trait]
pub(super) trait Api: Send + Sync {
    /// `GetWorkGroup`.
    async fn workgroup(&self, name: &str) -> Result<Workgroup, CallError>;

    /// `StartQueryExecution`; gives the execution's id.
    async fn start(&self, request: &Start<'_>) -> Result<String, CallError>;

    /// `GetQueryExecution`.
    async fn get(&self, id: &str) -> Result<Execution, CallError>;

    /// One page of `GetQueryResults`: the first, or the one that `token` stands for.
    async fn results(&self, id: &str, token: Option<&str>) -> Result<Page, CallError>;

    /// `StopQueryExecution`.
    async fn stop(&self, id: &str) -> Result<(), CallError>;
}

/// What the engine wants to know of a workgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Workgroup {
    pub(super) is_disabled: bool,
    /// Its settings win over those that a query brings.
    pub(super) is_enforced: bool,
    /// Where results of its queries go unless a query says.
    pub(super) output: Option<String>,
    /// Athena keeps the results itself.
    pub(super) keeps_results: bool,
}

/// A statement to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start<'a> {
    pub(super) sql: &'a str,
    /// The `ClientRequestToken`: two starts with the same one are one execution.
    pub(super) token: &'a str,
    pub(super) database: Option<&'a str>,
    pub(super) workgroup: &'a str,
    pub(super) output: Option<&'a str>,
}

/// How far an execution is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// None that this program knows.
    Other(String),
}

impl State {
    /// As Athena writes it.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Other(name) => name,
        }
    }
}

/// An execution as Athena tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Execution {
    pub(super) state: State,
    /// Athena's `StatementType` is `DML`.
    pub(super) is_dml: bool,
    /// Why it is in this state.
    pub(super) reason: Option<String>,
    pub(super) error: Option<AthenaError>,
    pub(super) queued_ms: u64,
    pub(super) running_ms: u64,
    pub(super) scanned_bytes: u64,
}

/// What Athena says of an error of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AthenaError {
    /// 1: system, 2: user, 3: other.
    pub(super) category: Option<i32>,
    /// The error's number in Athena's list.
    pub(super) number: Option<i32>,
    pub(super) is_retryable: bool,
    pub(super) message: Option<String>,
}

/// A page of results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// Stands for the next page.
    pub(super) next: Option<String>,
    /// How many rows the statement wrote.
    pub(super) update_count: Option<i64>,
}

/// A column of results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) label: String,
}
