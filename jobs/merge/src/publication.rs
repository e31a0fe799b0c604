//! What `merge` notes with a partition, and the report that it gives back.

use chrono::Utc;
use meterlake_core::catalog::Parameters;
use meterlake_core::engine::Scan;
use meterlake_core::generation::Generation;
use meterlake_core::period::Hour;
use meterlake_core::publish::Publication;
use meterlake_core::report::Status;
use meterlake_core::run::Job;
use meterlake_core::sql::SqlFile;

use crate::args::MergeJob;
use crate::inputs::Inputs;
use crate::report::Report;

const OWN_FINGERPRINT: &str = "own_fingerprint";
const SQL_CHECKSUM: &str = "sql_checksum";

/// The numbers of one merged hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) duplicates: u64,
    pub(crate) malformed: u64,
    pub(crate) output_files: u64,
    pub(crate) output_bytes: u64,
}

/// What to note with a generation made from these inputs.
pub(crate) fn publication(generation: &Generation, sql: &SqlFile, inputs: &Inputs, counts: Counts) -> Publication {
    let number = |key: &str, number: u64| (key.to_owned(), number.to_string());
    let notes = Parameters::from([
        number("rows", counts.rows),
        number("duplicates", counts.duplicates),
        number("malformed", counts.malformed),
        number("output_files", counts.output_files),
        number("output_bytes", counts.output_bytes),
        number("source_files", inputs.own.len() as u64),
        number("source_bytes", inputs.bytes()),
        (OWN_FINGERPRINT.to_owned(), inputs.own_fingerprint(sql)),
        (SQL_CHECKSUM.to_owned(), sql.checksum()),
    ]);
    Publication {
        generation: generation.clone(),
        fingerprint: inputs.fingerprint(sql),
        sql: sql.label(),
        published_at: Utc::now(),
        notes,
    }
}

/// Whether a publication was made from the same own objects by the same SQL.
pub(crate) fn has_same_own(publication: &Publication, sql: &SqlFile, inputs: &Inputs) -> bool {
    publication.notes.get(OWN_FINGERPRINT) == Some(&inputs.own_fingerprint(sql))
}

/// Whether the SQL was edited and its version not raised.
pub(crate) fn has_silent_edit(publication: &Publication, sql: &SqlFile) -> bool {
    publication.sql == sql.label() && publication.notes.get(SQL_CHECKSUM) != Some(&sql.checksum())
}

/// The report of an hour that is published so.
pub(crate) fn report(hour: Hour, status: Status, publication: &Publication, scan: Scan) -> Report {
    let number = |key: &str| publication.number(key);
    Report {
        job: MergeJob::NAME,
        period: hour,
        status,
        rows: number("rows"),
        duplicates: number("duplicates"),
        malformed: number("malformed"),
        source_files: number("source_files"),
        source_bytes: number("source_bytes"),
        output_files: number("output_files"),
        output_bytes: number("output_bytes"),
        generation: publication.generation.to_string(),
        sql: publication.sql.clone(),
        scan,
        duration_ms: 0,
    }
}
