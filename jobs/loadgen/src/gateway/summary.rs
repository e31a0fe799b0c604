//! How a run of calls went.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::call::Call;

/// How a run of calls went.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    /// How many calls were to be made.
    pub planned: u64,
    /// How many calls got which HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many got no answer at all.
    pub unanswered: u64,
    /// How many got an answer that is no success.
    pub refused: u64,
    /// How long all of it took.
    pub elapsed: Duration,
    /// Of each answer, in no order.
    pub(super) latencies: Vec<Duration>,
}

impl Summary {
    pub(super) fn add(&mut self, call: &Call) {
        let Ok(answer) = &call.outcome else {
            self.unanswered += 1;
            return;
        };
        *self.statuses.entry(answer.status).or_default() += 1;
        self.refused += u64::from(!call.is_success());
        self.latencies.push(answer.latency);
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.unanswered + self.statuses.values().sum::<u64>()
    }

    /// What failed and what may help; `None` if every call that was made was a success.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let failed = self.unanswered + self.refused;
        let is_refused = |status| self.statuses.contains_key(status);
        let advice = match () {
            () if failed == 0 => return None,
            // API Gateway answers 403 where it knows no such path, too.
            () if is_refused(&401) || is_refused(&403) => ": get a new token with `loadgen login`, and check --url",
            () if is_refused(&429) => ": call less often, with --qps",
            () => "",
        };
        Some(format!("{failed} of {} calls failed{advice}", self.calls()))
    }

    /// The latency that so many per cent of the answers did not exceed.
    fn percentile(sorted: &[Duration], percent: usize) -> Duration {
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, seconds) = (self.calls(), self.elapsed.as_secs_f64());
        if calls < self.planned {
            write!(f, "interrupted after {calls} of {} calls", self.planned)?;
        } else {
            write!(f, "{calls} {}", if calls == 1 { "call" } else { "calls" })?;
        }
        // A run without calls may take no time that a clock could tell.
        let rate = if calls == 0 { 0.0 } else { calls as f64 / seconds };
        write!(f, " in {seconds:.1} s, {rate:.1} a second")?;
        for (status, count) in &self.statuses {
            write!(f, "\n  {status}: {count}")?;
        }
        if self.unanswered > 0 {
            write!(f, "\n  no answer: {}", self.unanswered)?;
        }
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        if let Some(max) = sorted.last() {
            let ms = |latency: Duration| latency.as_secs_f64() * 1000.0;
            let [p50, p95, p99] = [50, 95, 99].map(|percent| ms(Self::percentile(&sorted, percent)));
            write!(f, "\n  latency: p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, max {:.1} ms", ms(*max))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(latencies: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        latencies.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let of = |latencies: &[Duration]| [50, 95, 99, 100].map(|percent| Summary::percentile(latencies, percent));
        assert_eq!(of(&ms(1..=100)).to_vec(), ms([50, 95, 99, 100]));
        assert_eq!(of(&ms(1..=1000)).to_vec(), ms([500, 950, 990, 1000]));
        assert_eq!(of(&ms([1, 2, 3])).to_vec(), ms([2, 3, 3, 3]));
        assert_eq!(of(&ms([7])).to_vec(), ms([7, 7, 7, 7]));
        assert_eq!(of(&[]).to_vec(), ms([0, 0, 0, 0]));
    }

    #[test]
    fn it_says_what_was_counted_and_how_long_it_took() {
        let summary = Summary {
            planned: 8,
            statuses: [(200, 5), (429, 1)].into(),
            unanswered: 2,
            refused: 1,
            elapsed: Duration::from_secs(2),
            latencies: ms([60, 10, 20, 30, 40, 50]),
        };
        let said = "8 calls in 2.0 s, 4.0 a second\n  200: 5\n  429: 1\n  no answer: 2\n  \
                    latency: p50 30.0 ms, p95 60.0 ms, p99 60.0 ms, max 60.0 ms";
        assert_eq!(summary.to_string(), said);
        assert_eq!(summary.problem().unwrap(), "3 of 8 calls failed: call less often, with --qps");
        assert!(Summary { planned: 9, ..summary }.to_string().starts_with("interrupted after 8 of 9 calls in 2.0 s"));
    }

    #[test]
    fn nothing_done_is_no_problem() {
        let summary = Summary { planned: 5, ..Summary::default() };
        assert_eq!(summary.to_string(), "interrupted after 0 of 5 calls in 0.0 s, 0.0 a second");
        assert_eq!(summary.problem(), None);
    }
}
