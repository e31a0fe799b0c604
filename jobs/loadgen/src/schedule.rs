//! When the delivery stream's buffers begin and how many calls each holds.

use chrono::{DateTime, TimeDelta, Utc};
use meterlake_core::period::{Hour, Period};
use rand::RngExt;

use crate::chance::{Topic, chance};
use crate::options::Options;

/// Calls in each hour of a day (UTC), in percent of the mean.
const DAY_SHAPE: [u64; 24] =
    [44, 36, 32, 30, 32, 40, 56, 80, 108, 132, 148, 156, 158, 160, 162, 160, 154, 146, 134, 120, 104, 86, 68, 54];

/// What becomes one object: the records that arrive in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Buffer {
    /// Which one it is, counted from 1970.
    pub(crate) number: i64,
    /// The hour in which it begins, and so the folder it goes to, also for records that arrive after that hour.
    pub(crate) hour: Hour,
    /// When it begins: the arrival of its oldest record.
    pub(crate) start: DateTime<Utc>,
    /// How long it is open, in milliseconds.
    pub(crate) length_ms: u64,
    /// Calls that arrive in it, copies aside.
    pub(crate) calls: u64,
    /// Whether its object is late.
    pub(crate) late: bool,
}

/// The buffers of all hours in order, `objects_per_hour` for each hour.
///
/// They follow each other without a gap. Each hour's last one is open across the hour's edge, and so the records of
/// the first moments of `options.from` belong to the hour before and are not made.
pub(crate) fn buffers(options: &Options) -> Vec<Buffer> {
    let count = i64::from(options.objects_per_hour);
    let phase_percent = chance(options.seed, Topic::Phase, 0, 0).random_range(20..=80);
    let start_ms = |number: i64| (number * 100 + phase_percent) * 3_600_000 / (count * 100);
    let buffer = |hour: Hour, number| {
        let start = hour.start() + TimeDelta::milliseconds(start_ms(number));
        let mut chance = chance(options.seed, Topic::Buffer, start.timestamp_millis(), 0);
        let percent = DAY_SHAPE[hour.number() as usize] * chance.random_range(80..=120);
        let (mean, whole) = (u64::from(options.calls_per_hour) * percent, u64::from(options.objects_per_hour) * 10_000);
        let rounded_up = chance.random_range(0..whole) < mean % whole;
        Buffer {
            number: hour.start().timestamp() / 3600 * count + number,
            hour,
            start,
            length_ms: (start_ms(number + 1) - start_ms(number)).unsigned_abs(),
            calls: mean / whole + u64::from(rounded_up),
            late: chance.random_bool(options.late_share),
        }
    };
    Hour::range(options.from, options.to).flat_map(|hour| (0..count).map(move |number| buffer(hour, number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_follow_each_other_and_the_last_of_an_hour_crosses_its_edge() {
        for objects_per_hour in [1, 7, 12, 3600] {
            let options = Options { objects_per_hour, ..Options::default() };
            let buffers = buffers(&options);
            let end = |buffer: &Buffer| buffer.start + TimeDelta::milliseconds(buffer.length_ms.cast_signed());
            assert!(buffers.windows(2).all(|pair| end(&pair[0]) == pair[1].start));
            for hour in Hour::range(options.from, options.to) {
                let of_hour: Vec<&Buffer> = buffers.iter().filter(|buffer| buffer.hour == hour).collect();
                assert_eq!(of_hour.len(), objects_per_hour as usize);
                assert!(of_hour.iter().all(|buffer| Hour::containing(buffer.start) == hour));
                assert!(end(of_hour[of_hour.len() - 1]) > hour.end());
            }
        }
    }

    #[test]
    fn a_day_has_the_mean_that_was_asked_for_with_more_by_day_than_by_night() {
        assert_eq!(DAY_SHAPE.iter().sum::<u64>(), 2400);
        let from: Hour = "2023-01-31T00".parse().unwrap();
        for calls_per_hour in [10, 1000] {
            let buffers = buffers(&Options { from, to: from.offset(23), calls_per_hour, ..Options::default() });
            let of_hour = |number| buffers.iter().filter(move |buffer| buffer.hour.number() == number);
            let calls = |number| of_hour(number).map(|buffer| buffer.calls).sum::<u64>();
            assert!(calls(14) > 2 * calls(3));
            let (all, wanted) = ((0..24).map(calls).sum::<u64>(), 24 * u64::from(calls_per_hour));
            assert!(all.abs_diff(wanted) < wanted / 5, "{all} of {wanted}");
        }
    }

    #[test]
    fn a_range_has_the_buffers_of_its_hours() {
        let all = Options { late_share: 0.5, ..Options::default() };
        let second = all.from.next();
        let part = buffers(&Options { from: second, to: second, ..all.clone() });
        let same: Vec<Buffer> = buffers(&all).into_iter().filter(|buffer| buffer.hour == second).collect();
        assert_eq!(part, same);
    }
}
