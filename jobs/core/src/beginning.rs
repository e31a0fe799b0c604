//! The beginning of a lake: the hour before which there is nothing to wait for.
//!
//! Every hour before it is empty by definition, so neither a merge nor a day nor a month waits for it; raw files that lie there
//! all the same are named by `repair`. It is kept in a log, and only ever moved by `tables --begins`.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::lake::Lake;
use crate::layout::period_of_path;
use crate::location::Location;
use crate::log::{self, Log};
use crate::period::{Hour, Period};
use crate::publications;

/// Where a lake begins, as its log says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beginning {
    /// The number of the entry; 0: there is none.
    number: u64,
    /// The first hour. `None`: nothing was noted, so any hour may have calls.
    pub first: Option<Hour>,
}

/// An entry of the log.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    begins: Hour,
}

impl Beginning {
    /// Reads it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn look(lake: &Lake) -> Result<Self> {
        let last = log(lake).last_after::<Entry>(0).await?;
        Ok(last.map_or_else(Self::default, |last| Self { number: last.number, first: Some(last.content.begins) }))
    }

    /// Whether an hour is the first or a later one.
    #[must_use]
    pub fn includes(&self, hour: Hour) -> bool {
        self.first.is_none_or(|first| first <= hour)
    }

    /// Whether it is known, and a period has no hour that is the first or a later one.
    #[must_use]
    pub fn is_after<P: Period>(&self, period: P) -> bool {
        self.first.is_some_and(|first| period.end() <= first.start())
    }

    /// Those of some periods that are not over before the lake begins.
    #[must_use]
    pub fn without_earlier<P: Period>(&self, mut periods: Vec<P>) -> Vec<P> {
        periods.retain(|period| !self.is_after(*period));
        periods
    }

    /// Refuses a period that is over before the lake begins.
    ///
    /// # Errors
    /// It is; the error says how to move the beginning.
    pub fn require<P: Period>(&self, period: P) -> Result<()> {
        match self.first.filter(|_| self.is_after(period)) {
            None => Ok(()),
            Some(first) => bail!(
                "the {} {period} lies before {first}, the first hour of the lake: if it has calls, run `tables --begins {}`",
                P::UNIT,
                Hour::containing(period.start())
            ),
        }
    }

    /// Notes another beginning. `false`: somebody else did meanwhile.
    ///
    /// # Errors
    /// An hour before it is published, or the store failed.
    pub async fn move_to(&self, lake: &Lake, first: Hour) -> Result<bool> {
        if let Some(published) = first_hour_below(lake, &publications::root(lake, &lake.layout.merged)).await?
            && published < first
        {
            bail!("the lake cannot begin at {first}: the hour {published} is published already");
        }
        log(lake).append(self.number, &Entry { begins: first }).await
    }
}

/// The first hour that has a raw folder or is published; `None`: there is none.
///
/// # Errors
/// The store failed.
pub async fn first_known_hour(lake: &Lake) -> Result<Option<Hour>> {
    let raw = first_hour_below(lake, &lake.layout.raw.folder).await?;
    let published = first_hour_below(lake, &publications::root(lake, &lake.layout.merged)).await?;
    Ok(raw.into_iter().chain(published).min())
}

/// The first hour that has a folder below one that is laid out as tables are.
async fn first_hour_below(lake: &Lake, root: &Location) -> Result<Option<Hour>> {
    // Depth first, the smallest folder first: one without hours below it is passed over.
    let mut folders: Vec<Location> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let path = folder.relative_to(root).unwrap_or_default();
        if let Some(hour) = period_of_path(path) {
            return Ok(Some(hour));
        }
        let depth = if path.is_empty() { 0 } else { path.split('/').count() };
        let Some(key) = Hour::KEYS.get(depth) else { continue };
        let mut below = lake.store.folders(&folder).await?;
        below.retain(|folder| folder.name().strip_prefix(key).is_some_and(|rest| rest.starts_with('=')));
        folders.extend(below.into_iter().rev());
    }
    Ok(None)
}

fn log(lake: &Lake) -> Log {
    Log::new(&lake.store, lake.config.lake.join(log::FOLDER).join("lake"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::{Day, Month};

    fn hour(text: &str) -> Hour {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_over_before_the_lake_begins_lies_before_it() {
        let beginning = Beginning { number: 1, first: Some(hour("2023-01-10T14")) };
        assert!(!beginning.includes(hour("2023-01-10T13")) && beginning.includes(hour("2023-01-10T14")));
        let days: Vec<Day> = ["2023-01-09", "2023-01-10", "2023-01-11"].map(|day| day.parse().unwrap()).into();
        assert_eq!(beginning.without_earlier(days.clone()), days[1..]);
        assert!(beginning.require(days[1]).is_ok());
        let error = beginning.require("2022-12".parse::<Month>().unwrap()).unwrap_err().to_string();
        assert!(error.contains("month 2022-12") && error.contains("tables --begins 2022-12-01T00"), "{error}");
        assert!(Beginning::default().includes(hour("1970-01-01T00")));
    }
}
