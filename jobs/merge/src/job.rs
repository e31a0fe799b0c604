//! Merging one hour.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use meterlake_core::catalog::{Partition, Swap, required_table};
use meterlake_core::engine::{KeepMalformed, Statement};
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::layout::hour_numbers;
use meterlake_core::location::Location;
use meterlake_core::partitions;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publish::{Publication, drop_staging, publish, vacuum_partition};
use meterlake_core::run::Job;
use meterlake_core::sql::{SqlFile, SqlValue, SqlValues};
use meterlake_core::store::{Object, visible_objects};

use crate::args::MergeJob;
use crate::inputs::{Inputs, Manifest};
use crate::publication::{Counts, has_same_own, has_silent_edit, publication, report};
use crate::report::{Report, Status};

/// The object in each generation with the lines that were no records. The name hides it from query engines.
const MALFORMED: &str = "_malformed.jsonl";

/// How often an hour is begun anew because another run published it meanwhile.
const ATTEMPTS: u32 = 3;

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
    for _ in 0..ATTEMPTS {
        let merged = attempt(lake, hour, options).await.with_context(|| format!("cannot merge the hour {hour}"))?;
        if let Some(report) = merged {
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Ok(Report { duration_ms, ..report });
        }
        tracing::warn!(%hour, "another run published this hour meanwhile; looking again");
    }
    bail!("the hour {hour} was published by other runs {ATTEMPTS} times meanwhile: run merge for it once, alone")
}

/// An hour, its inputs, and what is published of it.
pub(crate) struct Work<'a> {
    lake: &'a Lake,
    hour: Hour,
    sql: SqlFile,
    inputs: Inputs,
    current: Option<Partition>,
    published: Option<Publication>,
}

/// `None`: another run was faster, and the hour has to be looked at again.
async fn attempt(lake: &Lake, hour: Hour, options: Options) -> Result<Option<Report>> {
    required_table(&*lake.catalog, &lake.layout.raw.name).await?;
    required_table(&*lake.catalog, &lake.layout.merged.name).await?;
    partitions::repair(lake, &lake.layout.raw, Some((hour.previous(), hour)), false).await?;
    let work = Work::look(lake, hour, Inputs::list(lake, hour).await?).await?;
    match &work.published {
        Some(published) if work.is_fresh() && !options.force => {
            work.vacuum(work.current.as_ref()).await?;
            Ok(Some(report(hour, Status::Unchanged, published, 0)))
        }
        _ => work.rebuild(options).await,
    }
}

impl<'a> Work<'a> {
    pub(crate) async fn look(lake: &'a Lake, hour: Hour, inputs: Inputs) -> Result<Self> {
        let values = [lake.layout.merged.hour_partition(hour).values];
        let current = lake.catalog.get_partitions(&lake.layout.merged.name, &values).await?.pop().flatten();
        let published = current.as_ref().and_then(Publication::of);
        Ok(Self { lake, hour, sql: lake.sql.query("merge_hour")?, inputs, current, published })
    }

