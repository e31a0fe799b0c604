//! What a day of usage is made from: the published generations of its merged hours. `aggregate` builds from them, and
//! whoever uses the day can tell whether they have changed since.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::beginning::Beginning;
use crate::chain;
use crate::generation::Fingerprint;
use crate::lake::Lake;
use crate::notes::HourNotes;
use crate::period::{Day, Hour, Period};
use crate::publications::{self, Head};
use crate::publish::Publication;
use crate::run::NotYet;
use crate::sql::SqlFile;

/// The hours of a day, each with the last entry of its log.
#[derive(Debug, Clone)]
pub struct DayInputs {
    day: Day,
    /// Where the lake begins.
    beginning: Beginning,
    /// The hour before the day.
    before: Head<Hour>,
    hours: Vec<(Hour, Head<Hour>)>,
    /// The first hour after the day.
    after: (Hour, Head<Hour>),
}

impl DayInputs {
    /// Looks up what is published of each hour of a day, and of its neighbours.
    ///
    /// # Errors
    /// The store or the catalog failed.
    pub async fn look(lake: &Lake, day: Day) -> Result<Self> {
        Self::look_at_all(lake, &[day]).await?.pop().context("one day was looked at")
    }

    /// The same for several days, with one look at the logs.
    ///
    /// # Errors
    /// The store or the catalog failed.
    pub async fn look_at_all(lake: &Lake, days: &[Day]) -> Result<Vec<Self>> {
        let around = |day: &Day| -> Vec<Hour> {
            let first = Hour::containing(day.start());
            Hour::range(first.previous(), first.offset(24)).collect()
        };
        let hours: BTreeSet<Hour> = days.iter().flat_map(around).collect();
        let hours: Vec<Hour> = hours.into_iter().collect();
        let beginning = Beginning::look(lake).await?;
        let heads = publications::heads(lake, &lake.layout.merged, &hours).await?;
        let heads: BTreeMap<Hour, Head<Hour>> = hours.into_iter().zip(heads).collect();
        let head = |hour: Hour| heads.get(&hour).cloned().unwrap_or_default();
        let of_day = |day: &Day| {
            let first = Hour::containing(day.start());
            Self {
                day: *day,
                beginning,
                before: head(first.previous()),
                hours: day.hours().map(|hour| (hour, head(hour))).collect(),
                after: (first.offset(24), head(first.offset(24))),
            }
        };
        Ok(days.iter().map(of_day).collect())
    }

    /// A hash over everything that the day's partition depends on; `sql` is `usage_daily.sql`.
    #[must_use]
    pub fn fingerprint(&self, lake: &Lake, sql: &SqlFile) -> String {
        let hash = Fingerprint::default()
            .text("sql", &sql.label())
            .text("checksum", &sql.checksum())
            .text("time_zone", &lake.config.billing.time_zone);
        let hash = self.hours.iter().fold(hash, |hash, (hour, head)| {
            let generation = head.publication().map(|published| published.generation.to_string());
            hash.text(&hour.to_string(), &generation.unwrap_or_default())
        });
        hash.finish()
    }

    /// The hours that were never merged. Those before the beginning of the lake are empty, and not among them.
    #[must_use]
    pub fn missing(&self) -> Vec<Hour> {
        let hours = self.hours.iter().filter(|(hour, _)| self.beginning.includes(*hour));
        hours.filter(|(_, head)| head.partition.is_none()).map(|(hour, _)| *hour).collect()
    }

    /// Whether the day is over before the lake begins.
    #[must_use]
    pub fn is_before_the_lake(&self) -> bool {
        self.beginning.is_after(self.day)
    }

    /// Refuses a day that is over before the lake begins.
    ///
    /// # Errors
    /// It is; the error says how to move the beginning.
    pub fn require_in_the_lake(&self) -> Result<()> {
        self.beginning.require(self.day)
    }

    /// Refuses a day with hours that were never merged.
    ///
    /// # Errors
    /// There are some: [`NotYet`], which names them and the command that mends it.
    pub fn require_all(&self, day: Day) -> Result<()> {
        let missing = self.missing();
        let (Some(from), Some(to)) = (missing.first(), missing.last()) else { return Ok(()) };
        let names: Vec<String> = missing.iter().map(Hour::to_string).collect();
        bail!(NotYet(format!(
            "{} hours of {day} were never merged ({}): run `merge --from {from} --to {to}`, or go on without them with \
             --allow-missing",
            missing.len(),
            names.join(", ")
        )))
    }

    /// The hours, of the day and the first after it, that were made from another generation than the hour before publishes now: in
    /// two neighbours of which one is such, a call may be counted twice.
    #[must_use]
    pub fn unlinked(&self) -> Vec<Hour> {
        let before = std::iter::once(&self.before).chain(self.hours.iter().map(|(_, head)| head));
        let hours = self.hours.iter().chain([&self.after]);
        hours
            .zip(before)
            .filter(|((_, head), before)| !chain::is_linked(before, head))
            .map(|((hour, _), _)| *hour)
            .collect()
    }

    /// Refuses a day with such hours.
    ///
    /// # Errors
    /// There are some: [`NotYet`], which names them and the command that mends it.
    pub fn require_linked(&self, day: Day) -> Result<()> {
        let unlinked = self.unlinked();
        let (Some(from), Some(to)) = (unlinked.first(), unlinked.last()) else { return Ok(()) };
        let names: Vec<String> = unlinked.iter().map(Hour::to_string).collect();
        bail!(NotYet(format!(
            "the hour before changed after these hours of {day} were merged: {}: run `merge --from {from} --to {to}`",
            names.join(", ")
        )))
    }

    /// The hours and what is published of them.
    pub fn hours(&self) -> impl Iterator<Item = &(Hour, Head<Hour>)> {
        self.hours.iter()
    }

    /// The sum of a number that merge noted with each hour.
    #[must_use]
    pub fn sum(&self, number: impl Fn(&HourNotes) -> u64) -> u64 {
        self.publications().map(|published| number(&published.notes)).sum()
    }

    /// The generations of the hours that have calls: what a statement over the day may see.
    #[must_use]
    pub fn generations(&self) -> Vec<String> {
        let with_calls = self.publications().filter(|published| published.notes.rows > 0);
        with_calls.map(|published| published.generation.to_string()).collect()
    }

    /// Whether the catalog still shows these generations, so that a statement that ran meanwhile saw all of them.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn are_shown(&self, lake: &Lake) -> Result<bool> {
        publications::are_shown(lake, &lake.layout.merged, &self.hours).await
    }

    fn publications(&self) -> impl Iterator<Item = Publication<Hour>> {
        self.hours.iter().filter_map(|(_, head)| head.publication())
    }
}
