//! Running one statement on the embedded engine.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use meterlake_core::catalog::Catalog;
use meterlake_core::engine::{Engine, Statement};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_core::store::{Store, visible_objects};

use crate::execution::{Execution, Failure, Gave};
use crate::kind::{self, Kind};
use crate::results;

/// What statements run on.
pub(crate) struct Machine {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Arc<dyn Catalog>,
}

impl Machine {
    /// Runs an execution's statement, and writes its result.
    pub(crate) async fn run(&self, execution: &Execution) -> Result<Gave, Failure> {
        let run = async {
            let sql = kind::with_parameters(&execution.request.query_string, &execution.request.execution_parameters)
                .context("Incorrect number of parameters")?;
            // Athena takes one semicolon at the end, the engine none.
            let sql = sql.trim_end().trim_end_matches(';').to_owned();
            let target = kind::target(execution.kind, &sql);
            let database = execution.request.query_execution_context.database.as_deref().unwrap_or("default");
            let database: Name = database.parse().context("the database's name is none")?;
            let statement = Statement {
                label: execution.id.clone(),
                sql,
                database: database.clone(),
                malformed: None,
                token: None,
            };
            let ran = if execution.kind.gives_rows() {
                self.engine.query(&statement).await.map(|rows| Gave {
                    scanned_bytes: rows.scan.bytes,
                    rows: Arc::new(rows),
                    ..Gave::default()
                })
            } else {
                self.engine.execute(&statement).await.map(|outcome| Gave {
                    written: if execution.kind == Kind::Unload { 0 } else { outcome.rows },
                    scanned_bytes: outcome.scan.bytes,
                    ..Gave::default()
                })
            };
            let mut gave = ran.map_err(|error| told(&error, target.as_ref()))?;
            let object: Location = execution.output_location().parse()?;
            self.store.write(&object, results::object(execution.kind, &gave.rows).as_bytes()).await?;
            if let Some(folder) = self.written_to(execution.kind, target, &statement.sql, &database).await? {
                gave.manifest = Some(self.manifest(execution, &folder).await?);
            }
            Ok::<_, anyhow::Error>(gave)
        };
        run.await.map_err(|error| Failure {
            message: format!("{error:#}"),
            // What the engine says of a statement is nearly always about the statement.
            category: 2,
            number: 1100,
            is_retryable: false,
        })
    }

    /// The folder that a CTAS or an UNLOAD wrote to.
    async fn written_to(
        &self,
        kind: Kind,
        target: Option<Location>,
        sql: &str,
        database: &Name,
    ) -> Result<Option<Location>> {
        if target.is_some() || kind != Kind::CreateTableAs {
            return Ok(target);
        }
        let Some(name) = kind::created_table(sql) else { return Ok(None) };
        let database = name.0.map_or_else(|| Ok(database.clone()), |name| name.parse())?;
        let table = self.catalog.table(&TableName::new(database, name.1.parse()?)).await?;
        Ok(table.map(|table| table.location))
    }

    /// Writes down what lies in a folder that was empty before: clients read the files that it names.
    async fn manifest(&self, execution: &Execution, folder: &Location) -> Result<String> {
        let objects = visible_objects(&*self.store, folder).await?;
        let list: String = objects.iter().map(|object| format!("{}\n", object.location)).collect();
        let manifest = format!("{}/{}-manifest.csv", execution.output(), execution.id);
        self.store.write(&manifest.parse()?, list.as_bytes()).await?;
        Ok(manifest)
    }
}

/// What Athena would say, where programs look for it; else the engine's own words, without our name of the statement.
fn told(error: &anyhow::Error, target: Option<&Location>) -> anyhow::Error {
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    let said = if causes.is_empty() { error.to_string() } else { causes.join(": ") };
    match target {
        Some(folder) if said.contains("is not empty: write to a new one") => anyhow!(
            "HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {folder}. You may need to manually \
             clean the data at location '{folder}' before retrying. Athena will not delete data in your account."
        ),
        _ => anyhow!(said),
    }
}
