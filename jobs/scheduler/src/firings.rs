//! When an expression fires in a time zone, also when clocks change.
//!
//! - An expression with certain hours fires once a day for each: where the clock skips the time, as soon as it goes on;
//!   where the clock shows the time twice, the first time.
//! - One that fires every hour fires every hour that passes: not for an hour that the clock skips, and twice for one
//!   that it repeats.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::expression::Expression;

/// No clock ever skipped more than a day, and a local date is at most a day from the one in UTC.
const MARGIN: TimeDelta = TimeDelta::days(3);

/// The instants after `after` at which it fires, in order.
pub fn firings(expression: &Expression, zone: Tz, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + use<> {
    let is_hourly = expression.is_hourly();
    let midnight = (after - MARGIN).date_naive().and_time(chrono::NaiveTime::MIN);
    let mut wall_times = expression.wall_times(midnight).peekable();
    let mut last = after;
    // Times of different days never overtake each other; those of one day may.
    let days = std::iter::from_fn(move || {
        let day = wall_times.peek()?.date();
        let mut instants = Vec::new();
        while let Some(time) = wall_times.next_if(|time| time.date() == day) {
            instants.extend(instants_of(time, zone, is_hourly));
        }
        instants.sort_unstable();
        // Several times that one gap swallowed are one firing.
        instants.retain(|instant| {
            let is_new = *instant > last;
            last = last.max(*instant);
            is_new
        });
        Some(instants)
    });
    days.flatten()
}

fn instants_of(time: NaiveDateTime, zone: Tz, is_hourly: bool) -> Vec<DateTime<Utc>> {
    let found = match zone.from_local_datetime(&time) {
        LocalResult::Single(at) => vec![at],
        LocalResult::Ambiguous(first, second) if is_hourly => vec![first, second],
        LocalResult::Ambiguous(first, _) => vec![first],
        LocalResult::None if is_hourly => vec![],
        LocalResult::None => first_after_gap(time, zone).into_iter().collect(),
    };
    found.into_iter().map(|at| at.to_utc()).collect()
}

fn first_after_gap(time: NaiveDateTime, zone: Tz) -> Option<DateTime<Tz>> {
    (1..=MARGIN.num_minutes())
        .find_map(|minute| zone.from_local_datetime(&(time + TimeDelta::minutes(minute))).earliest())
}

/// The first firing between two times on the clock that EventBridge would leave out: it fires at no time that the clock
/// skips, and once at a time that the clock shows twice.
pub(crate) fn first_left_out(
    expression: &Expression,
    zone: Tz,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> Option<NaiveDateTime> {
    let is_hourly = expression.is_hourly();
    let mut times = expression.wall_times(from).take_while(|time| *time < to);
    times.find(|time| match zone.from_local_datetime(time) {
        LocalResult::Single(_) => false,
        LocalResult::Ambiguous(..) => is_hourly,
        LocalResult::None => !is_hourly,
    })
}

#[cfg(test)]
mod tests;
