//! The line that says what is going on.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use meterlake_core::config::Config;

use crate::list::{Firing, Schedules};
use crate::standing::{Due, Standing};

/// What runs, what waits and why, and what comes next.
pub(super) fn text(
    config: &Config,
    schedules: &Schedules,
    standings: &[Standing],
    running: &[(Firing<'_>, Duration)],
    now: DateTime<Utc>,
) -> String {
    let mut parts = Vec::new();
    for (firing, since) in running {
        let period = firing.entry.job.work(config, firing.at).map(|work| work.period).unwrap_or_default();
        parts.push(format!("{} {period} runs ({} s)", firing.entry.name, since.as_secs()));
    }
    let mut next: Option<(DateTime<Utc>, &str)> = None;
    for (entry, standing) in schedules.entries.iter().zip(standings) {
        let name = entry.name.as_str();
        match standing {
            Standing::Until(Some(at)) if next.is_none_or(|(earliest, _)| *at < earliest) => next = Some((*at, name)),
            Standing::Until(_) | Standing::Due(_) => {}
            Standing::Failed(Due { progress, .. }, until) => {
                parts.push(format!("{name} failed {} times, again in {}", progress.failures, length(*until - now)))
            }
            Standing::Needs(_, needed) => {
                parts.push(format!("{name} waits for {}", schedules.entries[*needed].name));
            }
            Standing::Held(..) => parts.push(format!("{name} is run by another scheduler")),
        }
    }
    if let Some((at, name)) = next {
        parts.push(format!("next: {name} in {}", length(at - now)));
    }
    parts.join(" · ")
}

/// `2 h 5 min`, `5 min` or `5 s`.
fn length(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Progress;

    #[test]
    fn the_line_says_what_runs_what_waits_and_what_is_next() {
        let schedules = Schedules::built_in().unwrap();
        let now: DateTime<Utc> = "2023-02-01T13:00:00Z".parse().unwrap();
        let (merge, at) = (&schedules.entries[0], now - TimeDelta::minutes(50));
        let running = [(Firing { at, place: 0, entry: merge }, Duration::from_secs(4))];
        let due = |failures| Due { at, progress: Progress { failures, ..Progress::begin(at) } };
        let standings = [
            Standing::Due(due(0)),
            Standing::Until(Some(now + TimeDelta::minutes(65))),
            Standing::Needs(due(0), 0),
            Standing::Failed(due(2), now + TimeDelta::seconds(40)),
            Standing::Until(Some(now + TimeDelta::days(2))),
            Standing::Held(due(0), now),
        ];
        assert_eq!(
            text(&Config::default(), &schedules, &standings, &running, now),
            "merge 2023-02-01T11 runs (4 s) · aggregate waits for merge · invoice-draft failed 2 times, again in 40 s · \
             vacuum is run by another scheduler · next: repair in 1 h 5 min"
        );
    }
}
