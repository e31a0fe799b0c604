//! What merge made of the lines of a month's hours: how many became calls, and what was left out.

use anyhow::Result;
use chrono::{DateTime, Utc};
use meterlake_core::lake::Lake;
use meterlake_core::notes::HourNotes;
use meterlake_core::period::{Hour, Month, Period};
use meterlake_core::publications::{self, Head};

use crate::close::start_in;

/// Numbers of an hour, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Lines of the raw log that are not blank.
    pub(crate) lines: u64,
    pub(crate) calls: u64,
    /// Lines, and pieces of lines, that are no records.
    pub(crate) malformed: u64,
    pub(crate) copies: u64,
    /// Times, statuses and lengths.
    pub(crate) unreadable_values: u64,
    /// Raw objects that were left out.
    pub(crate) unreadable_objects: u64,
}

impl Tally {
    /// What merge noted with an hour.
    fn of(notes: &HourNotes) -> Self {
        Self {
            lines: notes.lines,
            calls: notes.rows,
            malformed: notes.malformed,
            copies: notes.duplicates,
            unreadable_values: notes.unreadable_values,
            unreadable_objects: notes.unreadable_objects,
        }
    }

    /// What the lines were split into. Shares are told of these: an object without line ends is a single line.
    pub(crate) fn records(&self) -> u64 {
        self.calls + self.copies + self.malformed
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            calls: self.calls + other.calls,
            malformed: self.malformed + other.malformed,
            copies: self.copies + other.copies,
            unreadable_values: self.unreadable_values + other.unreadable_values,
            unreadable_objects: self.unreadable_objects + other.unreadable_objects,
        }
    }
}

/// An hour and what became of its lines.
#[derive(Debug, Clone)]
pub(crate) struct HourTally {
    pub(crate) hour: Hour,
    pub(crate) tally: Tally,
    pub(crate) head: Head<Hour>,
}

/// The hours of a month that are published.
#[derive(Debug, Clone, Default)]
pub(crate) struct MonthTally {
    pub(crate) all: Tally,
    pub(crate) hours: Vec<HourTally>,
}

impl MonthTally {
    /// Looks up what is noted with each hour of a month in the billing time zone.
    ///
    /// # Errors
    /// The table does not exist, or the store or the catalog failed.
    pub(crate) async fn look(lake: &Lake, month: Month) -> Result<Self> {
        let zone = lake.config.billing.zone()?;
        let hours = hours_between(start_in(zone, month), start_in(zone, month.next()));
        let heads = publications::heads(lake, &lake.layout.merged, &hours).await?;
        let hours = hours.into_iter().zip(heads).filter_map(|(hour, head)| {
            let tally = Tally::of(&head.publication()?.notes);
            Some(HourTally { hour, tally, head })
        });
        Ok(Self::of(hours.collect()))
    }

    /// Adds up hours.
    pub(crate) fn of(hours: Vec<HourTally>) -> Self {
        Self { all: hours.iter().fold(Tally::default(), |all, hour| all.plus(&hour.tally)), hours }
    }
}

/// The hours from the one that contains `start` to the one before that which contains `end`. Where a month begins in the
/// middle of an hour, that hour is its own and not that of the month before: each hour is of one month.
fn hours_between(start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Hour> {
    Hour::range(Hour::containing(start), Hour::containing(end).previous()).collect()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    #[test]
    fn each_hour_is_of_one_month() {
        for zone in [Tz::UTC, Tz::Asia__Kolkata, Tz::America__New_York] {
            let of = |month: &str| {
                let month: Month = month.parse().unwrap();
                hours_between(start_in(zone, month), start_in(zone, month.next()))
            };
            let (january, february) = (of("2023-01"), of("2023-02"));
            assert_eq!(january.len(), 31 * 24, "{zone}");
            assert_eq!(january.last().unwrap().next(), february[0], "{zone}");
        }
        let first = |zone: Tz| hours_between(start_in(zone, "2023-02".parse().unwrap()), Utc::now())[0].to_string();
        assert_eq!(first(Tz::UTC), "2023-02-01T00");
        assert_eq!(first(Tz::Asia__Kolkata), "2023-01-31T18");
    }
}
