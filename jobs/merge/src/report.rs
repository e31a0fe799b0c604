//! What `merge` says of an hour.

use std::collections::BTreeMap;
use std::fmt;

use meterlake_core::engine::Scan;
use meterlake_core::period::Hour;
use meterlake_core::publish::Publication;
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
    /// How many calls more (or fewer, if negative) than the hour had published before this run; all of them if it had none. Over all
    /// runs this adds up to the calls there are, where `rows` counts an hour again each time it is merged again.
    pub rows_added: i64,
    /// Records that are copies of a counted one, here or in the hour before: the table of copies has them.
    pub duplicates: u64,
    /// Lines, and pieces of lines, that are no records: the table of malformed lines has them.
    pub malformed: u64,
    /// The same by the reason.
    pub malformed_reasons: BTreeMap<String, u64>,
    /// Records that came on the line of another one, without a line end between them.
    pub unsplit: u64,
    /// Times, statuses and lengths that could not be read, of calls and copies.
    pub unreadable_values: u64,
    /// Raw objects that are no lines of text. They are left out.
    pub unreadable_objects: u64,
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
    /// The SQL that made it: `merge_hour@2+lines@1+apigateway@1+published@1`.
    pub sql: String,
    /// What reading took in this run.
    #[serde(flatten)]
    pub scan: Scan,
    /// Time that this run took.
    pub duration_ms: u64,
}

impl Report {
    /// The report of a run that published in place of `before`.
    pub(crate) fn in_place_of(self, before: Option<&Publication<Hour>>) -> Self {
        let signed = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        let before = before.map_or(0, |published| published.notes.rows);
        Self { rows_added: signed(self.rows) - signed(before), ..self }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, rows, duplicates, malformed, source_files, output_files, duration_ms, .. } = self;
        match self.status {
            Status::Empty if self.unreadable_objects == 0 => {
                return write!(f, "merge {period}: no lines; published as empty");
            }
            Status::Empty => write!(f, "merge {period}: published as empty:")?,
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
        for (count, what) in [
            (self.unsplit, "records on the line of another"),
            (self.unreadable_values, "values that cannot be read"),
            (self.unreadable_objects, "objects that cannot be read"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        write!(f, "{}", Cost(self.scan))
    }
}
