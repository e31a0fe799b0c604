//! A cron expression of five fields, as in a crontab.
//!
//! The crate `cron` tells the times. It writes expressions in another way, which is translated here: it has a field for
//! the seconds in front, counts weekdays from 1 for Sunday where a crontab counts from 0, and wants both the day of the
//! month and the weekday to match where a crontab takes either. EventBridge counts weekdays as the crate does.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail, ensure};
use chrono::{DateTime, NaiveDateTime};
use cron::{Schedule, TimeUnitSpec};

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const ALL: &str = "*";

/// A cron expression.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    schedule: Schedule,
}

impl Expression {
    /// The times on the clock at which it fires, from `from` on.
    pub(crate) fn wall_times(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + use<> {
        // Clocks in UTC never change: there the crate goes through the times as they are written.
        self.schedule.after_owned(from.and_utc() - chrono::TimeDelta::seconds(1)).map(|time| time.naive_utc())
    }

    /// Whether it fires in each hour of a day on which it fires.
    #[must_use]
    pub fn is_hourly(&self) -> bool {
        self.schedule.hours().count() == 24
    }

    /// The form that EventBridge has: `cron(minute hour day-of-month month day-of-week year)`, where `?` stands in the
    /// one of the two kinds of days that does not count.
    #[must_use]
    pub fn event_bridge(&self) -> String {
        let schedule = &self.schedule;
        let (minutes, hours) = (numbers(schedule.minutes(), 60), numbers(schedule.hours(), 24));
        let (mut days, months) = (numbers(schedule.days_of_month(), 31), numbers(schedule.months(), 12));
        let weekdays = if schedule.days_of_week().count() == 7 {
            "?".to_owned()
        } else {
            days = "?".to_owned();
            let names = schedule.days_of_week().iter().map(|ordinal| WEEKDAYS[ordinal as usize - 1]);
            names.collect::<Vec<_>>().join(",")
        };
        format!("cron({minutes} {hours} {days} {months} {weekdays} *)")
    }
}

/// A field as a list of numbers, which each cron understands.
fn numbers(field: &impl TimeUnitSpec, all: u32) -> String {
    if field.count() == all {
        return ALL.to_owned();
    }
    field.iter().map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Expression {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            bail!(
                "`{text}` has {} fields, not 5: write minute, hour, day of month, month, day of week, such as \
                 `10 * * * *`",
                fields.len()
            );
        };
        for (field, name) in fields.iter().zip(["minute", "hour", "day of month", "month", "day of week"]) {
            check(field).map_err(|problem| anyhow!("`{text}`: the {name} `{field}` {problem}"))?;
        }
        ensure!(
            day == ALL || weekday == ALL,
            "`{text}` names days of the month and of the week: cron takes those that are either, others those that are \
             both. Write two entries"
        );
        let weekdays = weekdays(weekday).map_err(|problem| anyhow!("`{text}`: the day of week {problem}"))?;
        let translated = format!("0 {minute} {hour} {day} {month} {weekdays}");
        let schedule: Schedule = translated.parse().map_err(|error: cron::error::Error| {
            // The lines before show where it is in what was translated.
            let report = error.to_string();
            let problem = report.lines().last().unwrap_or_default();
            anyhow!("`{text}` is no cron expression: {problem}")
        })?;
        let expression = Self { text: fields.join(" "), schedule };
        ensure!(
            expression.wall_times(DateTime::UNIX_EPOCH.naive_utc()).next().is_some(),
            "`{text}` never fires: there is no such date"
        );
        Ok(expression)
    }
}

/// Refuses what the crate `cron` would take and a crontab would not.
fn check(field: &str) -> Result<(), &'static str> {
    if !field.chars().all(|c| c.is_ascii_alphanumeric() || "*,-/".contains(c)) {
        return Err("has a character that is none of a crontab's: use numbers, names, `*`, `,`, `-` and `/`");
    }
    for item in field.split(',') {
        if let Some((range, _)) = item.split_once('/')
            && range != ALL
            && !range.contains('-')
        {
            return Err("has a step after a single value: write `*/15` or a range such as `5-59/15`");
        }
    }
    Ok(())
}

/// The days of the week by name: a crontab's numbers (0 and 7 are Sunday) are others than those of the crate.
fn weekdays(field: &str) -> Result<String> {
    if field == ALL {
        return Ok(ALL.to_owned());
    }
    let mut days = BTreeSet::new();
    for item in field.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step: usize = step.parse().ok().filter(|step| *step > 0).ok_or_else(|| anyhow!("`{item}` has no step"))?;
        let (first, last) = match range.split_once('-') {
            _ if range == ALL => (0, 6),
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None => (weekday(range)?, weekday(range)?),
        };
        // `5-7` and `fri-sun` end on a Sunday.
        let last = if first > last && last == 0 { 7 } else { last };
        ensure!(first <= last, "`{item}` ends before it begins");
        days.extend((first..=last).step_by(step).map(|day| day % 7));
    }
    Ok(days.into_iter().map(|day| WEEKDAYS[day]).collect::<Vec<_>>().join(","))
}

