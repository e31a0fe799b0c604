//! What `merge` says of an hour.

use std::fmt;

use meterlake_core::engine::Scan;
use meterlake_core::period::Hour;
use meterlake_core::report::{Cost, Status, human_bytes};
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
    /// What reading took in this run.
    #[serde(flatten)]
    pub scan: Scan,
    /// Time that this run took.
    pub duration_ms: u64,
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
            human_bytes(self.source_bytes),
            human_bytes(self.output_bytes)
        )?;
        write!(f, "{}", Cost(self.scan))
    }
}
