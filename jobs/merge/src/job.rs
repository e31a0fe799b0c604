//! Merging one hour.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use meterlake_core::catalog::required_table;
use meterlake_core::engine::{KeepMalformed, Scan, Statement};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::partitions;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publish::Publication;
use meterlake_core::report::Status;
use meterlake_core::run::Job;
use meterlake_core::slot::{Draft, Slot, persistently};
use meterlake_core::sql::{SqlFile, SqlValue, SqlValues};
use meterlake_core::store::{Object, visible_objects};

use crate::args::MergeJob;
use crate::inputs::{Inputs, Manifest};
use crate::lines;
use crate::publication::{Counts, has_same_own, has_silent_edit, publication, report};
use crate::report::Report;

/// The object in each generation with the lines that were no records. The name hides it from query engines.
const MALFORMED: &str = "_malformed.jsonl";
/// How many objects with malformed lines the log names at most.
const NAMED: usize = 10;

/// How an hour is merged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Merge again even if nothing changed, or if files are gone that were counted.
    pub force: bool,
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

/// An hour, its inputs, and what is published of it.
pub(crate) struct Work<'a> {
    lake: &'a Lake,
    hour: Hour,
    sql: SqlFile,
    inputs: Inputs,
    slot: Slot<'a>,
}

/// `None`: the hour changed meanwhile and has to be looked at again.
async fn attempt(lake: &Lake, hour: Hour, options: Options) -> Result<Option<Report>> {
    required_table(&*lake.catalog, &lake.layout.raw.name).await?;
    required_table(&*lake.catalog, &lake.layout.merged.name).await?;
    // Listed first, registered second: what the fingerprint names, the query can see. What comes later is not in the
    // fingerprint, and so is found by the next run.
    let inputs = Inputs::list(lake, hour).await?;
    partitions::repair(lake, &lake.layout.raw, Some((hour.previous(), hour)), false).await?;
    let work = Work::look(lake, hour, inputs).await?;
    match &work.slot.published {
        Some(published) if work.is_fresh() && !options.force => {
            work.slot.vacuum(work.slot.current.as_ref()).await?;
            Ok(Some(report(hour, Status::Unchanged, published, Scan::default())))
        }
        _ => work.rebuild(options).await,
    }
}

impl<'a> Work<'a> {
    pub(crate) async fn look(lake: &'a Lake, hour: Hour, inputs: Inputs) -> Result<Self> {
        let slot = Slot::look(lake, &lake.layout.merged, hour).await?;
        Ok(Self { lake, hour, sql: lake.sql.query("merge_hour")?, inputs, slot })
    }

    /// Whether what is published is made from what is there.
    pub(crate) fn is_fresh(&self) -> bool {
        let published = self.slot.published.as_ref();
        published.is_some_and(|published| published.fingerprint == self.inputs.fingerprint(&self.sql))
    }

    /// Whether the hour was never published.
    pub(crate) fn is_new(&self) -> bool {
        self.slot.published.is_none()
    }

    async fn rebuild(&self, options: Options) -> Result<Option<Report>> {
        let manifest = self.inputs.manifest();
        let before = match &self.slot.current {
            Some(current) => Manifest::read(self.lake, &current.location).await?,
            None => Manifest::default(),
        };
        if !options.force {
            refuse_gone(&before.gone_from(&manifest))?;
        }
        if let Some(published) = &self.slot.published
            && has_silent_edit(published, &self.sql)
        {
            tracing::warn!(sql = %self.sql.label(), path = %self.sql.path, "this SQL was edited; raise its version");
        }

        let fingerprint = self.inputs.fingerprint(&self.sql);
        let draft = if self.inputs.own.is_empty() {
            self.slot.draft(MergeJob::NAME)?
        } else {
            self.slot.begin(MergeJob::NAME, &self.sql, &fingerprint, options.force).await?
        };
        let (counts, scan) = match self.write(&draft, &manifest).await {
            Ok(Some(written)) => written,
            Ok(None) => {
                draft.discard(self.lake).await;
                return Ok(None);
            }
            Err(error) => return Err(draft.fail(self.lake, error).await),
        };

        // Where only the hour before gained files, and no call here turns out to be a copy of theirs, the result is the
        // one that is published: later steps need not run again.
        if let (Some(current), Some(published)) = (&self.slot.current, &self.slot.published)
            && has_same_own(published, &self.sql, &self.inputs)
            && before.prior_is_within(&manifest)
            && published.number("rows") == counts.rows
            && !options.force
        {
            draft.discard(self.lake).await;
            return self.renew(&current.location, published, &manifest, scan).await;
        }

        let publication = publication(&draft.generation, &self.sql, &self.inputs, counts);
        let Some(partition) = self.slot.publish(&publication, &draft.folder).await? else {
            draft.discard(self.lake).await;
            return Ok(None);
        };
        draft.finish(self.lake).await?;
        self.slot.vacuum(Some(&partition)).await?;
        let status = if self.inputs.own.is_empty() { Status::Empty } else { Status::Published };
        Ok(Some(report(self.hour, status, &publication, scan)))
    }

