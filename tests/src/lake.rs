//! A lake in a temporary folder, and the jobs run over it in process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use chrono::Utc;
use meterlake_core::catalog::{Partition, PartitionFilter};
use meterlake_core::config::Config;
use meterlake_core::engine::{Outcome, Statement};
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::{Day, Hour, Period};
use meterlake_core::publish::Publication;
use meterlake_core::run::{Context, Job, Output};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, Report as Repaired};
use meterlake_tables::TablesJob;
use serde_json::Value;
use tempfile::TempDir;

use crate::tree::{Tree, copy_tree, tree};

/// A row as text; SQL NULL is `None`.
pub type Row = Vec<Option<String>>;

/// A lake that is gone when the test is over.
pub struct TestLake {
    /// The folder that the lake's folder lies in, for what a test keeps beside it.
    pub beside: TempDir,
    /// The lake, open.
    pub lake: Lake,
}

/// An hour written `2023-01-31T06`.
#[must_use]
pub fn hour(text: &str) -> Hour {
    text.parse().expect("an hour")
}

/// Arguments of `merge` for one hour.
#[must_use]
pub fn one(hour: Hour) -> MergeArgs {
    MergeArgs { hour: Some(Some(hour)), ..MergeArgs::default() }
}

/// Arguments of `merge` for a range of hours.
#[must_use]
pub fn range(from: Hour, to: Hour) -> MergeArgs {
    MergeArgs { from: Some(from), to: Some(to), ..MergeArgs::default() }
}

/// Runs a job and gives its reports as JSON.
///
/// # Errors
/// The job's.
pub async fn run<J: Job>(lake: &Lake, args: &J::Args) -> Result<Vec<Value>> {
    let mut output = Output::keep();
    J::run(lake, args, &Context { now: lake.clock.now(), dry_run: false, deadline: None }, &mut output).await?;
    Ok(output.into_kept())
}

/// What a job knows of a run of now.
#[must_use]
pub fn context(dry_run: bool) -> Context {
    Context { now: Utc::now(), dry_run, deadline: None }
}

/// Makes the tables of a lake that has no beginning: a test puts files of any time into it.
///
/// # Errors
/// The tables cannot be made.
pub async fn tables(lake: &Lake) -> Result<()> {
    run::<TablesJob>(lake, &Default::default()).await?;
    lake.store.delete_folder(&lake.config.lake.join(meterlake_core::log::FOLDER).join("lake")).await
}

/// Period and status of each report, such as `2023-01-31T06 published`.
#[must_use]
pub fn statuses(reports: &[Value]) -> Vec<String> {
    let text = |report: &Value, key: &str| report[key].as_str().expect("a text").to_owned();
    reports.iter().map(|report| format!("{} {}", text(report, "period"), text(report, "status"))).collect()
}

/// A query over one hour of a table.
fn of_hour(columns: &str, table: &str, hour: Hour) -> String {
    let [year, month, day, hour]: [u32; 4] = hour.numbers().try_into().expect("four keys");
    format!("SELECT {columns} FROM {table} WHERE year = {year} AND month = {month} AND day = {day} AND hour = {hour}")
}

/// Rows, duplicates and malformed lines of a report.
#[must_use]
pub fn counts(report: &Value) -> (u64, u64, u64) {
    let number = |key: &str| report[key].as_u64().expect("a number");
    (number("rows"), number("duplicates"), number("malformed"))
}

impl TestLake {
    /// A lake without tables.
    pub async fn bare() -> Self {
        Self::named("lake").await
    }

    /// A lake without tables in a folder of this name.
    pub async fn named(name: &str) -> Self {
        let beside = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(beside.path().join(name)).expect("a new folder");
        let lake = Location::from_path(&beside.path().join(name)).expect("a path in UTF-8");
        let config = Config { lake, ..Config::default() };
        let lake = meterlake_embedded::connect(config).await.expect("a lake that opens");
        Self { beside, lake }
    }

