//! Periods: the units of work. All are UTC, half-open, and ordered.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What every period can do. `Hour`, `Day` and `Month` implement it.
pub trait Period: Copy + Ord + fmt::Display + FromStr<Err = anyhow::Error> + Send + Sync {
    /// What a person calls it: `hour`, `day`, `month`.
    const UNIT: &'static str;
    /// A right one, for error messages.
    const EXAMPLE: &'static str;
    /// The partition keys of tables with a partition per period, outermost first; all of type `int`.
    const KEYS: &'static [&'static str];
    /// The period that holds an instant.
    fn containing(at: DateTime<Utc>) -> Self;
    /// The first instant.
    fn start(self) -> DateTime<Utc>;
    /// The period `n` later (earlier if negative).
    #[must_use]
    fn offset(self, n: i32) -> Self;

    /// The values of its keys: year, month and so on.
    fn numbers(self) -> Vec<u32> {
        let start = self.start();
        let numbers = [start.year().unsigned_abs(), start.month(), start.day(), start.hour()];
        numbers[..Self::KEYS.len()].to_vec()
    }

    /// The period with these values; `None` if there is none.
    fn of_numbers(numbers: &[u32]) -> Option<Self> {
        let [year, rest @ ..] = numbers else { return None };
        let part = |at: usize, missing: u32| rest.get(at).copied().unwrap_or(missing);
        let day = Day::of(i32::try_from(*year).ok()?, part(0, 1), part(1, 1))?;
        let hour = Hour::of(day, part(2, 0))?;
        (numbers.len() == Self::KEYS.len()).then(|| Self::containing(hour.start()))
    }

    /// The period after this one.
    #[must_use]
    fn next(self) -> Self {
        self.offset(1)
    }

    /// The period before this one.
    #[must_use]
    fn previous(self) -> Self {
        self.offset(-1)
    }

    /// The first instant after the period.
    fn end(self) -> DateTime<Utc> {
        self.next().start()
    }

    /// The last period that was over at `now`.
    fn last_complete(now: DateTime<Utc>) -> Self {
        Self::containing(now).previous()
    }

    /// Every period from `from` to `to`, both included; none if `to` is earlier.
    fn range(from: Self, to: Self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(from), |period| Some(period.next())).take_while(move |period| *period <= to)
    }
}

/// One hour, UTC. Printed `2023-01-31T06`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(DateTime<Utc>);

/// One calendar day, UTC. Printed `2023-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(NaiveDate);

/// One calendar month, UTC. Printed `2023-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(NaiveDate);

/// Years that fit a four-digit folder name and leave room for a neighbour on either side.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9998;

impl Hour {
    /// The hour numbered 0–23 of a day; `None` outside.
    #[must_use]
    pub fn of(day: Day, hour: u32) -> Option<Self> {
        day.0.and_hms_opt(hour, 0, 0).map(|at| Self(at.and_utc()))
    }

    /// The day the hour lies in.
    #[must_use]
    pub fn day(self) -> Day {
        Day(self.0.date_naive())
    }

    /// 0–23.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.hour()
    }
}

impl Day {
    /// A day of the calendar; `None` if there is no such day or its year is outside 1970–9998.
    #[must_use]
    pub fn of(year: i32, month: u32, day: u32) -> Option<Self> {
        NaiveDate::from_ymd_opt(year, month, day).filter(|date| YEARS.contains(&date.year())).map(Self)
    }

    /// Its 24 hours.
    pub fn hours(self) -> impl Iterator<Item = Hour> {
        Hour::range(Hour::containing(self.start()), Hour::containing(self.end()).previous())
    }

    /// The month the day lies in.
    #[must_use]
    pub fn month(self) -> Month {
        Month::containing(self.start())
    }

    /// The calendar date.
    #[must_use]
    pub fn date(self) -> NaiveDate {
        self.0
    }
}

impl Month {
    /// Its days.
    pub fn days(self) -> impl Iterator<Item = Day> {
        Day::range(Day(self.0), Day::containing(self.end()).previous())
    }

    /// The first day, as a calendar date.
    #[must_use]
    pub fn first_date(self) -> NaiveDate {
        self.0
    }
}

impl Period for Hour {
    const UNIT: &'static str = "hour";
    const KEYS: &'static [&'static str] = &["year", "month", "day", "hour"];
    const EXAMPLE: &'static str = "2023-01-31T06";

    fn containing(at: DateTime<Utc>) -> Self {
        let seconds = at.timestamp().div_euclid(3600) * 3600;
        Self(DateTime::from_timestamp(seconds, 0).unwrap_or(at))
    }

    fn start(self) -> DateTime<Utc> {
        self.0
    }

    fn offset(self, n: i32) -> Self {
        Self(self.0 + TimeDelta::hours(n.into()))
    }
}

impl Period for Day {
    const UNIT: &'static str = "day";
    const KEYS: &'static [&'static str] = &["year", "month", "day"];
    const EXAMPLE: &'static str = "2023-01-31";

    fn containing(at: DateTime<Utc>) -> Self {
        Self(at.date_naive())
    }

    fn start(self) -> DateTime<Utc> {
        self.0.and_time(chrono::NaiveTime::MIN).and_utc()
    }

    fn offset(self, n: i32) -> Self {
        let days = Days::new(n.unsigned_abs().into());
        Self(if n < 0 { self.0 - days } else { self.0 + days })
    }
}

