//! What `merge` notes with a partition, and the report that it gives back.

use meterlake_core::clock::Clock;
use meterlake_core::engine::Scan;
use meterlake_core::generation::Generation;
use meterlake_core::notes::HourNotes;
use meterlake_core::period::Hour;
use meterlake_core::publish::Publication;
use meterlake_core::report::Status;
use meterlake_core::run::Job;
use meterlake_core::sql::SqlFile;

use crate::args::MergeJob;
use crate::inputs::Inputs;
use crate::report::Report;
use crate::statements::Kinds;

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
) -> Publication<Hour> {
    let Counts { kinds, .. } = counts;
    let notes = HourNotes {
        rows: kinds.calls,
        duplicates: kinds.copies,
        malformed: kinds.malformed,
        malformed_reasons: kinds.reasons.clone(),
        lines: kinds.lines,
        unreadable_values: kinds.unreadable_values,
        unreadable_objects: counts.unreadable_objects,
        output_files: counts.output_files,
        output_bytes: counts.output_bytes,
        source_files: inputs.objects.len() as u64,
        source_bytes: inputs.bytes(),
        before: inputs.prior.clone(),
        objects: inputs.own_objects(),
        objects_before: inputs.prior_objects.clone(),
        own_fingerprint: inputs.own_fingerprint(sql),
        sql_checksum: sql.checksum(),
        key_sums: kinds.sums.clone(),
    };
    Publication {
        generation: generation.clone(),
        fingerprint: inputs.fingerprint(sql),
        sql: sql.label(),
        published_at: clock.now(),
        notes,
    }
}

/// The same generation, made from these inputs too. If it was made by other SQL, it still is: who looks for that finds it.
pub(crate) fn renewed(publication: &Publication<Hour>, sql: &SqlFile, inputs: &Inputs) -> Publication<Hour> {
    let mut renewed = publication.clone();
    if is_by(publication, sql) {
        renewed.fingerprint = inputs.fingerprint(sql);
    }
    renewed.notes.before = inputs.prior.clone();
    renewed.notes.objects = inputs.own_objects();
    renewed.notes.objects_before = inputs.prior_objects.clone();
    renewed
}

/// The same generation, linked to what the hour before publishes now, which has the same records as what it was made from. `None`:
/// it is linked, or they are others.
pub(crate) fn relinked(publication: &Publication<Hour>, inputs: &Inputs) -> Option<Publication<Hour>> {
    let is_linked = publication.notes.before == inputs.prior;
    if is_linked || publication.notes.objects_before != inputs.prior_objects {
        return None;
    }
    let mut relinked = publication.clone();
    relinked.notes.before = inputs.prior.clone();
    Some(relinked)
}

fn is_by(publication: &Publication<Hour>, sql: &SqlFile) -> bool {
    publication.sql == sql.label() && publication.notes.sql_checksum == sql.checksum()
}

/// Whether a publication was made from the same own objects, by the same SQL or, where it is carried, by any, and has the same
/// calls and copies.
pub(crate) fn is_equal(
    publication: &Publication<Hour>,
    sql: &SqlFile,
    inputs: &Inputs,
    counts: &Counts,
    is_carried: bool,
) -> bool {
    let is_same = match is_carried {
        true => publication.notes.objects == inputs.own_objects(),
        false => publication.notes.own_fingerprint == inputs.own_fingerprint(sql),
    };
    is_same && publication.notes.rows == counts.kinds.calls && publication.notes.key_sums == counts.kinds.sums
}

/// Whether the SQL was edited and its version not raised.
pub(crate) fn has_silent_edit(publication: &Publication<Hour>, sql: &SqlFile) -> bool {
    publication.sql == sql.label() && publication.notes.sql_checksum != sql.checksum()
}

/// The report of an hour that is published so, and was before.
pub(crate) fn report(hour: Hour, status: Status, publication: &Publication<Hour>, scan: Scan) -> Report {
    let notes = publication.notes.clone();
    Report {
        job: MergeJob::NAME,
        period: hour,
        status,
        rows: notes.rows,
        rows_added: 0,
        duplicates: notes.duplicates,
        malformed: notes.malformed,
        malformed_reasons: notes.malformed_reasons,
        unsplit: (notes.rows + notes.duplicates + notes.malformed).saturating_sub(notes.lines),
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
