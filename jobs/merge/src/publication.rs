//! What `merge` notes with a partition, and the report that it gives back.

use meterlake_core::catalog::Parameters;
use meterlake_core::chain::{BEFORE, OBJECTS, OBJECTS_BEFORE};
use meterlake_core::clock::Clock;
use meterlake_core::engine::Scan;
use meterlake_core::generation::Generation;
use meterlake_core::kinds::Kind;
use meterlake_core::period::Hour;
use meterlake_core::publish::Publication;
use meterlake_core::report::Status;
use meterlake_core::run::Job;
use meterlake_core::sql::SqlFile;

use crate::args::MergeJob;
use crate::inputs::Inputs;
use crate::report::Report;
use crate::statements::Kinds;

/// How many Parquet files the hour has.
pub(crate) const OUTPUT_FILES: &str = "output_files";
const OWN_FINGERPRINT: &str = "own_fingerprint";
const SQL_CHECKSUM: &str = "sql_checksum";
const KEY_SUMS: &str = "key_sums";
const REASONS: &str = "malformed_reasons";

/// The numbers of one merged hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) kinds: Kinds,
    pub(crate) unreadable_objects: u64,
    pub(crate) output_files: u64,
    pub(crate) output_bytes: u64,
}

/// What to note with a generation made from these inputs.
pub(crate) fn publication(
    clock: &Clock,
    generation: &Generation,
    sql: &SqlFile,
    inputs: &Inputs,
    counts: &Counts,
) -> Publication {
    let number = |key: &str, number: u64| (key.to_owned(), number.to_string());
    let Counts { kinds, .. } = counts;
    let notes = Parameters::from([
        number(Kind::Call.note(), kinds.calls),
        number(Kind::Copy.note(), kinds.copies),
        number(Kind::Malformed.note(), kinds.malformed),
        number("lines", kinds.lines),
        number("unreadable_values", kinds.unreadable_values),
        number("unreadable_objects", counts.unreadable_objects),
        number(OUTPUT_FILES, counts.output_files),
        number("output_bytes", counts.output_bytes),
        number("source_files", inputs.objects.len() as u64),
        number("source_bytes", inputs.bytes()),
        (BEFORE.to_owned(), inputs.before()),
        (OBJECTS.to_owned(), inputs.own_objects()),
        (OBJECTS_BEFORE.to_owned(), inputs.prior_objects.clone()),
        (OWN_FINGERPRINT.to_owned(), inputs.own_fingerprint(sql)),
        (SQL_CHECKSUM.to_owned(), sql.checksum()),
        (KEY_SUMS.to_owned(), kinds.sums.clone()),
        (REASONS.to_owned(), serde_json::json!(kinds.reasons).to_string()),
    ]);
    Publication {
        generation: generation.clone(),
        fingerprint: inputs.fingerprint(sql),
        sql: sql.label(),
        published_at: clock.now(),
        notes,
    }
}

/// The same generation, made from these inputs too. If it was made by other SQL, it still is: who looks for that finds it.
pub(crate) fn renewed(publication: &Publication, sql: &SqlFile, inputs: &Inputs) -> Publication {
    let mut renewed = publication.clone();
    if is_by(publication, sql) {
        renewed.fingerprint = inputs.fingerprint(sql);
    }
    renewed.notes.extend([
        (BEFORE.to_owned(), inputs.before()),
        (OBJECTS.to_owned(), inputs.own_objects()),
        (OBJECTS_BEFORE.to_owned(), inputs.prior_objects.clone()),
    ]);
    renewed
}

/// The same generation, linked to what the hour before publishes now, which has the same records as what it was made from. `None`:
/// it is linked, or they are others.
pub(crate) fn relinked(publication: &Publication, inputs: &Inputs) -> Option<Publication> {
    let is_linked = publication.notes.get(BEFORE) == Some(&inputs.before());
    if is_linked || publication.notes.get(OBJECTS_BEFORE) != Some(&inputs.prior_objects) {
        return None;
    }
    let mut relinked = publication.clone();
    relinked.notes.insert(BEFORE.to_owned(), inputs.before());
    Some(relinked)
}

fn is_by(publication: &Publication, sql: &SqlFile) -> bool {
    publication.sql == sql.label() && publication.notes.get(SQL_CHECKSUM) == Some(&sql.checksum())
}

/// Whether a publication was made from the same own objects, by the same SQL or, where it is carried, by any, and has the same
/// calls and copies.
pub(crate) fn is_equal(
    publication: &Publication,
    sql: &SqlFile,
    inputs: &Inputs,
    counts: &Counts,
    is_carried: bool,
) -> bool {
    let is_same = match is_carried {
        true => publication.notes.get(OBJECTS) == Some(&inputs.own_objects()),
        false => publication.notes.get(OWN_FINGERPRINT) == Some(&inputs.own_fingerprint(sql)),
    };
    is_same
        && publication.number(Kind::Call.note()) == counts.kinds.calls
        && publication.notes.get(KEY_SUMS) == Some(&counts.kinds.sums)
}

/// Whether the SQL was edited and its version not raised.
pub(crate) fn has_silent_edit(publication: &Publication, sql: &SqlFile) -> bool {
    publication.sql == sql.label() && publication.notes.get(SQL_CHECKSUM) != Some(&sql.checksum())
}

/// The report of an hour that is published so, and was before.
pub(crate) fn report(hour: Hour, status: Status, publication: &Publication, scan: Scan) -> Report {
    let number = |key: &str| publication.number(key);
    let rows = [Kind::Call, Kind::Copy, Kind::Malformed].map(|kind| number(kind.note()));
    let reasons = publication.notes.get(REASONS).and_then(|text| serde_json::from_str(text).ok());
    Report {
        job: MergeJob::NAME,
        period: hour,
        status,
        rows: rows[0],
        rows_added: 0,
        duplicates: rows[1],
        malformed: rows[2],
        malformed_reasons: reasons.unwrap_or_default(),
        unsplit: rows.iter().sum::<u64>().saturating_sub(number("lines")),
        unreadable_values: number("unreadable_values"),
        unreadable_objects: number("unreadable_objects"),
        source_files: number("source_files"),
        source_bytes: number("source_bytes"),
        output_files: number(OUTPUT_FILES),
        output_bytes: number("output_bytes"),
        generation: publication.generation.to_string(),
        sql: publication.sql.clone(),
        scan,
        duration_ms: 0,
    }
}