impl Period for Month {
    const UNIT: &'static str = "month";
    const KEYS: &'static [&'static str] = &["year", "month"];
    const EXAMPLE: &'static str = "2023-01";

    fn containing(at: DateTime<Utc>) -> Self {
        let date = at.date_naive();
        Self(date.with_day(1).unwrap_or(date))
    }

    fn start(self) -> DateTime<Utc> {
        Day(self.0).start()
    }

    fn offset(self, n: i32) -> Self {
        let months = Months::new(n.unsigned_abs());
        Self(if n < 0 { self.0 - months } else { self.0 + months })
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}", self.day(), self.number())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl FromStr for Hour {
    type Err = anyhow::Error;

    /// Reads `2023-01-31T06`, `2023-01-31T06:00Z` and `2023-01-31T06:00:00Z`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || wrong::<Self>(text);
        let (day, hour) = text.split_once('T').ok_or_else(wrong)?;
        let hour = ["", ":00Z", ":00:00Z", "Z"]
            .iter()
            .find_map(|suffix| hour.strip_suffix(suffix).and_then(|hour| number(hour, 2)))
            .ok_or_else(wrong)?;
        let day = day.parse::<Day>().map_err(|_| wrong())?;
        Self::of(day, hour).ok_or_else(wrong)
    }
}

impl FromStr for Day {
    type Err = anyhow::Error;

    /// Reads `2023-01-31`.
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split('-');
        let mut part = |digits| parts.next().and_then(|part| number(part, digits)).ok_or_else(|| wrong::<Self>(text));
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        if parts.next().is_some() {
            bail!(wrong::<Self>(text));
        }
        i32::try_from(year).ok().and_then(|year| Self::of(year, month, day)).ok_or_else(|| wrong::<Self>(text))
    }
}

impl FromStr for Month {
    type Err = anyhow::Error;

    /// Reads `2023-01`.
    fn from_str(text: &str) -> Result<Self> {
        let first = format!("{text}-01").parse::<Day>().map_err(|_| wrong::<Self>(text))?;
        Ok(first.month())
    }
}

/// Exactly `digits` ASCII digits as a number.
fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn wrong<P: Period>(text: &str) -> anyhow::Error {
    let article = if P::UNIT.starts_with('h') { "an" } else { "a" };
    anyhow!("`{text}` is not {article} {}: write it in UTC like {}", P::UNIT, P::EXAMPLE)
}

macro_rules! serde_as_text {
    ($($period:ty),*) => {$(
        impl Serialize for $period {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $period {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Hour, Day, Month);

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(text: &str) -> Hour {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_reads_in_three_forms_and_prints_in_one() {
        for text in ["2023-01-31T06", "2023-01-31T06:00Z", "2023-01-31T06:00:00Z"] {
            assert_eq!(hour(text).to_string(), "2023-01-31T06");
        }
    }

    #[test]
    fn a_wrong_period_gets_an_error_that_shows_a_right_one() {
        for text in [
            "",
            "now",
            "2023-01-31",
            "2023-01-31T24",
            "2023-01-31T6",
            "2023-02-29T06",
            "2023-01-31T06:30Z",
            "2023-01-31T06:00:00+09:00",
            "2023-01-31 06",
            "+023-01-31T06",
            "0000-01-31T06",
        ] {
            let error = text.parse::<Hour>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("2023-01-31T06"), "{error}");
        }
        assert!("2023-1-31".parse::<Day>().is_err());
        assert!("2023-01-31-01".parse::<Day>().is_err());
        assert!("2023-13".parse::<Month>().unwrap_err().to_string().contains("2023-01"));
    }

    #[test]
    fn neighbours_cross_days_months_years_and_leap_days() {
        assert_eq!(hour("2023-12-31T23").next(), hour("2024-01-01T00"));
        assert_eq!(hour("2024-03-01T00").previous(), hour("2024-02-29T23"));
        assert_eq!("2024-01".parse::<Month>().unwrap().previous().to_string(), "2023-12");
        assert_eq!("2024-02".parse::<Month>().unwrap().days().count(), 29);
        assert_eq!("2023-01-31".parse::<Day>().unwrap().hours().count(), 24);
    }

    #[test]
    fn a_range_has_both_ends_and_may_be_empty() {
        let (from, to) = (hour("2023-01-31T22"), hour("2023-02-01T01"));
        assert_eq!(Hour::range(from, to).count(), 4);
        assert_eq!(Hour::range(to, from).count(), 0);
    }

    #[test]
    fn the_last_complete_period_is_the_one_before_the_running_one() {
        let now = hour("2023-02-01T00").start() + TimeDelta::minutes(10);
        assert_eq!(Hour::last_complete(now), hour("2023-01-31T23"));
        assert_eq!(Day::last_complete(now).to_string(), "2023-01-31");
        assert_eq!(Month::last_complete(now).to_string(), "2023-01");
        assert_eq!(Hour::last_complete(hour("2023-02-01T00").start()), hour("2023-01-31T23"));
    }
}
