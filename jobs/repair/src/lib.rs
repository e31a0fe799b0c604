//! Makes the catalog of the raw tables agree with the folders that Firehose writes: adds what is missing, removes what
//! has no folder, and mends a folder that is registered twice, in which every call would be counted twice. Then it makes the
//! tables of copies and of malformed lines agree with what is published of the hours.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use meterlake_core::beginning::Beginning;
use meterlake_core::catalog::{Partition, PartitionFilter, required_table};
use meterlake_core::chain::unsettled_objects;
use meterlake_core::engine::Statement;
use meterlake_core::kinds::{self, follow};
use meterlake_core::lake::Lake;
use meterlake_core::layout::{TableLayout, period_of_values};
use meterlake_core::partitions::{self, Repair};
use meterlake_core::period::{Day, Hour, Month, Period};
use meterlake_core::publications;
use meterlake_core::publish::{Vacuumed, vacuum_staging, vacuum_table};
use meterlake_core::run::{Context, Job, Output, WrongArguments, selected_periods};
use meterlake_core::store::visible_objects;
use serde::{Deserialize, Serialize};

/// The job `repair`.
pub struct RepairJob;

/// What `repair` looks at.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args {
    /// The first hour [default: 48 hours back]
    #[arg(long, value_name = "HOUR")]
    pub from: Option<Hour>,
    /// The last hour [default: the last complete one]
    #[arg(long, value_name = "HOUR")]
    pub to: Option<Hour>,
    /// Look at every folder and every partition; fail where raw files are counted by no hour, but for those that merge looks back at
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub full: bool,
    /// First run MSCK REPAIR TABLE on the raw tables, as the original design did
    #[arg(long)]
    pub msck: bool,
    /// Also delete, in the whole lake, superseded and orphaned generations, and staging tables
    #[arg(long)]
    pub vacuum: bool,
}

/// What was found and, unless it was a dry run, put right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `repair`
    pub job: &'static str,
    /// The hours looked at, `2023-01-30T07/2023-02-01T06`, or `all`.
    pub period: String,
    /// Hours that have a folder.
    pub folders: u64,
    /// Partitions added for folders that had none.
    pub added: u64,
    /// Partitions removed that had no folder.
    pub removed: u64,
    /// Hours whose folder was registered twice, or under other values or elsewhere, in one of the two raw tables.
    pub mended: u64,
    /// Merged hours whose copies or malformed lines were not those of the published generation.
    pub followed: u64,
    /// Partitions removed that show nothing which a job published, such as a second spelling of a period; in every table that jobs
    /// publish.
    pub strangers: u64,
    /// Raw objects that lie beside the folders of hours: they are not counted.
    pub astray: u64,
    /// Hours before the lake begins that have raw files.
    pub before_beginning: u64,
    /// Hours, looked at with `--full`, that have raw files which no published hour counts.
    pub unmerged: u64,
    /// Folders that are no partition, left as they are.
    pub ignored: u64,
    /// Generations deleted by `--vacuum`.
    pub vacuumed_generations: u64,
    /// Staging tables dropped by `--vacuum`.
    pub vacuumed_staging_tables: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, folders, added, removed, mended, ignored, .. } = self;
        write!(
            f,
            "repair {period}: {folders} folders; partitions: {added} added, {removed} removed, {mended} mended; \
             {ignored} folders are no partition"
        )?;
        if self.followed > 0 {
            write!(f, "; {} merged hours put right", self.followed)?;
        }
        for (count, what) in [
            (self.strangers, "partitions that no job published were removed"),
            (self.astray, "raw objects lie beside the folders of hours"),
            (self.before_beginning, "hours before the lake begins have raw files"),
            (self.unmerged, "hours have raw files that no published hour counts"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        let (generations, tables) = (self.vacuumed_generations, self.vacuumed_staging_tables);
        if generations + tables > 0 {
            write!(f, "; vacuumed {generations} generations, {tables} staging tables")?;
        }
        Ok(())
    }
}

#[async_trait]
impl Job for RepairJob {
    const NAME: &'static str = "repair";
    const ABOUT: &'static str =
        "Makes the catalog agree with the folders of the raw tables, and with the published hours";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        let range = range(lake, args, context)?;
        if context.dry_run && args.msck {
            output.plan("repair would first run", &msck(lake).map(|statement| statement.sql))?;
        }
        let report = run(lake, range, args, context).await?;
        output.report(&report)?;
        let uncounted = [
            (report.unmerged, "hours have raw files that no published hour counts: merge the hours named above"),
            (
                report.before_beginning,
                "hours before the lake begins have raw files: run `tables --begins` as named above",
            ),
            (
                // Named each time; an error once a week is enough for what may be meant to lie there.
                if args.full { report.astray + report.ignored } else { 0 },
                "raw objects or folders lie beside the folders of hours: move what is named above into the folder of an hour, \
                 or out of the raw folder",
            ),
        ];
        let uncounted = uncounted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let uncounted: Vec<String> = uncounted.collect();
        if !uncounted.is_empty() {
            bail!("{}", uncounted.join("; "));
        }
        Ok(())
    }
}

