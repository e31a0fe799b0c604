//! Makes the catalog of the raw table agree with the folders that Firehose writes: adds what is missing, removes what
//! has no folder, and mends a folder that is registered twice, in which every call would be counted twice.

use std::fmt;

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::catalog::required_table;
use meterlake_core::engine::Statement;
use meterlake_core::lake::Lake;
use meterlake_core::partitions::{self, Repair};
use meterlake_core::period::{Day, Hour, Month, Period};
use meterlake_core::publish::{Vacuumed, vacuum_notes, vacuum_staging, vacuum_table};
use meterlake_core::run::{Context, Job, Output, WrongArguments, selected_periods};
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
    /// Look at every folder and every partition
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub full: bool,
    /// Run MSCK REPAIR TABLE, then mend what it registers twice
    #[arg(long)]
    pub msck: bool,
    /// Also delete, in the whole lake, superseded and orphaned generations, staging tables, and old notes of runs
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
    /// Folders that were registered twice, or under other values or elsewhere.
    pub mended: u64,
    /// Folders that are no partition, left as they are.
    pub ignored: u64,
    /// Generations deleted by `--vacuum`.
    pub vacuumed_generations: u64,
    /// Staging tables dropped by `--vacuum`.
    pub vacuumed_staging_tables: u64,
    /// Notes deleted by `--vacuum` that runs kept of themselves below `.meterlake/`.
    pub vacuumed_notes: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, folders, added, removed, mended, ignored, .. } = self;
        write!(
            f,
            "repair {period}: {folders} folders; partitions: {added} added, {removed} removed, {mended} mended; \
             {ignored} folders are no partition"
        )?;
        let (generations, tables) = (self.vacuumed_generations, self.vacuumed_staging_tables);
        let notes = self.vacuumed_notes;
        if generations + tables + notes > 0 {
            write!(f, "; vacuumed {generations} generations, {tables} staging tables, {notes} notes")?;
        }
        Ok(())
    }
}

#[async_trait]
impl Job for RepairJob {
    const NAME: &'static str = "repair";
    const ABOUT: &'static str = "Makes the catalog of the raw table agree with its folders";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        let range = range(lake, args, context)?;
        if context.dry_run && args.msck {
            output.plan("repair would first run", &[msck(lake).sql])?;
        }
        let report = run(lake, range, args, context.dry_run).await?;
        output.report(&report)
    }
}

/// Repairs a range of hours, or all.
///
/// # Errors
/// The raw table does not exist, or the store or catalog failed; running it again goes on where it stopped.
pub async fn run(lake: &Lake, range: Option<(Hour, Hour)>, args: &Args, dry_run: bool) -> Result<Report> {
    let raw = &lake.layout.raw;
    required_table(&*lake.catalog, &raw.name).await?;
    if args.msck && !dry_run {
        lake.engine.execute(&msck(lake)).await?;
    }
    let found: Repair = partitions::repair(lake, raw, range, dry_run).await?;
    for folder in &found.ignored {
        tracing::warn!(%folder, "this folder is no partition: its files are not counted");
    }
    for hour in &found.mended {
        tracing::warn!(%hour, "this hour's folder was not registered once under its own values");
    }
    let vacuumed = if args.vacuum && !dry_run { vacuum(lake).await? } else { Vacuumed::default() };
    Ok(Report {
        job: RepairJob::NAME,
        period: range.map_or_else(|| "all".to_owned(), |(from, to)| format!("{from}/{to}")),
        folders: found.folders,
        added: found.added.len() as u64,
        removed: found.removed,
        mended: found.mended.len() as u64,
        ignored: found.ignored.len() as u64,
        vacuumed_generations: vacuumed.generations,
        vacuumed_staging_tables: vacuumed.staging_tables,
        vacuumed_notes: vacuumed.notes,
    })
}

/// Vacuums the whole lake.
async fn vacuum(lake: &Lake) -> Result<Vacuumed> {
    let staging = vacuum_staging(lake).await?;
    let merged = vacuum_table::<Hour>(lake, &lake.layout.merged, &[]).await?;
    let daily = vacuum_table::<Day>(lake, &lake.layout.usage_daily, &[]).await?;
    let monthly = vacuum_table::<Month>(lake, &lake.layout.invoices, &[&lake.layout.line_items]).await?;
    let generations = merged.generations + daily.generations + monthly.generations;
    let notes = vacuum_notes(lake).await?.notes;
    Ok(Vacuumed { generations, staging_tables: staging.staging_tables, notes })
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

/// The original design's statement. It registers `month=01` with the value `01` beside `1`, which is mended after it.
fn msck(lake: &Lake) -> Statement {
    let table = &lake.layout.raw.name;
    Statement {
        label: "msck".to_owned(),
        sql: format!("MSCK REPAIR TABLE `{}`.`{}`", table.database, table.table),
        database: lake.config.database.clone(),
        token: None,
    }
}
