//! What `aggregate` says of a day.

use std::fmt;

use meterlake_core::engine::Scan;
use meterlake_core::period::{Day, Hour};
use meterlake_core::publish::Publication;
use meterlake_core::report::{Cost, Status, human_bytes};
use meterlake_core::run::Job;
use serde::Serialize;

use crate::args::AggregateJob;

/// What aggregating one day gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `aggregate`
    pub job: &'static str,
    /// The day of arrival.
    pub period: Day,
    /// What was done.
    pub status: Status,
    /// Rows of usage.
    pub rows: u64,
    /// Calls, as many as the day's hours have.
    pub requests: u64,
    /// Calls without a user; they are never billed.
    pub unattributed: u64,
    /// Hours that were never merged, if that was allowed.
    pub missing_hours: Vec<Hour>,
    /// Lines of the access log in these hours.
    pub lines: u64,
    /// Lines that merge left out of these hours as copies.
    pub duplicates: u64,
    /// Lines that merge left out of these hours as malformed.
    pub malformed: u64,
    /// Times, statuses and lengths of these hours' calls that cannot be read.
    pub unreadable_values: u64,
    /// Raw objects of these hours that cannot be read.
    pub unreadable_objects: u64,
    /// Parquet objects of the hours.
    pub source_files: u64,
    /// Their size.
    pub source_bytes: u64,
    /// Parquet objects of the day.
    pub output_files: u64,
    /// Their size.
    pub output_bytes: u64,
    /// The published generation.
    pub generation: String,
    /// The SQL that made it: `usage_daily@1`.
    pub sql: String,
    /// What reading took in this run.
    #[serde(flatten)]
    pub scan: Scan,
    /// Time that this run took.
    pub duration_ms: u64,
}

impl Report {
    /// The report of a day that is published so.
    pub(crate) fn of(day: Day, status: Status, publication: &Publication<Day>, scan: Scan) -> Self {
        let notes = publication.notes.clone();
        Self {
            job: AggregateJob::NAME,
            period: day,
            status,
            rows: notes.rows,
            requests: notes.requests,
            unattributed: notes.unattributed,
            missing_hours: notes.missing_hours,
            lines: notes.lines,
            duplicates: notes.duplicates,
            malformed: notes.malformed,
            unreadable_values: notes.unreadable_values,
            unreadable_objects: notes.unreadable_objects,
            source_files: notes.source_files,
            source_bytes: notes.source_bytes,
            output_files: notes.output_files,
            output_bytes: notes.output_bytes,
            generation: publication.generation.to_string(),
            sql: publication.sql.clone(),
            scan,
            duration_ms: 0,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, rows, requests, unattributed, output_files, duration_ms, .. } = self;
        match self.status {
            Status::Empty => write!(f, "aggregate {period}: no calls; published as empty")?,
            status => {
                let status = if status == Status::Published { "published" } else { "unchanged" };
                let size = human_bytes(self.output_bytes);
                write!(
                    f,
                    "aggregate {period}: {status} {requests} calls as {rows} rows of usage in {output_files} files \
                     ({size}); {unattributed} calls have no user; {duration_ms} ms"
                )?;
            }
        }
        write!(f, "{}", Cost(self.scan))?;
        for (count, what) in [
            (self.malformed, "malformed lines"),
            (self.duplicates, "copies"),
            (self.unreadable_values, "values that cannot be read"),
            (self.unreadable_objects, "objects that cannot be read"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        match self.missing_hours.len() {
            0 => Ok(()),
            missing => write!(f, "; {missing} hours were never merged"),
        }
    }
}