/// Repairs a range of hours, or all.
///
/// # Errors
/// A table does not exist, or the store or catalog failed; running it again goes on where it stopped.
pub async fn run(lake: &Lake, range: Option<(Hour, Hour)>, args: &Args, context: &Context) -> Result<Report> {
    let dry_run = context.dry_run;
    let layout = &lake.layout;
    for table in layout.tables() {
        required_table(&*lake.catalog, &table.name).await?;
    }
    if args.msck && !dry_run {
        for statement in msck(lake) {
            lake.engine.execute(&statement).await?;
        }
    }
    let found: Repair = partitions::repair(lake, &layout.raw, range, dry_run).await?;
    let lines: Repair = partitions::repair(lake, &layout.lines, range, dry_run).await?;
    for folder in &found.ignored {
        tracing::warn!(%folder, "this folder is no partition: its files are not counted");
    }
    for object in found.astray.iter().take(NAMED) {
        tracing::warn!(%object, "this object lies in no hour's folder: it is not counted");
    }
    let before = before_beginning(lake, &found.hours).await?;
    let mended: BTreeSet<Hour> = found.mended.iter().chain(&lines.mended).copied().collect();
    for hour in &mended {
        tracing::warn!(%hour, "this hour's folder was not registered once under its own values");
    }
    // It looks at every partition, and a vacuum must not take longer as the lake grows old.
    let strangers = if args.full || !args.vacuum { strangers(lake, dry_run).await? } else { 0 };
    let followed = follow(lake, &merged_hours(lake, range).await?, dry_run).await?;
    let hours = found.hours.iter().copied().filter(|hour| !before.contains(hour)).collect();
    let unmerged = if args.full { unmerged(lake, hours, context).await? } else { Vec::new() };
    let vacuumed = if args.vacuum && !dry_run { vacuum(lake, context.deadline).await? } else { Vacuumed::default() };
    // Both tables lie over the same folders; an hour that was wrong in one of them is mended, whatever it was in the other.
    let added: BTreeSet<Hour> = found.added.iter().chain(&lines.added).copied().collect();
    Ok(Report {
        job: RepairJob::NAME,
        period: range.map_or_else(|| "all".to_owned(), |(from, to)| format!("{from}/{to}")),
        folders: found.hours.len() as u64,
        added: added.difference(&mended).count() as u64,
        removed: found.removed.max(lines.removed),
        mended: mended.len() as u64,
        followed: followed.len() as u64,
        strangers: strangers as u64,
        astray: found.astray.len() as u64,
        before_beginning: before.len() as u64,
        unmerged: unmerged.len() as u64,
        ignored: found.ignored.len() as u64,
        vacuumed_generations: vacuumed.generations,
        vacuumed_staging_tables: vacuumed.staging_tables,
    })
}

/// Those of some hours that lie before the beginning of the lake and have raw files, each named in the log.
async fn before_beginning(lake: &Lake, hours: &[Hour]) -> Result<BTreeSet<Hour>> {
    let beginning = Beginning::look(lake).await?;
    let mut before = BTreeSet::new();
    for hour in hours.iter().copied().filter(|hour| !beginning.includes(*hour)) {
        if let Some(first) = visible_objects(&*lake.store, &lake.layout.raw.folder_of(hour)).await?.first() {
            let first = &first.location;
            tracing::warn!(%hour, %first, "raw files before the lake begins: run `tables --begins {hour}`, then merge");
            before.insert(hour);
        }
    }
    Ok(before)
}

/// Removes the partitions that no job published, each named in the log, from every table that jobs publish; gives how many there
/// are. In a dry run they stay.
async fn strangers(lake: &Lake, dry_run: bool) -> Result<usize> {
    let layout = &lake.layout;
    let mut found: Vec<(&TableLayout, Partition)> = kinds::strangers(lake).await?;
    let of = |table, strangers: Vec<Partition>| strangers.into_iter().map(move |one| (table, one));
    let (merged, daily, invoices) = (&layout.merged, &layout.usage_daily, &layout.invoices);
    found.extend(of(merged, publications::strangers::<Hour>(lake, merged, merged).await?));
    found.extend(of(daily, publications::strangers::<Day>(lake, daily, daily).await?));
    for table in [invoices, &layout.line_items] {
        found.extend(of(table, publications::strangers::<Month>(lake, invoices, table).await?));
    }
    for (table, partition) in &found {
        let (table, values, location) = (&table.name, partition.values.join("/"), &partition.location);
        tracing::warn!(%table, values, %location, "no job published this partition: a statement may count its rows twice");
    }
    if !dry_run {
        for (table, partition) in &found {
            lake.catalog.drop_partitions(&table.name, std::slice::from_ref(&partition.values)).await?;
        }
    }
    Ok(found.len())
}

