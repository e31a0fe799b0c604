//! Running one statement on the embedded engine or on Trino.

use std::sync::Arc;

use anyhow::{Context, Result};
use meterlake_core::catalog::Catalog;
use meterlake_core::engine::{Engine, Statement};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_core::store::{Store, visible_objects};
use meterlake_embedded::EmbeddedEngine;

use crate::columns::{Column, metadata};
use crate::execution::{Execution, Gave, Table};
use crate::failure::Failure;
use crate::kind::{self, Kind};
use crate::parameters::{only_statement, with_parameters};
use crate::results;
use crate::show::Question;
use crate::trino::{CATALOG, Rewritten, Trino};

/// What statements run on.
pub(crate) struct Machine {
    pub(crate) engine: EmbeddedEngine,
    /// Runs queries and what they write, in the engine's place.
    pub(crate) trino: Option<Trino>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Arc<dyn Catalog>,
}

impl Machine {
    /// Runs an execution's statement, and writes its result.
    pub(crate) async fn run(&self, execution: &Execution) -> Result<Gave, Failure> {
        let kind = execution.kind;
        let request = &execution.request;
        let sql = only_statement(&request.query_string).unwrap_or(&request.query_string);
        let mut sql =
            with_parameters(sql, &request.execution_parameters).map_err(|error| Failure::user(error.to_string()))?;
        let mut target = kind::target(kind, &sql);
        if kind == Kind::CreateTableAs && target.is_none() {
            let folder = location(&execution.result_path())?;
            sql = kind::placed_at(&sql, &folder);
            target = Some(folder);
        }
        let database = request.query_execution_context.database.as_deref().unwrap_or("default");
        // Some clients name it as a statement would: in quotes.
        let database: Name = database.trim_matches('`').parse().map_err(|error| Failure::user(format!("{error:#}")))?;
        let statement = Statement { label: execution.id.clone(), sql: sql.trim().to_owned(), database, token: None };
        let mut gave =
            self.answer(kind, &statement).await.map_err(|error| Failure::of_engine(&error, target.as_ref()))?;
        let written = self.write_results(execution, &mut gave, target.as_ref()).await;
        written.map_err(|error| Failure::user(format!("{error:#}")))?;
        Ok(gave)
    }

    async fn answer(&self, kind: Kind, statement: &Statement) -> Result<Gave> {
        if let Some(question) = Question::of(&statement.sql, &statement.database)? {
            let found = question.answer(&*self.catalog).await.context("the catalog was asked")?;
            let columns = found.columns.iter().map(|name| Column::new(name, "string")).collect();
            // Athena gives a line as one cell, also where it stands for several.
            let rows = found.lines.into_iter().map(|line| vec![Some(line)]).collect();
            return Ok(Gave { table: Arc::new(Table { columns, rows }), ..Gave::default() });
        }
        if let Some(trino) = self.trino.as_ref().filter(|_| kind.is_trinos()) {
            return self.ask_trino(trino, kind, statement).await;
        }
        if kind.gives_rows() {
            let found = self.engine.typed_query(statement).await?;
            let columns = found.rows.columns.iter().zip(&found.types);
            let columns = columns.map(|(name, data_type)| Column::new(name, data_type)).collect();
            let scanned_bytes = found.rows.scan.bytes;
            let table = Arc::new(Table { columns, rows: found.rows.rows });
            return Ok(Gave { table, scanned_bytes, ..Gave::default() });
        }
        let outcome = self.engine.execute(statement).await?;
        let columns = if kind.writes_rows() { vec![Column::new("rows", "bigint")] } else { Vec::new() };
        Ok(Gave {
            table: Arc::new(Table { columns, rows: Vec::new() }),
            // Athena does not say it of an UNLOAD.
            written: if kind == Kind::Unload { 0 } else { outcome.rows },
            scanned_bytes: outcome.scan.bytes,
            manifest: None,
        })
    }

    async fn ask_trino(&self, trino: &Trino, kind: Kind, statement: &Statement) -> Result<Gave> {
        let Statement { sql, database, label, .. } = statement;
        let unloaded = TableName::new(database.clone(), format!("unload_{}", label.replace('-', "_")).parse()?);
        let name = format!("{CATALOG}.\"{database}\".\"{}\"", unloaded.table);
        let rewritten = Rewritten::of(kind, sql, &name)?;
        let answer = trino.run(&rewritten.query(database.as_str())).await;
        let answer = answer.map_err(|error| rewritten.explain(error, sql))?;
        if kind == Kind::Unload {
            // The rows stay where they are. A task of its own, so that the table goes also if the query is stopped now.
            let catalog = Arc::clone(&self.catalog);
            tokio::spawn(async move { catalog.drop_table(&unloaded).await }).await??;
        }
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        if kind.writes_rows() {
            columns.push(Column::new("rows", "bigint"));
        } else {
            let found = answer.columns.iter();
            columns.extend(found.map(|(name, data_type)| Column::new(&name.to_lowercase(), &data_type.to_lowercase())));
            rows = answer.rows;
        }
        Ok(Gave {
            table: Arc::new(Table { columns, rows }),
            written: if kind == Kind::Unload { 0 } else { answer.written.unwrap_or(0) },
            scanned_bytes: answer.scanned_bytes,
            manifest: None,
        })
    }

    /// Writes the objects that Athena leaves among the results.
    async fn write_results(&self, execution: &Execution, gave: &mut Gave, target: Option<&Location>) -> Result<()> {
        if !execution.kind.writes_rows() {
            let object = results::object(execution.kind, &gave.table);
            self.store.write(&execution.output_location().parse()?, object.as_bytes()).await?;
        }
        if let Some(folder) = target {
            // The folder was empty before. Clients read the files that the manifest names.
            let objects = visible_objects(&*self.store, folder).await?;
            let list: String = objects.iter().map(|object| format!("{}\n", object.location)).collect();
            let manifest = format!("{}-manifest.csv", execution.result_path());
            self.store.write(&manifest.parse()?, list.as_bytes()).await?;
            gave.manifest = Some(manifest);
        }
        let metadata = metadata(&execution.id, &gave.table.columns);
        self.store.write(&execution.metadata_location().parse()?, &metadata).await
    }
}

fn location(text: &str) -> Result<Location, Failure> {
    text.parse().map_err(|error| Failure::user(format!("{error:#}")))
}
