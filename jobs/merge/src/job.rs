//! Merging one hour.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use meterlake_core::catalog::{Partition, required_table};
use meterlake_core::engine::{Scan, StatementFailed};
use meterlake_core::generation::{Fingerprint, Generation};
use meterlake_core::kinds::{Kind, follow};
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_values;
use meterlake_core::location::Location;
use meterlake_core::partitions;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publications::{self, Head};
use meterlake_core::publish::Publication;
use meterlake_core::report::Status;
use meterlake_core::run::Job;
use meterlake_core::slot::{Draft, Slot, persistently};
use meterlake_core::sql::SqlFile;
use meterlake_core::store::{Object, visible_objects};

use crate::args::MergeJob;
use crate::closed::{Closed, published_manifest, refuse_closed};
use crate::inputs::{Inputs, Manifest};
use crate::objects::{Depth, MAX_LINE_BYTES};
use crate::publication::{Counts, has_silent_edit, is_equal, publication, relinked, renewed, report};
use crate::report::Report;
use crate::statements::{Kinds, Statements};

/// How many objects the log names at most.
const NAMED: usize = 10;

/// How an hour is merged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Merge again even if nothing changed, or if files are gone that were counted.
    pub force: bool,
    /// Only what the hour before publishes changed: if the same calls and copies come out, the published generation stays, though
    /// the SQL may be another one now.
    pub is_carried: bool,
}

/// Merges an hour, unless its published generation is made from the same inputs.
///
/// # Errors
/// A table does not exist, an object cannot be read or written, or the catalog failed. What was published stays so.
pub async fn merge_hour(lake: &Lake, hour: Hour, options: Options) -> Result<Report> {
    let started = Instant::now();
    let merged = persistently(hour, || attempt(lake, hour, options)).await;
    let Some(report) = merged.with_context(|| format!("cannot merge the hour {hour}"))? else {
        bail!("the hour {hour} was published by other runs, or its files changed, again and again: run merge again")
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Report { duration_ms, ..report })
}

/// What is published of an hour.
///
/// # Errors
/// The store or the catalog failed.
pub(crate) async fn head(lake: &Lake, hour: Hour) -> Result<Head<Hour>> {
    publications::head(lake, &lake.layout.merged, hour).await
}

/// The partition of an hour's copies. Each that is put has another mark.
async fn copies(lake: &Lake, hour: Hour) -> Result<Option<Partition>> {
    let values = [period_values(hour)];
    Ok(lake.catalog.get_partitions(&lake.layout.copies.name, &values).await?.pop().flatten())
}

/// An hour, its inputs, and what is published of it.
pub(crate) struct Work<'a> {
    lake: &'a Lake,
    hour: Hour,
    sql: SqlFile,
    /// What the hour before publishes, and the partition of its copies as the catalog shows it.
    prior: Head<Hour>,
    prior_copies: Option<Partition>,
    pub(crate) inputs: Inputs,
    slot: Slot<'a, Hour>,
    /// Whether the files of what is published are still there.
    is_there: bool,
}

/// `None`: the hour changed meanwhile and has to be looked at again.
async fn attempt(lake: &Lake, hour: Hour, options: Options) -> Result<Option<Report>> {
    require_tables(lake).await?;
    // The copies of the hour before are read beside its calls, so they must be of the same generation.
    follow(lake, &[hour.previous(), hour], false).await?;
    let prior = head(lake, hour.previous()).await?;
    // List objects before registering the partition, so that the query sees at least what the fingerprint covers. An object
    // that arrives in between changes the next fingerprint.
    let work = Work::look(lake, hour, prior).await?;
    partitions::repair(lake, &lake.layout.lines, Some((hour, hour)), false).await?;
    match &work.slot.published {
        Some(published) if work.is_fresh() && !options.force => {
            work.slot.vacuum(None).await?;
            Ok(Some(report(hour, Status::Unchanged, published, Scan::default())))
        }
        _ => work.rebuild(options).await,
    }
}

async fn require_tables(lake: &Lake) -> Result<()> {
    let layout = &lake.layout;
    for table in [&layout.lines, &layout.merged, &layout.copies, &layout.malformed] {
        required_table(&*lake.catalog, &table.name).await?;
    }
    Ok(())
}

