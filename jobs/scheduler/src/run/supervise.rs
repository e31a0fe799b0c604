//! One run of one job: its lease is renewed while it lasts, and its end is noted.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use super::program::{Program, Programs};
use crate::book::{Book, Progress};
use crate::list::Firing;

/// How long a job that was told to end may take to do so.
const GRACE: Duration = Duration::from_secs(30);

/// What the scheduler wants of its running jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// To run.
    Run,
    /// To end, or to finish soon.
    End,
    /// To be gone.
    Die,
}

/// How a run ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Well.
    Done,
    /// It was told to end.
    Stopped,
    /// Another scheduler took it over.
    Lost,
    /// Badly: why, how often by now, and when it is tried again.
    Failed(anyhow::Error, u32, DateTime<Utc>),
}

/// How long a firing that failed waits: longer each time, up to a limit.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(10), most: Duration::from_secs(15 * 60) }
    }
}

impl Backoff {
    /// The wait after the n-th failure.
    fn wait(self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.most)
    }
}

/// A firing whose job's lease is held.
pub(super) struct Supervised<'a> {
    pub(super) book: &'a Book,
    pub(super) programs: &'a Programs,
    pub(super) backoff: Backoff,
    pub(super) firing: Firing<'a>,
    pub(super) progress: Progress,
    pub(super) wish: watch::Receiver<Wish>,
}

impl Supervised<'_> {
    /// Runs the job to its end and notes how it ended.
    ///
    /// # Errors
    /// The end cannot be noted. The lease then runs out, and the firing is run again.
    pub(super) async fn run(mut self) -> Result<Outcome> {
        let outcome = match self.programs.start(&self.firing) {
            Ok(program) => self.see_through(program).await,
            Err(error) => self.failed(error),
        };
        let noted = match &outcome {
            Outcome::Done => Some(self.progress.done(self.firing.at)),
            Outcome::Failed(_, failures, retry_at) => {
                Some(Progress { failures: *failures, retry_at: Some(*retry_at), ..self.progress })
            }
            Outcome::Stopped | Outcome::Lost => None,
        };
        let entry = self.firing.entry;
        let is_mine = self.book.finish(entry.job.name, noted.map(|noted| (entry.name.as_str(), noted))).await?;
        Ok(if is_mine { outcome } else { Outcome::Lost })
    }

    async fn see_through(&mut self, mut program: Program) -> Outcome {
        let job = self.firing.entry.job.name;
        let lease = self.book.lease.to_std().unwrap_or_default();
        let mut renewal = interval_at((Instant::now() + lease / 3).into(), lease / 3);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leased_until = self.book.now() + self.book.lease;
        let mut is_lost = false;
        let mut kill_at: Option<Instant> = None;
        let status = loop {
            let patience = kill_at.map_or(GRACE, |at| at.saturating_duration_since(Instant::now()));
            tokio::select! {
                status = program.wait() => break status,
                _ = renewal.tick(), if !is_lost => {
                    match self.book.renew(job).await {
                        Ok(true) => leased_until = self.book.now() + self.book.lease,
                        Ok(false) => is_lost = true,
                        Err(error) => {
                            tracing::warn!(job, "cannot renew the lease: {}", meterlake_core::run::one_line(&error));
                            is_lost = leased_until - self.book.now() < TimeDelta::zero();
                        }
                    }
                    if is_lost {
                        program.end(Signal::TERM);
                        kill_at = Some(Instant::now() + GRACE);
                    }
                }
                Ok(()) = self.wish.changed() => match *self.wish.borrow_and_update() {
                    Wish::Run => {}
                    Wish::End => {
                        program.end(Signal::TERM);
                        kill_at = Some(Instant::now() + GRACE);
                    }
                    Wish::Die => program.end(Signal::KILL),
                },
                () = sleep(patience), if kill_at.is_some() => {
                    program.end(Signal::KILL);
                    kill_at = None;
                }
            }
        };
        match status {
            Ok(status) if status.success() => Outcome::Done,
            _ if is_lost => Outcome::Lost,
            _ if *self.wish.borrow() > Wish::Run => Outcome::Stopped,
            Ok(status) => self.failed(anyhow!("it ended with {status}")),
            Err(error) => self.failed(error),
        }
    }

    fn failed(&self, error: anyhow::Error) -> Outcome {
        let failures = self.progress.failures.saturating_add(1);
        Outcome::Failed(error, failures, self.book.now() + self.backoff.wait(failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firing_that_fails_waits_longer_each_time_up_to_a_limit() {
        let backoff = Backoff { first: Duration::from_secs(10), most: Duration::from_secs(60) };
        let waits = [1, 2, 3, 4, 5, 1000].map(|failures| backoff.wait(failures).as_secs());
        assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
    }
}
