//! Working on a range of periods: with a progress bar, and within the time that there is.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::{Context, Job, NotYet, Output, Progress, WaitUntil, one_line};
use crate::period::Period;

/// Works on each period in turn and reports it. One that fails stops no other. Where the next one is likely to take longer than
/// there is time, it stops before it, and the output says which arguments go on.
///
/// # Errors
/// The first of `work`; the log names the others.
pub async fn each<J: Job, P: Period, F: Future<Output = Result<J::Report>> + Send>(
    periods: Vec<P>,
    context: &Context,
    output: &mut Output<J::Report>,
    work: impl Fn(P) -> F + Send,
) -> Result<()> {
    each_until::<J, P, F>(periods, None, context, output, work).await
}

/// The same; until `wait` says so, a period for which something is [`NotYet`] there is reported as waiting, and has not failed.
///
/// # Errors
/// As for [`each`].
pub async fn each_until<J: Job, P: Period, F: Future<Output = Result<J::Report>> + Send>(
    periods: Vec<P>,
    wait: Option<WaitUntil>,
    context: &Context,
    output: &mut Output<J::Report>,
    work: impl Fn(P) -> F + Send,
) -> Result<()> {
    let Some(last) = periods.last().copied() else { return Ok(()) };
    let progress = Progress::new(periods.len());
    let mut pace = Pace::new(context);
    let mut first_failure = None;
    for period in periods {
        if !pace.has_time() {
            tracing::warn!(from = %period, to = %last, "there is no time for more: go on from here");
            let go_on = json!({ "from": period.to_string(), "to": last.to_string() });
            output.stop(json!({ "job": J::NAME, "status": "stopped", "go_on": go_on }))?;
            break;
        }
        progress.working_on(&period);
        match work(period).await {
            Ok(report) => output.report(&report)?,
            Err(error) if error.is::<NotYet>() && wait.is_some_and(|wait| wait.allows(context.now, period.end())) => {
                output.wait::<J>(&period, &one_line(&error))?;
            }
            Err(error) if first_failure.is_none() => first_failure = Some(error),
            Err(error) => tracing::error!("{error:#}"),
        }
        progress.step();
    }
    first_failure.map_or(Ok(()), Err)
}

/// Tells whether there is time for one more piece of work, by how long those before it took.
#[derive(Debug)]
pub struct Pace {
    deadline: Option<Instant>,
    begun: Option<Instant>,
    longest: Duration,
}

impl Pace {
    /// Nothing is done yet.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self { deadline: context.deadline, begun: None, longest: Duration::ZERO }
    }

    /// The same, with half of the time that is left.
    #[must_use]
    pub fn of_half(context: &Context) -> Self {
        let now = Instant::now();
        let half = context.deadline.map(|deadline| now + deadline.saturating_duration_since(now) / 2);
        Self { deadline: half, ..Self::new(context) }
    }

    /// Whether there is time for a piece of work, which then begins. The first is begun in any case: whoever has less
    /// time than one piece takes would never get on.
    pub fn has_time(&mut self) -> bool {
        let now = Instant::now();
        if let Some(begun) = self.begun {
            self.longest = self.longest.max(now - begun);
        }
        // Half as much again: no two pieces are alike.
        let needed = self.longest.saturating_mul(3) / 2;
        let has_time = self.begun.is_none() || self.deadline.is_none_or(|deadline| now + needed < deadline);
        self.begun = Some(now);
        has_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;

    fn context(time_left: Option<Duration>) -> Context {
        Context { now: Utc::now(), dry_run: false, deadline: time_left.map(|left| Instant::now() + left) }
    }

    fn pace(time_left: Option<Duration>) -> Pace {
        Pace::new(&context(time_left))
    }

    #[test]
    fn the_first_piece_of_work_is_always_begun() {
        let mut pace = pace(Some(Duration::ZERO));
        assert!(pace.has_time());
        assert!(!pace.has_time());
    }

    #[test]
    fn another_is_begun_if_it_will_be_over_in_time() {
        let mut pace = pace(Some(Duration::from_secs(60)));
        assert!(pace.has_time() && pace.has_time());
        pace.longest = Duration::from_secs(39);
        assert!(pace.has_time());
        pace.longest = Duration::from_secs(41);
        assert!(!pace.has_time());
    }

    #[test]
    fn half_of_the_time_is_over_at_half_time() {
        let left = Pace::of_half(&context(Some(Duration::from_secs(60)))).deadline.unwrap() - Instant::now();
        assert!(left <= Duration::from_secs(30) && left > Duration::from_secs(25), "{left:?}");
        assert!(Pace::of_half(&context(None)).deadline.is_none());
    }

    #[test]
    fn without_a_deadline_there_is_always_time() {
        let mut pace = pace(None);
        pace.longest = Duration::from_secs(1 << 40);
        assert!(pace.has_time() && pace.has_time());
    }
}
