//! Runs a query over a lake and prints its rows.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use meterlake_core::as_of::AsOf;
use meterlake_core::catalog::Catalog;
use meterlake_core::engine::{Rows, Statement};
use meterlake_core::lake::Lake;
use meterlake_core::run::{Context, Job, Output, WrongArguments};
use serde::{Deserialize, Serialize};

/// The job `query`.
pub struct QueryJob;

/// The query.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args {
    /// The statement, in Athena's dialect
    #[arg(value_name = "SQL", conflicts_with = "file")]
    pub statement: Option<String>,
    /// A file with the statement
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Ask the lake as it was at this time, like 2023-02-03T02:00:00Z, as far as what was superseded since is kept
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<DateTime<Utc>>,
}

/// The rows of a query, printed as a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Report(pub Rows);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rows { columns, rows, .. } = &self.0;
        let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
        let lines: Vec<Vec<String>> =
            std::iter::once(columns.clone()).chain(rows.iter().map(|row| row.iter().map(cell).collect())).collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default())
            .collect();
        for (number, line) in lines.iter().enumerate() {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                writeln!(f, "{}", rules.join("  "))?;
            }
        }
        write!(f, "({} rows)", rows.len())
    }
}

#[async_trait]
impl Job for QueryJob {
    const NAME: &'static str = "query";
    const ABOUT: &'static str = "Runs a query over a lake and prints its rows";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        let sql = match (&args.statement, &args.file) {
            (Some(statement), _) => statement.clone(),
            (None, Some(file)) => {
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
            }
            (None, None) => return Err(WrongArguments("give a query, or --file".to_owned()).into()),
        };
        if context.dry_run {
            return output.plan("the query would run", &[sql]);
        }
        let rows = match args.as_of {
            Some(time) => run(&as_of(lake, time).await?, &sql).await?,
            None => run(lake, &sql).await?,
        };
        output.report(&Report(rows))
    }
}

/// The lake as it was.
async fn as_of(lake: &Lake, time: DateTime<Utc>) -> Result<Lake> {
    let catalog: Arc<dyn Catalog> = Arc::new(AsOf::new(lake, time).await?);
    let Some(engine) = lake.engine.over(Arc::clone(&catalog)) else {
        return Err(
            WrongArguments("--as-of needs the embedded engine: Athena reads what is published now".to_owned()).into()
        );
    };
    Ok(Lake { catalog, engine, ..lake.clone() })
}

/// Runs a query.
///
/// # Errors
/// The engine refuses it or it fails.
pub async fn run(lake: &Lake, sql: &str) -> Result<Rows> {
    let statement = Statement {
        label: "the query".to_owned(),
        sql: sql.to_owned(),
        database: lake.config.database.clone(),
        token: None,
    };
    lake.engine.query(&statement).await
}