    /// Whether what is published is made from what is there.
    pub(crate) fn is_fresh(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.fingerprint == self.inputs.fingerprint(&self.sql))
    }

    /// Whether the hour was never published.
    pub(crate) fn is_new(&self) -> bool {
        self.published.is_none()
    }

    async fn rebuild(&self, options: Options) -> Result<Option<Report>> {
        let manifest = self.inputs.manifest();
        let before = match &self.current {
            Some(current) => Manifest::read(self.lake, &current.location).await?,
            None => Manifest::default(),
        };
        if !options.force {
            self.refuse_gone(&before.gone_from(&manifest))?;
        }
        if let Some(published) = &self.published
            && has_silent_edit(published, &self.sql)
        {
            tracing::warn!(sql = %self.sql.label(), path = %self.sql.path, "this SQL was edited; raise its version");
        }

        let generation = Generation::begin();
        let folder = generation.folder(&self.lake.layout.merged.hour_folder(self.hour));
        let written = match self.write(&generation, &folder).await {
            Ok(written) => written,
            Err(error) => {
                self.clean_up(&generation, &folder).await;
                return Err(error);
            }
        };
        let (counts, scanned_bytes) = written;

        // Where only the hour before gained files, and no call here turns out to be a copy of theirs, the result is the
        // one that is published: later steps need not run again.
        if let (Some(current), Some(published)) = (&self.current, &self.published)
            && has_same_own(published, &self.sql, &self.inputs)
            && before.prior_is_within(&manifest)
            && published.number("rows") == counts.rows
            && !options.force
        {
            self.clean_up(&generation, &folder).await;
            return self.renew(current, published, &manifest, scanned_bytes).await;
        }

        if let Err(error) = manifest.write(self.lake, &folder).await {
            self.clean_up(&generation, &folder).await;
            return Err(error);
        }
        let publication = publication(&generation, &self.sql, &self.inputs, counts);
        let status = if self.inputs.own.is_empty() { Status::Empty } else { Status::Published };
        // After a failure here nobody knows whether it is published: nothing is deleted, vacuum decides later.
        let swapped = self.swap(&publication, folder.clone()).await?;
        let Some(partition) = swapped else {
            self.clean_up(&generation, &folder).await;
            return Ok(None);
        };
        drop_staging(self.lake, generation.staging_table(MergeJob::NAME)?).await?;
        self.vacuum(Some(&partition)).await?;
        Ok(Some(report(self.hour, status, &publication, scanned_bytes)))
    }

    fn refuse_gone(&self, gone: &[&str]) -> Result<()> {
        match gone.first() {
            None => Ok(()),
            Some(first) => bail!(
                "{} raw files that are counted in the published hour are gone, such as {first}: put them back, or \
                 merge without them with --force",
                gone.len()
            ),
        }
    }

    /// Writes the generation; gives its numbers and the bytes scanned.
    async fn write(&self, generation: &Generation, folder: &Location) -> Result<(Counts, u64)> {
        if self.inputs.own.is_empty() {
            return Ok((Counts::default(), 0));
        }
        let statement = Statement {
            label: self.sql.label(),
            sql: self.render(generation, folder)?,
            database: self.lake.config.database.clone(),
            malformed: Some(KeepMalformed {
                from: self.lake.layout.raw.hour_folder(self.hour),
                to: folder.join(MALFORMED),
            }),
        };
        let outcome = self.lake.engine.execute(&statement).await?;
        let listed: BTreeSet<&Location> = self.inputs.own.iter().map(|object| &object.location).collect();
        let reads: Vec<_> = outcome.reads.iter().filter(|read| listed.contains(&read.location)).collect();
        if reads.len() != listed.len() {
            bail!("of {} raw files only {} were read: they changed meanwhile; run merge again", listed.len(), reads.len());
        }
        let records: u64 = reads.iter().map(|read| read.records).sum();
        let malformed: u64 = reads.iter().map(|read| read.malformed).sum();
        let Some(duplicates) = records.checked_sub(outcome.rows) else {
            bail!("{} gave {} rows for {records} records: each may give one", self.sql.label(), outcome.rows);
        };
        if malformed > 0 {
            let kept = folder.join(MALFORMED);
            tracing::warn!(hour = %self.hour, malformed, %kept, "left out malformed lines and kept them");
        }
        let files = visible_objects(&*self.lake.store, folder).await?;
        let counts = Counts {
            rows: outcome.rows,
            duplicates,
            malformed,
            output_files: files.len() as u64,
            output_bytes: files.iter().map(|file: &Object| file.size).sum(),
        };
        Ok((counts, outcome.scanned_bytes))
    }

    fn render(&self, generation: &Generation, folder: &Location) -> Result<String> {
        let staging = SqlValue::Name(vec![
            self.lake.config.database.to_string(),
            generation.staging_table(MergeJob::NAME)?.to_string(),
        ]);
        let mut values = SqlValues::from([
            ("staging_table", staging),
            ("location", folder.into()),
            ("raw_table", (&self.lake.layout.raw.name).into()),
        ]);
        let names = ["year", "month", "day", "hour", "prior_year", "prior_month", "prior_day", "prior_hour"];
        let numbers = [hour_numbers(self.hour), hour_numbers(self.hour.previous())].concat();
        values.extend(names.into_iter().zip(numbers.into_iter().map(SqlValue::from)));
        self.sql.render_one(&values)
    }

    /// Keeps the published generation and notes that it is made from the inputs of now.
    async fn renew(
        &self,
        current: &Partition,
        published: &Publication,
        manifest: &Manifest,
        scanned_bytes: u64,
    ) -> Result<Option<Report>> {
        manifest.write(self.lake, &current.location).await?;
        let renewed = Publication { fingerprint: self.inputs.fingerprint(&self.sql), ..published.clone() };
        let swapped = self.swap(&renewed, current.location.clone()).await?;
        Ok(swapped.map(|_| report(self.hour, Status::Unchanged, &renewed, scanned_bytes)))
    }

    /// `None`: another run was faster.
    async fn swap(&self, publication: &Publication, folder: Location) -> Result<Option<Partition>> {
        let table = &self.lake.layout.merged;
        let partition = publication.partition(table.hour_partition(self.hour).values, folder);
        Ok(match publish(self.lake, table, &partition, self.current.as_ref()).await? {
            Swap::Done => Some(partition),
            Swap::Conflict => None,
        })
    }

    async fn vacuum(&self, current: Option<&Partition>) -> Result<()> {
        let folder = self.lake.layout.merged.hour_folder(self.hour);
        vacuum_partition(self.lake, &folder, current).await.map(drop)
    }

    /// Removes what was written and not published. What remains after a failure here, vacuum removes.
    async fn clean_up(&self, generation: &Generation, folder: &Location) {
        if let Ok(table) = generation.staging_table(MergeJob::NAME)
            && let Err(error) = drop_staging(self.lake, table).await
        {
            tracing::warn!("cannot drop a staging table, vacuum will: {error:#}");
        }
        if let Err(error) = self.lake.store.delete_folder(folder).await {
            tracing::warn!(%folder, "cannot delete an unpublished generation, vacuum will: {error:#}");
        }
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
    let why = match &work.published {
        Some(_) if work.is_fresh() => "is unchanged; with --force it would run",
        Some(published) if published.sql != work.sql.label() => "would be merged again, because the SQL is a newer one",
        Some(_) => "would be merged again, because its files or those of the hour before changed",
        None if work.inputs.own.is_empty() => "has no files and would be published as empty; with files it would run",
        None => "would be merged for the first time",
    };
    let generation = Generation::begin();
    let folder = generation.folder(&lake.layout.merged.hour_folder(hour));
    let plan = format!("{hour} ({} files, {} bytes) {why}", work.inputs.own.len(), work.inputs.bytes());
    Ok((plan, work.render(&generation, &folder)?))
}
