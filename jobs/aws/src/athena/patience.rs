//! Waiting: between polls, and before a call is made again.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::sleep;

use super::errors::{CallError, ErrorKind};

/// How often a throttled call is made: some two minutes in all. A workgroup full of queries empties in that time.
const THROTTLED_CALLS: u32 = 12;
/// How often a call is made that the connection or the service fails: the SDK has tried each several times already.
const FAILED_CALLS: u32 = 4;

/// Growing pauses. Each is shortened by chance, so that many programs that were turned away together do not come back
/// together.
pub(super) struct Pauses {
    next: Duration,
    factor: f64,
    longest: Duration,
}

impl Pauses {
    /// Between two looks at a running query.
    pub(super) fn of_polling() -> Self {
        Self { next: Duration::from_millis(200), factor: 1.5, longest: Duration::from_secs(5) }
    }

    /// Before a call or a query is tried again.
    pub(super) fn of_retries() -> Self {
        Self { next: Duration::from_secs(1), factor: 2.0, longest: Duration::from_secs(20) }
    }

    pub(super) async fn pause(&mut self) {
        let pause = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = self.next.mul_f64(self.factor).min(self.longest);
        sleep(pause).await;
    }
}

/// Makes a call, and makes it again where it was throttled or lost. A start that is made again joins the query that the
/// first one may have started, because both carry the same token.
pub(super) async fn patiently<'a, T>(call: impl Fn() -> BoxFuture<'a, Result<T, CallError>>) -> Result<T, CallError> {
    let mut pauses = Pauses::of_retries();
    let mut calls = 0;
    loop {
        calls += 1;
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let most = match error.kind {
            ErrorKind::Throttled => THROTTLED_CALLS,
            ErrorKind::Passing => FAILED_CALLS,
            ErrorKind::Final => 1,
        };
        if calls >= most {
            return Err(error);
        }
        tracing::debug!(calls, "a call to Athena failed and will be made again: {error}");
        pauses.pause().await;
    }
}