impl<'a> Work<'a> {
    /// Lists the hour's objects and looks up what is published of it. `prior` is what the hour before publishes.
    ///
    /// # Errors
    /// The store or the catalog failed, or the SQL file is wrong.
    pub(crate) async fn look(lake: &'a Lake, hour: Hour, prior: Head<Hour>) -> Result<Self> {
        let inputs = Inputs::list(lake, hour, prior.publication().as_ref()).await?;
        let slot = Slot::look(lake, &lake.layout.merged, hour).await?;
        let is_there = slot.is_there().await?;
        let prior_copies = copies(lake, hour.previous()).await?;
        Ok(Self { lake, hour, sql: lake.sql.query("merge_hour")?, prior, prior_copies, inputs, slot, is_there })
    }

    /// What is published of the hour.
    pub(crate) fn published(&self) -> Option<&Publication<Hour>> {
        self.slot.published.as_ref()
    }

    /// Whether what is published is made from what is there, and is still there itself.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_there
            && self.published().is_some_and(|published| published.fingerprint == self.inputs.fingerprint(&self.sql))
    }

    /// The manifest of the published generation; an empty one if there is none.
    async fn manifest(&self) -> Result<Manifest> {
        published_manifest(self.lake, self.slot.current()).await.map(Option::unwrap_or_default)
    }

    async fn rebuild(&self, options: Options) -> Result<Option<Report>> {
        let before = published_manifest(self.lake, self.slot.current()).await?;
        if !options.force
            && let Err(error) =
                refuse_closed(self.lake, self.hour, &self.inputs, self.published(), before.as_ref()).await
        {
            let may_link = error.is::<Closed>() && self.is_there;
            return if !may_link || self.is_linked_again().await? { Err(error) } else { Ok(None) };
        }
        let before = before.unwrap_or_default();
        if let Some(published) = self.published()
            && has_silent_edit(published, &self.sql)
        {
            tracing::warn!(sql = %self.sql.label(), path = %self.sql.path, "this SQL was edited; raise its version");
        }
        // By force, what was found of an object before does not count either.
        let known = if options.force { Manifest::default() } else { before };
        let Some(manifest) = self.inputs.look_at(self.lake, &known, Depth::Start).await? else { return Ok(None) };
        let error = match self.build(&manifest, Depth::Start, options).await {
            Err(error) if may_be_content(&error) => error,
            built => return built,
        };
        // An object may break off in its middle. Look at all of them to their ends, once.
        match self.inputs.look_at(self.lake, &manifest, Depth::Whole).await? {
            Some(whole) if whole != manifest => {
                tracing::warn!(hour = %self.hour, "some objects cannot be read to their ends: {error:#}");
                self.build(&whole, Depth::Whole, options).await
            }
            Some(whole) if error.is::<LongLine>() => self.build(&whole, Depth::Whole, options).await,
            _ => Err(error),
        }
    }

    /// Links what is published of a closed hour to what the hour before publishes now, where that has the same records: a day with
    /// an hour that is not linked is never aggregated. `false`: another run published meanwhile.
    async fn is_linked_again(&self) -> Result<bool> {
        let Some((current, published)) = self.slot.current().zip(self.published()) else { return Ok(true) };
        let Some(relinked) = relinked(published, &self.inputs) else { return Ok(true) };
        Ok(self.slot.publish(&relinked, &current.location).await?.is_some())
    }

    /// Writes a generation from the objects of a manifest, which were looked at as far as `depth` says, and publishes it.
    async fn build(&self, manifest: &Manifest, depth: Depth, options: Options) -> Result<Option<Report>> {
        let left_out = manifest.left_out(&self.lake.layout.raw.folder)?;
        let has_lines = manifest.with_lines().next().is_some();
        let draft = if has_lines {
            // A run joins another only if both leave out the same objects.
            let work = Fingerprint::default()
                .text("inputs", &self.inputs.fingerprint(&self.sql))
                .text("left_out", &left_out.join("\n"));
            self.slot.begin(MergeJob::NAME, &self.sql, &work.finish(), options.force).await?
        } else {
            self.slot.draft(MergeJob::NAME)?
        };
        let written = match self.write(&draft, manifest, depth, &left_out).await {
            Ok(written) => written,
            Err(error) => return Err(draft.fail(self.lake, error).await),
        };
        let Some((counts, scan)) = written else {
            draft.discard(self.lake).await;
            return Ok(None);
        };
        self.tell(manifest, &counts);

        // Where only the hour before changed, and the same calls and copies come out, later steps need not run again.
        if let (Some(current), Some(published)) = (self.slot.current(), self.published())
            && is_equal(published, &self.sql, &self.inputs, &counts, options.is_carried)
            && self.is_there
            && !options.force
        {
            draft.discard(self.lake).await;
            return self.renew(&current.location, published, manifest, scan).await;
        }

        let publication = publication(&self.lake.clock, &draft.generation, &self.sql, &self.inputs, &counts);
        let calls = Kind::Call.folder(&draft.folder);
        let Some(head) = self.slot.publish(&publication, &calls).await? else {
            draft.discard(self.lake).await;
            return Ok(None);
        };
        follow(self.lake, &[self.hour], false).await?;
        draft.finish(self.lake).await?;
        self.slot.vacuum(Some(&head)).await?;
        let status = if has_lines { Status::Published } else { Status::Empty };
        Ok(Some(report(self.hour, status, &publication, scan).in_place_of(self.published())))
    }

    /// Writes the generation; gives its numbers and what that took. `None`: other objects were read than listed.
    async fn write(
        &self,
        draft: &Draft,
        manifest: &Manifest,
        depth: Depth,
        left_out: &[String],
    ) -> Result<Option<(Counts, Scan)>> {
        let unreadable_objects = manifest.unreadable().count() as u64;
        let (mut counts, mut scan) = (Counts { unreadable_objects, ..Counts::default() }, Scan::default());
        if manifest.with_lines().next().is_some() {
            let statements = self.statements(draft, left_out);
            let (rows, writing) = statements.write_rows(&self.sql).await?;
            if !self.saw_the_hour_before().await? {
                return Ok(None);
            }
            let (lines, counting) = statements.count_lines().await?;
            // Engines take lines of different lengths. What one of them refuses, all leave out. A character has up to 4 bytes.
            if depth == Depth::Start && lines.longest.saturating_mul(4) > MAX_LINE_BYTES as u64 {
                bail!(LongLine);
            }
            let (kinds, reading) = statements.count_kinds().await?;
            if let Some(problem) = unbalanced(manifest, &lines.by_object, &kinds, rows) {
                // An object that came, went or was replaced meanwhile is a reason to look again, any other is an error.
                let now = Inputs::list(self.lake, self.hour, None).await?;
                if now.own_fingerprint(&self.sql) != self.inputs.own_fingerprint(&self.sql) {
                    return Ok(None);
                }
                bail!("{}: {problem}", self.sql.label());
            }
            scan = writing + counting + reading;
            counts.kinds = kinds;
        }
        manifest.write(self.lake, &draft.folder).await?;
        let files = visible_objects(&*self.lake.store, &draft.folder).await?;
        counts.output_files = files.len() as u64;
        counts.output_bytes = files.iter().map(|file: &Object| file.size).sum();
        Ok(Some((counts, scan)))
    }

    /// Whether the catalog still shows what the hour before publishes, calls and copies alike, so that the statement saw them.
    async fn saw_the_hour_before(&self) -> Result<bool> {
        let before = self.hour.previous();
        let calls = [(before, self.prior.clone())];
        Ok(publications::are_shown(self.lake, &self.lake.layout.merged, &calls).await?
            && copies(self.lake, before).await? == self.prior_copies)
    }

    /// Warns of what is published and is no call.
    fn tell(&self, manifest: &Manifest, counts: &Counts) {
        let hour = self.hour;
        for (object, what) in manifest.unreadable().take(NAMED) {
            tracing::warn!(
                %hour, object,
                "this raw object is left out, it seems to be {what}: set the stream to write plain text or GZIP, and \
                 put the object's lines back as such"
            );
        }
        let kinds = &counts.kinds;
        if kinds.malformed > 0 {
            let table = &self.lake.layout.malformed.name.table;
            tracing::warn!(%hour, malformed = kinds.malformed, reasons = ?kinds.reasons, "malformed lines are in {table}");
        }
        if kinds.unreadable_values > 0 {
            let unreadable = kinds.unreadable_values;
            let table = &self.lake.layout.merged.name.table;
            tracing::warn!(
                %hour, unreadable,
                "times, statuses or lengths cannot be read: look at {table} where unreadable > 0"
            );
        }
        let unsplit = kinds.rows() - kinds.lines;
        if unsplit > 0 {
            tracing::warn!(%hour, unsplit, "records came on the line of another: end the log's format with a line end");
        }
    }

    /// Renders the statement without running it, for people.
    fn render(&self, draft: &Draft, left_out: &[String]) -> Result<String> {
        self.statements(draft, left_out).render(&self.sql)
    }

    fn statements<'s>(&'s self, draft: &'s Draft, left_out: &'s [String]) -> Statements<'s> {
        let prior = self.inputs.prior.as_ref();
        Statements { lake: self.lake, hour: self.hour, draft, left_out, prior }
    }

    /// Keeps the published generation and notes that it is made from the inputs of now.
    async fn renew(
        &self,
        calls: &Location,
        published: &Publication<Hour>,
        manifest: &Manifest,
        scan: Scan,
    ) -> Result<Option<Report>> {
        manifest.write(self.lake, &Generation::folder_around(calls)).await?;
        let renewed = renewed(published, &self.sql, &self.inputs);
        let published = self.slot.publish(&renewed, calls).await?;
        Ok(published.map(|_| report(self.hour, Status::Unchanged, &renewed, scan)))
    }
}