    /// A lake with its tables.
    pub async fn new() -> Self {
        let lake = Self::bare().await;
        tables(&lake.lake).await.expect("tables that can be created");
        lake
    }

    /// Copies the lake beside itself, for [`TestLake::restore`].
    pub fn save(&self) {
        copy_tree(&self.folder(), &self.beside.path().join("saved"));
    }

    /// Makes the lake what it was when it was saved.
    pub async fn restore(&mut self) {
        fs::remove_dir_all(self.folder()).expect("a folder that can be removed");
        copy_tree(&self.beside.path().join("saved"), &self.folder());
        self.lake = meterlake_embedded::connect(self.lake.config.clone()).await.expect("a lake that opens");
    }

    /// The lake's folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.lake.config.lake.to_path().expect("a local lake")
    }

    /// The folder of an hour's raw objects.
    #[must_use]
    pub fn raw_folder(&self, hour: Hour) -> PathBuf {
        self.lake.layout.raw.folder_of(hour).to_path().expect("a local lake")
    }

    /// Writes a raw object and gives its path.
    pub fn put(&self, hour: Hour, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let folder = self.raw_folder(hour);
        fs::create_dir_all(&folder).expect("a folder that can be made");
        fs::write(folder.join(name), content).expect("a file that can be written");
        folder.join(name)
    }

    /// Runs `merge` and gives its reports.
    pub async fn merge(&self, args: &MergeArgs) -> Vec<Value> {
        run::<MergeJob>(&self.lake, args).await.expect("a merge that succeeds")
    }

    /// Runs `merge` for one hour, without a look back, and gives its report.
    pub async fn merge_hour(&self, hour: Hour) -> Value {
        self.merge(&MergeArgs { lookback: Some(0), ..one(hour) }).await.remove(0)
    }

    /// Runs `merge` and gives its error in one line.
    pub async fn merge_fails(&self, args: &MergeArgs) -> String {
        let error = run::<MergeJob>(&self.lake, args).await.expect_err("a merge that fails");
        meterlake_core::run::one_line(&error)
    }

    /// Runs `repair` for all hours.
    pub async fn repair(&self, args: &RepairArgs) -> Repaired {
        meterlake_repair::run(&self.lake, None, args, &context(false)).await.expect("a repair that succeeds")
    }

    /// Deletes all that is superseded or orphaned, however young.
    pub async fn vacuum(&self) {
        let mut lake = self.lake.clone();
        lake.config.vacuum_after = Duration::ZERO;
        let args = RepairArgs { vacuum: true, ..RepairArgs::default() };
        meterlake_repair::run(&lake, None, &args, &context(false)).await.expect("a vacuum that succeeds");
    }

    /// Runs a query.
    pub async fn query(&self, sql: &str) -> Vec<Row> {
        self.lake.engine.query(&self.statement(sql)).await.expect("a query that succeeds").rows
    }

    /// Runs a query that gives one number.
    pub async fn number(&self, sql: &str) -> u64 {
        let rows = self.query(sql).await;
        rows[0][0].as_deref().expect("a value").parse().expect("a number")
    }

    /// Runs a statement for what it does.
    pub async fn execute(&self, sql: &str) -> Outcome {
        self.lake.engine.execute(&self.statement(sql)).await.expect("a statement that succeeds")
    }

    fn statement(&self, sql: &str) -> Statement {
        let database = self.lake.config.database.clone();
        Statement { label: "the test's statement".to_owned(), sql: sql.to_owned(), database, token: None }
    }

    /// The whole merged table, sorted: the hour of arrival, then the columns.
    pub async fn merged(&self) -> Vec<Row> {
        let mut rows = self
            .query(
                "SELECT year, month, day, hour, requestid, extendedrequestid, ip, \"user\", requesttime, httpmethod, \
                 resourcepath, status, protocol, responselength FROM restapi_access_log_parquet",
            )
            .await;
        rows.sort();
        rows
    }

    /// How many calls an hour of the merged table has.
    pub async fn calls_in(&self, hour: Hour) -> u64 {
        self.number(&of_hour("count(*)", "restapi_access_log_parquet", hour)).await
    }

    /// How many calls the merged table has.
    pub async fn calls(&self) -> u64 {
        self.number("SELECT count(*) FROM restapi_access_log_parquet").await
    }

    /// The published partitions, of merged hours and of daily usage.
    pub async fn published(&self) -> Vec<Partition> {
        let mut published = Vec::new();
        for table in [&self.lake.layout.merged.name, &self.lake.layout.usage_daily.name] {
            let found = self.lake.catalog.partitions(table, &PartitionFilter::default()).await;
            published.extend(found.expect("a catalog that answers"));
        }
        published
    }

    /// The folders of the published invoices.
    async fn invoice_folders(&self) -> Vec<PathBuf> {
        let invoices = self.lake.catalog.partitions(&self.lake.layout.invoices.name, &PartitionFilter::default()).await;
        let invoices = invoices.unwrap_or_default();
        // run=…/tables/invoices
        let folder = |partition: &Partition| partition.location.parent().parent().to_path();
        invoices.iter().filter_map(folder).collect()
    }

    /// The malformed lines of an hour, sorted: object below the raw folder, piece, reason, text.
    pub async fn malformed(&self, hour: Hour) -> Vec<Row> {
        let columns = "object, piece, reason, line";
        self.query(&format!("{} ORDER BY 1, 4, 2", of_hour(columns, "restapi_access_log_malformed", hour))).await
    }

    /// How many copies an hour left out, by the table of copies.
    pub async fn copies_in(&self, hour: Hour) -> u64 {
        self.number(&of_hour("count(*)", "restapi_access_log_copies", hour)).await
    }

    /// The lake's files, without the catalog's.
    #[must_use]
    pub fn files(&self) -> Tree {
        let catalog = self.folder().join(".meterlake");
        tree(&self.folder()).into_iter().filter(|(path, _)| !path.starts_with(&catalog)).collect()
    }

    /// Vacuums, and checks that only raw files, the catalog and published generations are left.
    ///
    /// # Panics
    /// Something else is left.
    pub async fn assert_no_stray(&self, when: &str) {
        self.vacuum().await;
        let tables = self.lake.catalog.tables(&self.lake.config.database).await.expect("a catalog that answers");
        let staging: Vec<_> = tables.iter().filter(|name| name.as_str().contains("staging")).collect();
        assert!(staging.is_empty(), "staging tables {when}: {staging:?}");

        let published = self.published().await;
        let invoices = self.invoice_folders().await;
        let is_of = |path: &Path| {
            if invoices.iter().any(|folder| path.starts_with(folder)) {
                return !path.to_string_lossy().ends_with(".tmp");
            }
            // A generation's own objects, and below them a folder for each kind of row that merge writes.
            let generation = |one: &Partition| Generation::folder_around(&one.location).to_path();
            let partition = published.iter().find(|one| generation(one).is_some_and(|folder| path.starts_with(folder)));
            let Some(partition) = partition else { return false };
            let hour = Publication::<Hour>::of(partition).map(|one| one.notes);
            let rows = hour.map(|hour| hour.rows + hour.duplicates + hour.malformed);
            let rows = rows.or_else(|| Publication::<Day>::of(partition).map(|one| one.notes.rows));
            let written = rows.expect("a publication") > 0;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == "_inputs.json" || (written && name.ends_with(".parquet"))
        };
        let raw = self.lake.layout.raw.folder.to_path().expect("a local lake");
        let stray: Vec<PathBuf> =
            self.files().into_keys().filter(|path| !path.starts_with(&raw) && !is_of(path)).collect();
        assert!(stray.is_empty(), "stray files {when}: {stray:?}");
    }
}
