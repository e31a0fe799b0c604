//! What `merge` says of an hour.

use std::fmt;

use meterlake_core::period::Hour;
use serde::Serialize;

/// What merging one hour gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `merge`
    pub job: &'static str,
    /// The hour of arrival.
    pub period: Hour,
    /// What was done.
    pub status: Status,
    /// Calls, each counted once.
    pub rows: u64,
    /// Lines that are copies of a counted line, here or in the hour before.
    pub duplicates: u64,
    /// Lines that are no records. They are kept beside the rows, in `_malformed.jsonl`.
    pub malformed: u64,
    /// Raw objects.
    pub source_files: u64,
    /// Their size, as stored.
    pub source_bytes: u64,
    /// Parquet objects.
    pub output_files: u64,
    /// Their size.
    pub output_bytes: u64,
    /// The published generation.
    pub generation: String,
    /// The SQL that made it: `merge_hour@1`.
    pub sql: String,
    /// Bytes read by this run.
    pub scanned_bytes: u64,
    /// Time that this run took.
    pub duration_ms: u64,
}

/// What was done for an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A new generation was published.
    Published,
    /// The published one is made from the same inputs.
    Unchanged,
    /// The hour has no files, and is published so.
    Empty,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, rows, duplicates, malformed, source_files, output_files, duration_ms, .. } = self;
        match self.status {
            Status::Empty => return write!(f, "merge {period}: no files; published as empty"),
            Status::Published => write!(f, "merge {period}: published")?,
            Status::Unchanged => write!(f, "merge {period}: unchanged")?,
        }
        write!(
            f,
            " {rows} calls from {source_files} files ({}) in {output_files} files ({}); left out {duplicates} copies \
             and {malformed} malformed lines; {duration_ms} ms",
            bytes(self.source_bytes),
            bytes(self.output_bytes)
        )
    }
}

/// A size for people: `1.5 MB`.
fn bytes(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let unit = (0..units.len()).rev().find(|unit| bytes >= 1000_u64.pow(*unit as u32)).unwrap_or(0);
    let divisor = 1000_u64.pow(unit as u32);
    if unit == 0 {
        return format!("{bytes} B");
    }
    let tenths = bytes * 10 / divisor;
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}