/// Why what came out is not what went in; `None`: it is.
fn unbalanced(manifest: &Manifest, lines: &BTreeMap<String, u64>, kinds: &Kinds, rows: u64) -> Option<String> {
    let expected: BTreeSet<&str> = manifest.with_lines().collect();
    let counted: BTreeSet<&str> = lines.keys().map(String::as_str).collect();
    if let Some(object) = expected.difference(&counted).next() {
        return Some(format!("the raw object {object} gave no line: the engine did not read it"));
    }
    if let Some(object) = counted.difference(&expected).next() {
        return Some(format!("the raw object {object} was read, which was not to be read"));
    }
    let total: u64 = lines.values().sum();
    if total != kinds.lines || rows != kinds.rows() {
        return Some(format!(
            "the text has {total} lines, and {rows} rows were written for {} lines, of which {} calls, {} copies and {} \
             malformed: every line must come out as something",
            kinds.lines, kinds.calls, kinds.copies, kinds.malformed
        ));
    }
    None
}

/// A line may be longer than every engine takes: a look at whole objects tells.
#[derive(Debug, thiserror::Error)]
#[error("a line may be longer than {} MiB", MAX_LINE_BYTES >> 20)]
struct LongLine;

/// Whether a statement failed, and the content of an object may be why.
fn may_be_content(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StatementFailed>().is_none_or(|failed| !failed.is_retryable)
}

/// What a dry run says of an hour: what would be done and why, and the statement.
///
/// # Errors
/// A table does not exist, or the store or catalog failed.
pub(crate) async fn plan(lake: &Lake, hour: Hour) -> Result<(String, String)> {
    require_tables(lake).await?;
    let prior = head(lake, hour.previous()).await?;
    let work = Work::look(lake, hour, prior).await?;
    let why = match work.published() {
        Some(_) if work.is_fresh() => "is unchanged; with --force it would run",
        Some(published) if published.sql != work.sql.label() => "would be merged again, because the SQL is a newer one",
        Some(_) => "would be merged again, because its files or the calls of the hour before changed",
        None if work.inputs.objects.is_empty() => {
            "has no files and would be published as empty; with files it would run"
        }
        None => "would be merged for the first time",
    };
    let draft = work.slot.draft(MergeJob::NAME)?;
    let left_out = work.manifest().await?.left_out(&lake.layout.raw.folder)?;
    let plan = format!("{hour} ({} files, {} bytes) {why}", work.inputs.objects.len(), work.inputs.bytes());
    Ok((plan, work.render(&draft, &left_out)?))
}
