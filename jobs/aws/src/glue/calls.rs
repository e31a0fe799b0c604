//! What a call to Glue may answer instead of what was asked, and when to call again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};

use crate::client::failed;

pub(super) const EXISTS: &str = "AlreadyExistsException";
pub(super) const MISSING: &str = "EntityNotFoundException";
/// How Glue refuses a filter that it cannot read, or cannot compare a partition's value with.
pub(super) const NO_FILTER: [&str; 2] = ["InvalidInputException", "InvalidStateException"];
/// What emulators of Glue answer to a call that they do not have.
pub(super) const UNKNOWN: &str = "InvalidAction";
const CHANGING: &str = "ConcurrentModificationException";

/// A call that failed, after all that the SDK does about it: it tries again where Glue is busy or does not answer.
#[derive(Debug)]
pub(super) struct CallError {
    code: Option<String>,
    error: anyhow::Error,
}

impl CallError {
    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl Error for CallError {}

/// Says which call failed, and for what.
pub(super) trait Called<T> {
    fn called(self, operation: &str, subject: impl fmt::Display) -> Result<T, CallError>;
}

impl<T, E> Called<T> for Result<T, SdkError<E>>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn called(self, operation: &str, subject: impl fmt::Display) -> Result<T, CallError> {
        self.map_err(|error| {
            let code = error.code().map(str::to_owned);
            CallError { code, error: failed(error, format_args!("Glue's {operation} failed for {subject}")) }
        })
    }
}

/// Takes one failure for an answer.
pub(super) trait Unless<T> {
    /// `None` where the call failed with this code.
    fn unless(self, code: &str) -> Result<Option<T>, CallError>;
}

impl<T> Unless<T> for Result<T, CallError> {
    fn unless(self, code: &str) -> Result<Option<T>, CallError> {
        match self {
            Err(error) if error.is(code) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// Whether the same call may succeed a moment later. Throttled calls the SDK repeats; a batch's single items it cannot.
pub(super) fn is_temporary(code: &str) -> bool {
    let temporary = [CHANGING, "InternalServiceException", "OperationTimeoutException", "ResourceNotReadyException"];
    temporary.contains(&code) || code.contains("Throttl")
}

/// Calls again where somebody else was changing the same thing.
pub(super) async fn settled<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> Result<T> {
    let mut patience = Patience::default();
    loop {
        let answer = call().await;
        let is_changing = |error: &anyhow::Error| error.downcast_ref::<CallError>().is_some_and(|e| e.is(CHANGING));
        if !answer.as_ref().is_err_and(is_changing) || !patience.wait().await {
            return answer;
        }
    }
}

/// Waits between tries, each time about twice as long, at random so that those who collided do not do so again.
#[derive(Default)]
pub(super) struct Patience(u32);

impl Patience {
    const TRIES: u32 = 6;
    const FIRST: Duration = Duration::from_millis(50);

    /// False, at once, when it has run out.
    pub(super) async fn wait(&mut self) -> bool {
        if self.0 == Self::TRIES {
            return false;
        }
        tokio::time::sleep(Self::FIRST.mul_f64(rand::random_range(0.5..1.0) * f64::from(1 << self.0))).await;
        self.0 += 1;
        true
    }
}
