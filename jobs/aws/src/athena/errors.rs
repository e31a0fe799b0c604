//! What can become of a call to Athena.

use std::error::Error;
use std::fmt;

use aws_sdk_athena::error::{ProvideErrorMetadata, SdkError};

use crate::client::failed;

const THROTTLED: [&str; 4] = ["TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"];
const PASSING: [&str; 2] = ["InternalServerException", "RequestTimeoutException"];

/// A call that failed, although the SDK had retried it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct CallError {
    pub(super) kind: ErrorKind,
    /// The service's name of the error.
    pub(super) code: Option<String>,
    message: String,
}

/// Whether the same call may work later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// Yes: it came too soon after others.
    Throttled,
    /// Yes: the connection or the service failed.
    Passing,
    /// No.
    Final,
}

impl CallError {
    /// An error by its name, as the service gives it.
    pub(super) fn service(code: &str, message: &str) -> Self {
        Self::new(Some(code), None, &format!("{code}: {message}"))
    }

    fn new(code: Option<&str>, status: Option<u16>, message: &str) -> Self {
        let is_in = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code));
        let kind = if is_in(&THROTTLED) || status == Some(429) {
            ErrorKind::Throttled
        } else if is_in(&PASSING) || status.is_some_and(|status| status >= 500) {
            ErrorKind::Passing
        } else {
            ErrorKind::Final
        };
        Self { kind, code: code.map(str::to_owned), message: one_line(message) }
    }
}

impl CallError {
    /// An error that the SDK gives for an operation.
    pub(super) fn of<E>(operation: &str, error: SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = error.code().map(str::to_owned);
        let status = error.raw_response().map(|response| response.status().as_u16());
        // Missing credentials come as a dispatch failure too, and stay missing.
        let is_lost = match &error {
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_io() || failure.is_timeout(),
            _ => false,
        };
        let message = meterlake_core::run::one_line(&failed(error, operation));
        let told = Self::new(code.as_deref(), status, &message);
        if is_lost { Self { kind: ErrorKind::Passing, ..told } } else { told }
    }
}

/// Athena's messages may have several lines; ours have one.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Shows what is there, and nothing of what is not.
pub(super) struct Maybe<'a, T>(pub(super) &'a str, pub(super) Option<T>);

impl<T: fmt::Display> fmt::Display for Maybe<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.as_ref().map_or(Ok(()), |value| write!(formatter, "{}{value}", self.0))
    }
}