    /// Writes the generation; gives its numbers and what that took. `None`: other files were read than listed.
    async fn write(&self, draft: &Draft, manifest: &Manifest) -> Result<Option<(Counts, Scan)>> {
        let written = self.write_rows(draft).await?;
        if written.is_some() {
            manifest.write(self.lake, &draft.folder).await?;
        }
        Ok(written)
    }

    async fn write_rows(&self, draft: &Draft) -> Result<Option<(Counts, Scan)>> {
        if self.inputs.own.is_empty() {
            return Ok(Some(Default::default()));
        }
        let raw_folder = self.lake.layout.raw.folder_of(self.hour);
        let statement = Statement {
            label: self.sql.label(),
            sql: self.render(draft)?,
            database: self.lake.config.database.clone(),
            malformed: Some(KeepMalformed { from: raw_folder.clone(), to: draft.folder.join(MALFORMED) }),
            token: draft.token(),
        };
        let mut outcome = self.lake.engine.execute(&statement).await?;
        let tells_reads = !outcome.reads.is_empty();
        if !tells_reads {
            let (reads, scan) = lines::count(self.lake, self.hour, draft.token()).await?;
            outcome.reads = reads;
            outcome.scan += scan;
        }
        let reads: Vec<_> =
            outcome.reads.iter().filter(|read| read.location.relative_to(&raw_folder).is_some()).collect();
        let read: BTreeSet<&Location> = reads.iter().map(|read| &read.location).collect();
        let listed: BTreeSet<&Location> = self.inputs.own.iter().map(|object| &object.location).collect();
        // An object without a line gives no row to an engine that counts rows.
        if read != listed && (tells_reads || !read.is_subset(&listed)) {
            return Ok(None);
        }
        let records: u64 = reads.iter().map(|read| read.records).sum();
        let malformed: u64 = reads.iter().map(|read| read.malformed).sum();
        let Some(duplicates) = records.checked_sub(outcome.rows) else {
            bail!("{} gave {} rows for {records} records: each may give one", self.sql.label(), outcome.rows);
        };
        if malformed > 0 {
            // Where the engine does not keep them, they are found in the raw objects.
            let spoilt = reads.iter().filter(|read| read.malformed > 0);
            let kept: Vec<String> = if tells_reads {
                vec![draft.folder.join(MALFORMED).to_string()]
            } else {
                spoilt.map(|read| read.location.to_string()).take(NAMED).collect()
            };
            tracing::warn!(
                hour = %self.hour, malformed, kept_in = kept.join(", "), "left out malformed lines, which are kept"
            );
        }
        let files = visible_objects(&*self.lake.store, &draft.folder).await?;
        let counts = Counts {
            rows: outcome.rows,
            duplicates,
            malformed,
            output_files: files.len() as u64,
            output_bytes: files.iter().map(|file: &Object| file.size).sum(),
        };
        Ok(Some((counts, outcome.scan)))
    }

    fn render(&self, draft: &Draft) -> Result<String> {
        let mut values = SqlValues::from([
            ("staging_table", draft.staging_value(self.lake)),
            ("location", (&draft.folder).into()),
            ("raw_table", (&self.lake.layout.raw.name).into()),
        ]);
        let names = ["year", "month", "day", "hour", "prior_year", "prior_month", "prior_day", "prior_hour"];
        let numbers = [self.hour.numbers(), self.hour.previous().numbers()].concat();
        values.extend(names.into_iter().zip(numbers.into_iter().map(SqlValue::from)));
        self.sql.render_one(&values)
    }

    /// Keeps the published generation and notes that it is made from the inputs of now.
    async fn renew(
        &self,
        generation: &Location,
        published: &Publication,
        manifest: &Manifest,
        scan: Scan,
    ) -> Result<Option<Report>> {
        manifest.write(self.lake, generation).await?;
        let renewed = Publication { fingerprint: self.inputs.fingerprint(&self.sql), ..published.clone() };
        let swapped = self.slot.publish(&renewed, generation).await?;
        Ok(swapped.map(|_| report(self.hour, Status::Unchanged, &renewed, scan)))
    }
}

fn refuse_gone(gone: &[&str]) -> Result<()> {
    match gone.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} raw files that the published hour was made from are gone, such as {first}: put them back, or merge \
             without them with --force",
            gone.len()
        ),
    }
}

/// What a dry run says of an hour: what would be done and why, and the statement.
///
/// # Errors
/// A table does not exist, or the store or catalog failed.
pub(crate) async fn plan(lake: &Lake, hour: Hour) -> Result<(String, String)> {
    required_table(&*lake.catalog, &lake.layout.raw.name).await?;
    required_table(&*lake.catalog, &lake.layout.merged.name).await?;
    let work = Work::look(lake, hour, Inputs::list(lake, hour).await?).await?;
    let why = match &work.slot.published {
        Some(_) if work.is_fresh() => "is unchanged; with --force it would run",
        Some(published) if published.sql != work.sql.label() => "would be merged again, because the SQL is a newer one",
        Some(_) => "would be merged again, because its files or those of the hour before changed",
        None if work.inputs.own.is_empty() => "has no files and would be published as empty; with files it would run",
        None => "would be merged for the first time",
    };
    let draft = work.slot.draft(MergeJob::NAME)?;
    let plan = format!("{hour} ({} files, {} bytes) {why}", work.inputs.own.len(), work.inputs.bytes());
    Ok((plan, work.render(&draft)?))
}
