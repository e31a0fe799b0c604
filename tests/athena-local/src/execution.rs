//! Executions of queries, as Athena tells of them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::columns::Column;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::wire::Start;

/// How far an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Queued,
    /// It runs.
    Running,
    /// It worked.
    Succeeded,
    /// It did not work.
    Failed,
    /// It was stopped.
    Cancelled,
}

impl State {
    /// As Athena writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// The rows of a query.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    /// NULL is `None`.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// What a query gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gave {
    pub(crate) table: Arc<Table>,
    /// How many rows it wrote.
    pub(crate) written: u64,
    pub(crate) scanned_bytes: u64,
    /// The object that lists what a CTAS or an UNLOAD wrote.
    pub(crate) manifest: Option<String>,
}

/// An execution.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) id: String,
    /// As it was asked for, with the workgroup's name and settings filled in.
    pub(crate) request: Start,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) failure: Option<Failure>,
    pub(crate) gave: Gave,
    pub(crate) asked: u64,
    submitted: (SystemTime, Instant),
    started: Option<Instant>,
    ended: Option<(SystemTime, Instant)>,
}

impl Execution {
    pub(crate) fn new(id: String, kind: Kind, request: Start) -> Self {
        Self {
            id,
            request,
            kind,
            state: State::Queued,
            reason: None,
            failure: None,
            gave: Gave::default(),
            asked: 0,
            submitted: now(),
            started: None,
            ended: None,
        }
    }

    pub(crate) fn start(&mut self) {
        if self.state == State::Queued {
            self.state = State::Running;
            self.started = Some(Instant::now());
        }
    }

    /// Ends it; what is over stays as it is.
    pub(crate) fn end(&mut self, state: State, reason: Option<String>) {
        if !self.state.is_over() {
            (self.state, self.reason, self.ended) = (state, reason, Some(now()));
        }
    }

    pub(crate) fn succeed(&mut self, gave: Gave) {
        if !self.state.is_over() {
            self.gave = gave;
        }
        self.end(State::Succeeded, None);
    }

    pub(crate) fn fail(&mut self, failure: Failure) {
        if self.state.is_over() {
            return;
        }
        self.end(State::Failed, Some(failure.message.clone()));
        self.failure = Some(failure);
    }

    /// Ends it because it scanned more than it may. What it scanned is paid for.
    pub(crate) fn cut_off(&mut self, scanned_bytes: u64) {
        if !self.state.is_over() {
            self.gave.scanned_bytes = scanned_bytes;
        }
        self.end(State::Cancelled, Some("Bytes scanned limit was exceeded".to_owned()));
    }

    /// The folder for results.
    pub(crate) fn output(&self) -> &str {
        self.request.result_configuration.output_location.as_deref().unwrap_or_default().trim_end_matches('/')
    }

    /// The object that holds the result, or where it would lie of a statement that writes its rows elsewhere.
    pub(crate) fn output_location(&self) -> String {
        match self.kind {
            Kind::Select => format!("{}.csv", self.result_path()),
            Kind::Show | Kind::Describe | Kind::Definition => format!("{}.txt", self.result_path()),
            Kind::CreateTableAs | Kind::Insert | Kind::Unload => self.result_path(),
        }
    }

    /// The path of all that Athena writes for it, without the ending.
    pub(crate) fn result_path(&self) -> String {
        let folder = if self.kind == Kind::CreateTableAs { "/tables" } else { "" };
        format!("{}{folder}/{}", self.output(), self.id)
    }

    /// The object that describes the result's columns.
    pub(crate) fn metadata_location(&self) -> String {
        format!("{}.metadata", self.output_location())
    }

    /// Athena's `QueryExecution`.
    pub(crate) fn to_json(&self) -> Value {
        let mut status = json!({
            "State": self.state.as_str(),
            "SubmissionDateTime": epoch_seconds(self.submitted.0),
        });
        if let Some((time, _)) = self.ended {
            status["CompletionDateTime"] = epoch_seconds(time);
        }
        if let Some(reason) = &self.reason {
            status["StateChangeReason"] = json!(reason);
        }
        if let Some(failure) = &self.failure {
            status["AthenaError"] = json!({
                "ErrorCategory": failure.category,
                "ErrorType": failure.number,
                "Retryable": failure.is_retryable,
                "ErrorMessage": failure.message,
            });
        }
        let mut context =
            json!({ "Catalog": self.request.query_execution_context.catalog.as_deref().unwrap_or("awsdatacatalog") });
        if let Some(database) = &self.request.query_execution_context.database {
            context["Database"] = json!(database);
        }
        let mut execution = json!({
            "QueryExecutionId": self.id,
            "Query": self.request.query_string,
            "StatementType": self.kind.statement_type(),
            "SubstatementType": self.kind.substatement_type(&self.request.query_string),
            "ResultConfiguration": { "OutputLocation": self.output_location() },
            "ResultReuseConfiguration": self.request.result_reuse_configuration,
            "QueryExecutionContext": context,
            "Status": status,
            "Statistics": self.statistics(),
            "WorkGroup": self.request.work_group,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        });
        if !self.request.execution_parameters.is_empty() {
            execution["ExecutionParameters"] = json!(self.request.execution_parameters);
        }
        execution
    }

    fn statistics(&self) -> Value {
        let end = self.ended.map_or_else(Instant::now, |(_, end)| end);
        let since = |start: Instant| milliseconds(end.saturating_duration_since(start));
        let queued = self.started.unwrap_or(end).saturating_duration_since(self.submitted.1);
        let mut statistics = json!({
            "DataScannedInBytes": self.gave.scanned_bytes,
            "EngineExecutionTimeInMillis": self.started.map_or(0, since),
            "QueryQueueTimeInMillis": milliseconds(queued),
            "TotalExecutionTimeInMillis": since(self.submitted.1),
            "QueryPlanningTimeInMillis": 0,
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": { "ReusedPreviousResult": false },
        });
        if let Some(manifest) = &self.gave.manifest {
            statistics["DataManifestLocation"] = json!(manifest);
        }
        statistics
    }
}

fn now() -> (SystemTime, Instant) {
    (SystemTime::now(), Instant::now())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn epoch_seconds(time: SystemTime) -> Value {
    let milliseconds = milliseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    json!(Duration::from_millis(milliseconds).as_secs_f64())
}
