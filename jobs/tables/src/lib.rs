//! Creates the tables of a lake, and brings them to the newest version: each file of `sql/tables/` is applied once, in
//! order, and remembered with its checksum in the catalog. It also notes the first hour of the lake, before which no job looks
//! for calls.

mod progress;

use std::fmt;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use meterlake_core::beginning::{Beginning, first_known_hour};
use meterlake_core::catalog::Parameters;
use meterlake_core::engine::Statement;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::run::{Context, Job, Output};
use meterlake_core::sql::{SqlFile, SqlValues};
use serde::{Deserialize, Serialize};

/// The key, followed by the version, under which the database remembers a file's checksum.
const APPLIED: &str = "meterlake.tables.v";

/// The job `tables`.
pub struct TablesJob;

/// What `tables` may be told.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args {
    /// The first hour of the lake, UTC: before it nothing is waited for [default: noted once, the first hour with raw files, or
    /// else the running one]
    #[arg(long, value_name = "HOUR")]
    pub begins: Option<Hour>,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `tables`
    pub job: &'static str,
    /// What it is of.
    #[serde(flatten)]
    pub what: What,
    /// What happened.
    pub status: Status,
}

/// What a report is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A SQL file, by name and version: `access_log@1`.
    Sql(String),
    /// The first hour of the lake.
    Begins(Hour),
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The file's statements were run, or the first hour was noted.
    Applied,
    /// That was done before.
    Unchanged,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.what, self.status) {
            (What::Sql(sql), Status::Applied) => write!(f, "tables {sql}: applied"),
            (What::Sql(sql), Status::Unchanged) => write!(f, "tables {sql}: applied before"),
            (What::Begins(hour), Status::Applied) => write!(f, "tables: the lake begins at {hour}"),
            (What::Begins(hour), Status::Unchanged) => write!(f, "tables: the lake begins at {hour}, as noted before"),
        }
    }
}

#[async_trait]
impl Job for TablesJob {
    const NAME: &'static str = "tables";
    const ABOUT: &'static str = "Creates the tables of a lake and brings them to the newest version";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        for step in plan(lake).await? {
            if !context.dry_run {
                output.report(&step.apply(lake).await?)?;
            } else if step.is_applied {
                output.plan(&format!("{} was applied before", step.file.label()), &[])?;
            } else {
                output.plan(&format!("{} would be applied", step.file.label()), &step.statements)?;
            }
        }
        begin(lake, args, context, output).await
    }
}

/// Notes the first hour of the lake: the one that is asked for, or else, once, the first that may have calls.
async fn begin(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
    loop {
        let beginning = Beginning::look(lake).await?;
        let first = match args.begins.or(beginning.first) {
            Some(first) => first,
            None => first_known_hour(lake).await?.unwrap_or_else(|| Hour::containing(context.now)),
        };
        let is_noted = beginning.first == Some(first);
        if context.dry_run {
            let would = if is_noted { "begins" } else { "would begin" };
            return output.plan(&format!("the lake {would} at {first}"), &[]);
        }
        let status = if is_noted { Status::Unchanged } else { Status::Applied };
        // Another run may have noted one meanwhile.
        if is_noted || beginning.move_to(lake, first).await? {
            return output.report(&Report { job: TablesJob::NAME, what: What::Begins(first), status });
        }
    }
}

/// A file, rendered.
#[derive(Debug, Clone)]
pub struct Step {
    file: SqlFile,
    statements: Vec<String>,
    is_applied: bool,
}

/// The files of `sql/tables/`, in order, each with whether it was applied.
///
/// # Errors
/// A file is wrong, or differs from the one that was applied under its version.
pub async fn plan(lake: &Lake) -> Result<Vec<Step>> {
    let database = lake.catalog.database(&lake.config.database).await?;
    let applied: Parameters = database.map(|database| database.parameters).unwrap_or_default();
    let mut steps = Vec::new();
    for file in lake.sql.tables()? {
        let checksum = applied.get(&applied_key(&file));
        if let Some(checksum) = checksum
            && *checksum != file.checksum()
        {
            bail!(
                "the SQL file {} was edited after it was applied: undo the edit, and put the change into a new file \
                 with the next version",
                file.path
            );
        }
        steps.push(Step { statements: file.render(&values(lake, &file))?, is_applied: checksum.is_some(), file });
    }
    if let Some(newer) = applied.keys().filter_map(|key| key.strip_prefix(APPLIED)?.parse::<usize>().ok()).max()
        && newer > steps.len()
    {
        bail!("the lake has version {newer} of its tables, this program only {}: use a newer one", steps.len());
    }
    Ok(steps)
}

impl Step {
    /// Runs the file's statements, if they have not been run, and remembers that.
    ///
    /// # Errors
    /// A statement fails. The next try goes on with it.
    pub async fn apply(&self, lake: &Lake) -> Result<Report> {
        if !self.is_applied {
            let label = self.file.label();
            let done = progress::statements_run(lake, &label).await?;
            for (number, sql) in self.statements.iter().enumerate().skip(done) {
                progress::note(lake, &label, number).await?;
                let (label, sql) = (label.clone(), sql.clone());
                let database = lake.config.database.clone();
                lake.engine.execute(&Statement { label, sql, database, token: None }).await?;
            }
            let (key, checksum) = (applied_key(&self.file), self.file.checksum());
            let remembered = lake.catalog.set_database_parameter(&lake.config.database, &key, &checksum).await;
            remembered.with_context(|| format!("cannot remember that {} was applied", self.file.label()))?;
        }
        let status = if self.is_applied { Status::Unchanged } else { Status::Applied };
        Ok(Report { job: TablesJob::NAME, what: What::Sql(self.file.label()), status })
    }
}

fn applied_key(file: &SqlFile) -> String {
    format!("{APPLIED}{}", file.version())
}

/// What a file's parameters stand for: every table's name and folder.
fn values(lake: &Lake, file: &SqlFile) -> SqlValues {
    let layout = &lake.layout;
    let all = SqlValues::from([
        ("database", (&lake.config.database).into()),
        ("raw_table", (&layout.raw.name).into()),
        ("raw_location", (&layout.raw.folder).into()),
        ("lines_table", (&layout.lines.name).into()),
        ("merged_table", (&layout.merged.name).into()),
        ("merged_location", (&layout.merged.folder).into()),
        ("copies_table", (&layout.copies.name).into()),
        ("copies_location", (&layout.copies.folder).into()),
        ("malformed_table", (&layout.malformed.name).into()),
        ("malformed_location", (&layout.malformed.folder).into()),
        ("usage_daily_table", (&layout.usage_daily.name).into()),
        ("usage_daily_location", (&layout.usage_daily.folder).into()),
        ("invoices_table", (&layout.invoices.name).into()),
        ("invoices_location", (&layout.invoices.folder).into()),
        ("line_items_table", (&layout.line_items.name).into()),
    ]);
    all.into_iter().filter(|(name, _)| file.has_parameter(name)).collect()
}