fn weekday(text: &str) -> Result<usize> {
    let named = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(text));
    let found = named.or_else(|| text.parse().ok().filter(|number| *number <= 7));
    found.ok_or_else(|| anyhow!("`{text}` is neither 0 to 7 nor a name such as `mon`"))
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate, Timelike};

    use super::*;

    fn expression(text: &str) -> Expression {
        text.parse().unwrap()
    }

    fn error(text: &str) -> String {
        text.parse::<Expression>().unwrap_err().to_string()
    }

    /// The weekdays on which it fires, counted as a crontab does.
    fn days_fired(text: &str) -> Vec<u32> {
        let from = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let fired = expression(text).wall_times(from).take(7).map(|time| time.weekday().num_days_from_sunday());
        fired.collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn weekdays_are_counted_as_in_a_crontab() {
        for (field, days) in [
            ("0", &[0][..]),
            ("7", &[0]),
            ("1", &[1]),
            ("6", &[6]),
            ("1-5", &[1, 2, 3, 4, 5]),
            ("mon-FRI", &[1, 2, 3, 4, 5]),
            ("5-7", &[0, 5, 6]),
            ("sat-sun", &[0, 6]),
            ("0-6", &[0, 1, 2, 3, 4, 5, 6]),
            ("*/2", &[0, 2, 4, 6]),
            ("1-5/2", &[1, 3, 5]),
            ("sun,3", &[0, 3]),
        ] {
            assert_eq!(days_fired(&format!("0 12 * * {field}")), days, "{field}");
        }
    }

    #[test]
    fn the_other_fields_are_a_crontabs() {
        let from = NaiveDate::from_ymd_opt(2024, 2, 28).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let times = |text: &str| {
            expression(text)
                .wall_times(from)
                .take(4)
                .map(|at| (at.month(), at.day(), at.hour(), at.minute()))
                .collect::<Vec<_>>()
        };
        assert_eq!(times("*/20 0 * * *"), [(2, 28, 0, 0), (2, 28, 0, 20), (2, 28, 0, 40), (2, 29, 0, 0)]);
        assert_eq!(times("5-59/30 6,18 * * *"), [(2, 28, 6, 5), (2, 28, 6, 35), (2, 28, 18, 5), (2, 28, 18, 35)]);
        assert_eq!(times("0 0 1 jan-mar *"), [(3, 1, 0, 0), (1, 1, 0, 0), (2, 1, 0, 0), (3, 1, 0, 0)]);
    }

    #[test]
    fn the_leap_day_comes_every_four_years() {
        let from = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let years: Vec<i32> = expression("0 0 29 2 *").wall_times(from).take(3).map(|at| at.year()).collect();
        assert_eq!(years, [2024, 2028, 2032]);
    }

    #[test]
    fn event_bridge_has_six_fields_and_a_question_mark() {
        for (crontab, event_bridge) in [
            ("10 * * * *", "cron(10 * * * ? *)"),
            ("30 12 1 * *", "cron(30 12 1 * ? *)"),
            ("0 6 * * 1-5", "cron(0 6 ? * MON,TUE,WED,THU,FRI *)"),
            ("0 6 * * 0", "cron(0 6 ? * SUN *)"),
            ("*/30 0 * mar,9 *", "cron(0,30 0 * 3,9 ? *)"),
        ] {
            assert_eq!(expression(crontab).event_bridge(), event_bridge);
        }
    }

    #[test]
    fn what_is_no_crontab_expression_is_refused_with_the_reason() {
        for (text, words) in [
            ("", "0 fields"),
            ("@daily", "1 fields"),
            ("0 10 * * * *", "6 fields"),
            ("60 * * * *", "60"),
            ("* 24 * * *", "24"),
            ("* * 0 * *", "0"),
            ("* * * 13 *", "13"),
            ("* * * * 8", "`8`"),
            ("* * * * foo", "`foo`"),
            ("* * * * 3-1", "ends before"),
            ("* * * * 1/0", "step"),
            ("5/15 * * * *", "single value"),
            ("? * * * *", "character"),
            ("* * L * *", "cron expression"),
            ("*/0 * * * *", "`*/0 * * * *`"),
            ("0 0 1 * 1", "two entries"),
            ("0 0 30 2 *", "never fires"),
            ("0 0 31 4,6,9,11 *", "never fires"),
        ] {
            let error = error(text);
            assert!(error.contains(words) && error.lines().count() == 1, "{text}: {error}");
        }
    }
}
