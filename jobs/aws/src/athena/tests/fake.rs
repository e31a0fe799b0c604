//! An Athena that answers as it was told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use meterlake_core::config::Config;
use meterlake_core::engine::Statement;
use tokio::time::{Duration, Instant};

use super::super::AthenaEngine;
use super::super::api::{Api, AthenaError, Column, Execution, Page, Start, State, Workgroup};
use super::super::errors::CallError;

/// A call, as the fake saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Workgroup(String),
    Start { sql: String, token: String, database: Option<String>, workgroup: String, output: Option<String> },
    Get(String),
    Results { id: String, token: Option<String> },
    Stop(String),
}

/// The answers to come, by call. The last answer to a get stays; a start without an answer gives `query-1`, `query-2`….
#[derive(Default)]
pub(super) struct Script {
    pub(super) workgroup: VecDeque<Result<Workgroup, CallError>>,
    pub(super) starts: VecDeque<Result<String, CallError>>,
    pub(super) gets: VecDeque<Result<Execution, CallError>>,
    pub(super) results: VecDeque<Result<Page, CallError>>,
    pub(super) stops: VecDeque<Result<(), CallError>>,
}

#[derive(Default)]
pub(super) struct Fake {
    script: Mutex<Script>,
    calls: Mutex<Vec<(Instant, Call)>>,
    begun: Mutex<usize>,
}

impl Fake {
    /// The calls, in order.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().iter().map(|(_, call)| call.clone()).collect()
    }

    /// The tokens of all starts.
    pub(super) fn tokens(&self) -> Vec<String> {
        let token = |call| if let Call::Start { token, .. } = call { Some(token) } else { None };
        self.calls().into_iter().filter_map(token).collect()
    }

    /// How many calls of a sort there were.
    pub(super) fn count(&self, is: fn(&Call) -> bool) -> usize {
        self.calls().iter().filter(|call| is(call)).count()
    }

    /// The time between each call and the next.
    pub(super) fn pauses(&self) -> Vec<Duration> {
        self.calls.lock().unwrap().windows(2).map(|calls| calls[1].0 - calls[0].0).collect()
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push((Instant::now(), call));
    }
}

#[async_trait]
impl Api for Fake {
    async fn workgroup(&self, name: &str) -> Result<Workgroup, CallError> {
        self.note(Call::Workgroup(name.to_owned()));
        self.script.lock().unwrap().workgroup.pop_front().unwrap_or_else(|| Ok(usable()))
    }

    async fn start(&self, request: &Start<'_>) -> Result<String, CallError> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        self.note(Call::Start {
            sql: request.sql.to_owned(),
            token: request.token.to_owned(),
            database: owned(request.database),
            workgroup: request.workgroup.to_owned(),
            output: owned(request.output),
        });
        self.script.lock().unwrap().starts.pop_front().unwrap_or_else(|| {
            let mut begun = self.begun.lock().unwrap();
            *begun += 1;
            Ok(format!("query-{begun}"))
        })
    }

    async fn get(&self, id: &str) -> Result<Execution, CallError> {
        self.note(Call::Get(id.to_owned()));
        let gets = &mut self.script.lock().unwrap().gets;
        if gets.len() > 1 { gets.pop_front().unwrap() } else { gets[0].clone() }
    }

    async fn results(&self, id: &str, token: Option<&str>) -> Result<Page, CallError> {
        self.note(Call::Results { id: id.to_owned(), token: token.map(str::to_owned) });
        self.script.lock().unwrap().results.pop_front().unwrap()
    }

    async fn stop(&self, id: &str) -> Result<(), CallError> {
        self.note(Call::Stop(id.to_owned()));
        self.script.lock().unwrap().stops.pop_front().unwrap_or(Ok(()))
    }
}

/// A workgroup in which everything works.
pub(super) fn usable() -> Workgroup {
    Workgroup { output: Some("s3://results/of-group".to_owned()), ..Workgroup::default() }
}

/// An execution in a state.
pub(crate) fn execution(state: State) -> Execution {
    Execution { state, is_dml: true, reason: None, error: None, queued_ms: 0, running_ms: 0, scanned_bytes: 0 }
}

/// One that is over well.
pub(super) fn succeeded(scanned_bytes: u64) -> Execution {
    Execution { scanned_bytes, ..execution(State::Succeeded) }
}

/// One that failed, as Athena's sort of error that may pass or not.
pub(super) fn failed(is_retryable: bool) -> Execution {
    let error = AthenaError { category: Some(1), number: Some(401), is_retryable, message: None };
    let reason = Some("GENERIC_INTERNAL_ERROR:\n  no more\tworkers".to_owned());
    Execution { reason, error: Some(error), scanned_bytes: 123, ..execution(State::Failed) }
}

pub(super) fn throttled() -> CallError {
    CallError::service("TooManyRequestsException", "Rate exceeded")
}

pub(super) fn lost() -> CallError {
    CallError::service("InternalServerException", "oops")
}

pub(super) fn refused(message: &str) -> CallError {
    CallError::service("InvalidRequestException", message)
}

/// A page with a header row as the first one of a SELECT has it, if `header`.
pub(super) fn page(columns: &[&str], header: bool, rows: &[&[Option<&str>]]) -> Page {
    let column = |name: &&str| Column { name: (*name).to_owned(), label: (*name).to_owned() };
    let cells = |row: &&[Option<&str>]| row.iter().map(|cell| cell.map(str::to_owned)).collect();
    let header = header.then(|| columns.iter().map(|name| Some((*name).to_owned())).collect());
    Page {
        columns: columns.iter().map(column).collect(),
        rows: header.into_iter().chain(rows.iter().map(cells)).collect(),
        ..Page::default()
    }
}

/// An engine over a fake, and the fake.
pub(super) async fn engine(script: Script, settings: fn(&mut Config)) -> (Arc<Fake>, AthenaEngine) {
    let (fake, engine) = open(script, settings).await;
    let engine = engine.unwrap();
    // What came of opening is of no interest where the statements are.
    fake.calls.lock().unwrap().clear();
    (fake, engine)
}

/// The same, where opening may fail.
pub(super) async fn open(script: Script, settings: fn(&mut Config)) -> (Arc<Fake>, anyhow::Result<AthenaEngine>) {
    let fake = Arc::new(Fake { script: Mutex::new(script), ..Fake::default() });
    let mut config = Config::default();
    settings(&mut config);
    let engine = AthenaEngine::over(&config, Arc::clone(&fake) as Arc<dyn Api>).await;
    (fake, engine)
}

/// Leaves the settings as they are.
pub(super) fn as_is(_: &mut Config) {}

pub(super) fn statement(sql: &str) -> Statement {
    Statement {
        label: "merge_hour@1".to_owned(),
        sql: sql.to_owned(),
        database: "metering".parse().unwrap(),
        token: None,
    }
}
