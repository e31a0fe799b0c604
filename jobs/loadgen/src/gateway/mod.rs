//! Calls to the sample API behind a gateway, with parameters left to chance.

mod call;
mod request;
mod summary;

use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, stream};
use reqwest::Url;
use tokio::time::{Instant, sleep_until};

pub use self::request::endpoint;
pub use self::summary::Summary;

use self::call::Caller;
use self::request::{call_url, curl};
use crate::secret::Secret;

/// Which calls to make.
#[derive(Debug, Clone)]
pub struct Options {
    /// The URL of the sample API; [`endpoint`] makes it.
    pub endpoint: Url,
    /// Sent as `Authorization`; without it the gateway is asked as a stranger would.
    pub token: Option<Secret>,
    /// How many calls.
    pub count: u64,
    /// How many at once, at least 1.
    pub concurrency: usize,
    /// At most so many calls are begun per second.
    pub per_second: Option<f64>,
    /// How long to wait for an answer. API Gateway itself gives up after 29 s.
    pub timeout: Duration,
    /// Decides what is asked for.
    pub seed: u64,
    /// Do not print each call.
    pub quiet: bool,
}

/// Makes the calls and prints each, when it is done, as a line: status, body and URL. Ends early when `stop` is ready;
/// calls that have no answer by then are not counted.
///
/// # Errors
/// The token cannot be sent, or a line cannot be printed. That calls fail is no error but counted.
pub async fn call_gateway(options: &Options, stop: impl Future<Output = ()>, out: &mut impl Write) -> Result<Summary> {
    let caller = Caller::new(options)?;
    let begun = Instant::now();
    let due = |number| options.per_second.map(|rate| begun + Duration::from_secs_f64(number as f64 / rate));
    let calls = stream::iter(0..options.count).then(async |number| {
        if let Some(due) = due(number) {
            sleep_until(due).await;
        }
        number
    });
    // A task for each call: a slow terminal must not look like a slow gateway.
    let calls = calls.map(|number| tokio::spawn(caller.clone().call(number))).buffer_unordered(options.concurrency);
    let (mut calls, mut stop) = (pin!(calls), pin!(stop));
    let mut summary = Summary { planned: options.count, ..Summary::default() };
    loop {
        let call = tokio::select! { biased; () = &mut stop => None, call = calls.next() => call };
        let Some(call) = call.transpose()? else { break };
        if !options.quiet {
            writeln!(out, "{call}")?;
        }
        summary.add(&call);
    }
    summary.elapsed = begun.elapsed();
    Ok(summary)
}

/// Prints the same calls as lines for a shell, and makes none.
///
/// # Errors
/// A line cannot be printed.
pub fn print_curl(options: &Options, out: &mut impl Write) -> Result<()> {
    for number in 0..options.count {
        writeln!(out, "{}", curl(&call_url(&options.endpoint, options.seed, number)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