/// Those of some hours that have raw files which their published generation does not name, and each named in the log. The
/// hours that `merge` looks back at anyhow are left out.
async fn unmerged(lake: &Lake, hours: Vec<Hour>, context: &Context) -> Result<Vec<Hour>> {
    let lookback = i32::try_from(lake.config.merge.lookback).unwrap_or(i32::MAX);
    let last = Hour::last_complete(context.now).offset(-lookback).previous();
    let hours: Vec<Hour> = hours.into_iter().filter(|hour| *hour <= last).collect();
    let heads = publications::heads(lake, &lake.layout.merged, &hours).await?;
    let looks = hours.into_iter().zip(heads).map(|(hour, head)| async move {
        let objects = unsettled_objects(lake, hour, &head).await?;
        if let Some(first) = objects.first() {
            let (count, first) = (objects.len(), &first.location);
            tracing::warn!(%hour, count, %first, "raw files that are not counted: run `merge --hour {hour}`");
        }
        anyhow::Ok((!objects.is_empty()).then_some(hour))
    });
    // Boxed, since the compiler cannot tell otherwise that these futures may be sent to another thread.
    let looks: Vec<_> = looks.map(FutureExt::boxed).collect();
    let found: Vec<Option<Hour>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Hours whose raw files are listed side by side.
const AT_ONCE: usize = 16;
/// How many objects the log names at most.
const NAMED: usize = 10;

/// The hours of a range, or all, that one of the tables which merge writes has a partition of.
async fn merged_hours(lake: &Lake, range: Option<(Hour, Hour)>) -> Result<Vec<Hour>> {
    if let Some((from, to)) = range {
        return Ok(Hour::range(from, to).collect());
    }
    let layout = &lake.layout;
    let published = publications::heads_since::<Hour>(lake, &layout.merged, None).await?;
    let mut hours: BTreeSet<Hour> = published.into_iter().map(|(hour, _)| hour).collect();
    for table in [&layout.copies, &layout.malformed] {
        let partitions = lake.catalog.partitions(&table.name, &PartitionFilter::default()).await?;
        hours.extend(partitions.iter().filter_map(|partition| period_of_values::<Hour>(&partition.values)));
    }
    Ok(hours.into_iter().collect())
}

/// Vacuums the whole lake.
async fn vacuum(lake: &Lake, deadline: Option<Instant>) -> Result<Vacuumed> {
    let staging = vacuum_staging(lake).await?;
    let merged = vacuum_table::<Hour>(lake, &lake.layout.merged, &[], deadline).await?;
    let daily = vacuum_table::<Day>(lake, &lake.layout.usage_daily, &[], deadline).await?;
    let monthly = vacuum_table::<Month>(lake, &lake.layout.invoices, &[&lake.layout.line_items], deadline).await?;
    let generations = merged.generations + daily.generations + monthly.generations;
    Ok(Vacuumed { generations, staging_tables: staging.staging_tables })
}

fn range(lake: &Lake, args: &Args, context: &Context) -> Result<Option<(Hour, Hour)>> {
    if args.full {
        return Ok(None);
    }
    if args.from.is_some() || args.to.is_some() {
        let hours = selected_periods(None, args.from, args.to, context.now)?;
        return Ok(hours.first().copied().zip(hours.last().copied()));
    }
    let hours = i32::try_from(lake.config.repair.hours.max(1))
        .map_err(|_| WrongArguments("the setting repair.hours is too large".to_owned()))?;
    // The running hour has files already; registering it early does no harm.
    let running = Hour::containing(context.now);
    Ok(Some((running.offset(-hours), running)))
}

/// The original design's statement, for both raw tables. It registers a folder under the values that its name spells, as we do.
fn msck(lake: &Lake) -> [Statement; 2] {
    [&lake.layout.raw.name, &lake.layout.lines.name].map(|table| Statement {
        label: "msck".to_owned(),
        sql: format!("MSCK REPAIR TABLE `{}`.`{}`", table.database, table.table),
        database: lake.config.database.clone(),
        token: None,
    })
}
