//! What fires next.

use std::fmt;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use meterlake_core::config::Config;
use serde::Serialize;

use crate::list::{Firing, Schedules};

/// A firing to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upcoming {
    /// When, UTC.
    pub at: String,
    /// When, on the clock of the entry's time zone.
    pub local: String,
    /// The entry.
    pub name: String,
    /// The job.
    pub job: &'static str,
    /// What it would work on.
    pub period: String,
    /// Its arguments on a command line.
    pub args: Vec<String>,
}

/// The first `count` firings after a time.
///
/// # Errors
/// A setting that a period depends on is wrong.
pub fn next(schedules: &Schedules, config: &Config, after: DateTime<Utc>, count: usize) -> Result<Vec<Upcoming>> {
    schedules.due_after(after).take(count).map(|firing| upcoming(config, &firing)).collect()
}

/// A firing, for a person.
///
/// # Errors
/// A setting that a period depends on is wrong.
pub fn upcoming(config: &Config, firing: &Firing<'_>) -> Result<Upcoming> {
    let entry = firing.entry;
    Ok(Upcoming {
        at: firing.at.to_rfc3339_opts(SecondsFormat::Secs, true),
        local: firing.at.with_timezone(&entry.zone).format("%a %Y-%m-%d %H:%M %Z").to_string(),
        name: entry.name.clone(),
        job: entry.job.name,
        period: entry.job.work(config, firing.at)?.period,
        args: entry.flags(),
    })
}

impl fmt::Display for Upcoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, local, name, job, period, args } = self;
        let command = [&[(*job).to_owned()], &args[..]].concat().join(" ");
        write!(f, "{at}  {local:<26}  {name:<16}  {command:<20}  {period}")
    }
}
