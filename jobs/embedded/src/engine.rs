//! The embedded engine: Athena's statements in process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use aws_config::SdkConfig;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use meterlake_core::catalog::{Catalog, Partition, Table};
use meterlake_core::engine::{Engine, Outcome, Rows, Scan, Statement};
use meterlake_core::location::Location;
use meterlake_core::names::TableName;
use meterlake_core::store::Store;

use crate::ddl::Ddl;
use crate::dialect;
use crate::functions::trino_name;
use crate::lines::LineFormat;
use crate::objects::list;
use crate::session::Sessions;
use crate::statement::{Output, OutputFormat, Parsed, TableRef, parse};
use crate::table::{self, Reader};
use crate::text::append_text;
use crate::write::{ResultColumns, Target, Written, write};

/// Runs Athena's statements on DataFusion.
#[derive(Clone)]
pub struct EmbeddedEngine {
    store: Arc<dyn Store>,
    catalog: Arc<dyn Catalog>,
    sessions: Sessions,
    /// The folder of tables that are created without a location.
    tables: Location,
}

/// Rows, and what Trino calls their columns' types, such as `decimal(10,2)`. What Hive answers (`SHOW`, `DESCRIBE`) is of
/// its type `string`.
#[derive(Debug, Clone, Default)]
pub struct TypedRows {
    /// The rows.
    pub rows: Rows,
    /// A type for each column.
    pub types: Vec<String>,
}

/// A query, planned.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    /// The result's columns, by the names that the query gives them.
    schema: Arc<Schema>,
}

/// What a statement gave.
enum Answer {
    Rows(TypedRows),
    /// How many rows it wrote.
    Written(u64),
}

/// What runs one statement.
struct Run<'a> {
    engine: &'a EmbeddedEngine,
    statement: &'a Statement,
    /// Bytes of all objects scanned, as stored.
    scanned: Arc<AtomicU64>,
}

impl EmbeddedEngine {
    /// An engine over a lake's objects and catalog.
    ///
    /// # Errors
    /// DataFusion refuses the settings.
    pub fn new(
        config: &meterlake_core::config::Config,
        store: Arc<dyn Store>,
        catalog: Arc<dyn Catalog>,
    ) -> Result<Self> {
        let sessions = Sessions::new(&config.embedded, None)?;
        Ok(Self { store, catalog, sessions, tables: config.lake.join("tables") })
    }

    /// The same, which reads and writes buckets with these settings of AWS.
    ///
    /// # Errors
    /// DataFusion refuses the settings.
    pub fn on_aws(
        config: &meterlake_core::config::Config,
        store: Arc<dyn Store>,
        catalog: Arc<dyn Catalog>,
        sdk: &SdkConfig,
    ) -> Result<Self> {
        let sessions = Sessions::new(&config.embedded, Some(sdk.clone()))?;
        Ok(Self { store, catalog, sessions, tables: config.lake.join("tables") })
    }

    /// As [`Engine::query`], with the columns' types.
    ///
    /// # Errors
    /// As for [`Engine::query`].
    pub async fn typed_query(&self, statement: &Statement) -> Result<TypedRows> {
        self.run(statement).query().await.with_context(|| format!("{} failed", statement.label))
    }

    fn run<'a>(&'a self, statement: &'a Statement) -> Run<'a> {
        Run { engine: self, statement, scanned: Arc::default() }
    }
}

#[async_trait]
impl Engine for EmbeddedEngine {
    async fn execute(&self, statement: &Statement) -> Result<Outcome> {
        let run = self.run(statement);
        run.execute().await.with_context(|| format!("{} failed", statement.label))
    }

    async fn query(&self, statement: &Statement) -> Result<Rows> {
        Ok(self.typed_query(statement).await?.rows)
    }

    fn over(&self, catalog: Arc<dyn Catalog>) -> Option<Arc<dyn Engine>> {
        Some(Arc::new(Self { catalog, ..self.clone() }))
    }
}

impl Run<'_> {
    async fn execute(&self) -> Result<Outcome> {
        let rows = match self.rows_of(parse(&self.statement.sql)?).await? {
            // A query run for what it does: its rows are let go.
            Answer::Rows(_) => 0,
            Answer::Written(rows) => rows,
        };
        Ok(Outcome { rows, scan: self.scan() })
    }

    async fn query(&self) -> Result<TypedRows> {
        let mut rows = match self.rows_of(parse(&self.statement.sql)?).await? {
            Answer::Rows(rows) => rows,
            Answer::Written(_) => TypedRows::default(),
        };
        rows.rows.scan = self.scan();
        Ok(rows)
    }

    fn scan(&self) -> Scan {
        Scan::free(self.scanned.load(Ordering::Relaxed))
    }

    async fn rows_of(&self, parsed: Parsed) -> Result<Answer> {
        let ddl = self.ddl();
        let rows = match parsed {
            Parsed::Query(query) => return self.rows(&query).await.map(Answer::Rows),
            Parsed::Explain { query } => self.explain(&query).await?,
            Parsed::ShowPartitions { table } => ddl.show_partitions(&table).await?,
            Parsed::ShowTables { database, pattern } => ddl.show_tables(database.as_ref(), pattern.as_deref()).await?,
            Parsed::Describe { table } => ddl.describe(&table).await?,
            Parsed::ShowDatabases => ddl.show_databases().await?,
            Parsed::ShowCreateTable { .. } => bail!("the embedded engine does not run SHOW CREATE TABLE: use DESCRIBE"),
            other => return self.written_by(other).await.map(Answer::Written),
        };
        let types = vec!["string".to_owned(); rows.columns.len()];
        Ok(Answer::Rows(TypedRows { rows, types }))
    }

    /// Runs a statement that gives no rows; tells how many it wrote.
    async fn written_by(&self, parsed: Parsed) -> Result<u64> {
        let ddl = self.ddl();
        match parsed {
            Parsed::CreateTableAs { table, if_not_exists, output, external_location, query, with_no_data, .. } => {
                self.create_table_as(&table, if_not_exists, output, external_location, &query, with_no_data).await
            }
            Parsed::Unload { query, to, output } => Ok(self.write_new(&query, &to, output).await?.1.rows),
            Parsed::InsertInto { table, columns, query } => {
                if !columns.is_empty() {
                    bail!("the embedded engine does not run INSERT INTO with a list of columns: select all, in order");
                }
                self.insert(&table, &query).await
            }
            Parsed::CreateDatabase { name, if_not_exists, .. } => {
                ddl.create_database(&name, if_not_exists).await.map(none)
            }
            Parsed::CreateTable {
                table, if_not_exists, columns, partition_keys, format, location, parameters, ..
            } => {
                let Some(location) = location else { bail!("CREATE EXTERNAL TABLE needs a LOCATION") };
                let name = ddl.name(&table);
                let table = Table { name, columns, partition_keys, location, format, parameters };
                // Better now than at the first query.
                LineFormat::of(&table)?;
                ddl.create_table(&table, if_not_exists).await.map(none)
            }
            Parsed::DropTable { table, if_exists } => ddl.drop_table(&table, if_exists).await.map(none),
            Parsed::AddColumns { table, columns } => ddl.add_columns(&table, columns).await.map(none),
            Parsed::SetTableProperties { table, parameters } => ddl.set_properties(&table, parameters).await.map(none),
            Parsed::AddPartitions { table, if_not_exists, partitions } => {
                ddl.add_partitions(&table, if_not_exists, partitions).await.map(none)
            }
            Parsed::DropPartitions { table, if_exists, partitions } => {
                ddl.drop_partitions(&table, if_exists, partitions).await.map(none)
            }
            Parsed::RepairTable { table } => ddl.repair(&table).await.map(none),
            _ => bail!("the statement gives rows"),
        }
    }

    fn ddl(&self) -> Ddl<'_> {
        Ddl { catalog: &self.engine.catalog, store: &self.engine.store, database: &self.statement.database }
    }

    async fn plan(&self, query: &str) -> Result<Planned> {
        let query = dialect::read(query)?;
        let reader = Reader {
            catalog: Arc::clone(&self.engine.catalog),
            store: Arc::clone(&self.engine.store),
            objects: self.engine.sessions.objects(),
            scanned: Arc::clone(&self.scanned),
            shows_path: query.mentions_path,
        };
        let context = self.engine.sessions.session(reader, &self.statement.database)?;
        let state = context.state();
        let tables = table::columns(&state, &query.statement()).await.map_err(dialect::explain_plan_error)?;
        let statement = query.rewrite(&tables)?;
        let logical = dialect::plan(&state, statement).await.map_err(dialect::explain_plan_error)?;
        let named = |field: &Arc<Field>| field.as_ref().clone().with_name(dialect::unmarked(field.name()));
        let schema = Arc::new(Schema::new(logical.schema().fields().iter().map(named).collect::<Vec<_>>()));
        let plan = state.create_physical_plan(&logical).await.map_err(dialect::explain_plan_error)?;
        Ok(Planned { plan, context: context.task_ctx(), schema })
    }

    async fn rows(&self, query: &str) -> Result<TypedRows> {
        let planned = self.plan(query).await?;
        let batches = collect(planned.plan, planned.context).await.map_err(dialect::explain_plan_error)?;
        let columns = planned.schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut rows = Vec::new();
        for batch in &batches {
            append_text(batch, &mut rows)?;
        }
        let types = planned.schema.fields().iter().map(|field| trino_name(field.data_type())).collect();
        Ok(TypedRows { rows: Rows { columns, rows, scan: Scan::default() }, types })
    }

    async fn explain(&self, query: &str) -> Result<Rows> {
        let planned = self.plan(query).await?;
        let text = displayable(planned.plan.as_ref()).indent(false).to_string();
        let rows = text.lines().map(|line| vec![Some(line.to_owned())]).collect();
        Ok(Rows { columns: vec!["Query Plan".to_owned()], rows, scan: Scan::default() })
    }

    async fn create_table_as(
        &self,
        table: &TableRef,
        if_not_exists: bool,
        output: Output,
        location: Option<Location>,
        query: &str,
        with_no_data: bool,
    ) -> Result<u64> {
        let name = self.ddl().name(table);
        if self.engine.catalog.table(&name).await?.is_some() {
            if if_not_exists {
                return Ok(0);
            }
            bail!("the table {name} already exists");
        }
        let location = location.unwrap_or_else(|| self.own_location(&name));
        let (columns, written) = if with_no_data {
            (ResultColumns::of(&self.plan(query).await?.schema, &output)?, Written::default())
        } else {
            self.write_new(query, &location, output.clone()).await?
        };
        let table = Table {
            name,
            columns: columns.columns,
            partition_keys: columns.keys,
            location,
            format: output.format.storage_format(),
            parameters: Default::default(),
        };
        self.ddl().create_table(&table, false).await?;
        self.register(&table, &written).await?;
        Ok(written.rows)
    }

    async fn insert(&self, table: &TableRef, query: &str) -> Result<u64> {
        let table = self.ddl().table(table).await?;
        let format = output_format(&table)?;
        let partitioned_by: Result<Vec<_>> = table.partition_keys.iter().map(|key| key.name.parse()).collect();
        let output = Output { format, compression: None, compression_level: None, partitioned_by: partitioned_by? };
        let planned = self.plan(query).await?;
        let wanted = table.columns.len() + table.partition_keys.len();
        if planned.schema.fields().len() != wanted {
            bail!("{} has {wanted} columns, the query gives {}", table.name, planned.schema.fields().len());
        }
        let columns = ResultColumns::named(&table)?;
        let written = self.write(planned, &columns, &table.location, output).await?;
        self.register(&table, &written).await?;
        Ok(written.rows)
    }

    /// Writes a query's rows into a folder that must be empty, as Athena demands: what lies there would be doubled.
    async fn write_new(&self, query: &str, folder: &Location, output: Output) -> Result<(ResultColumns, Written)> {
        if !list(&self.engine.sessions.objects(), &*self.engine.store, folder).await?.is_empty() {
            bail!("the folder {folder} is not empty: write to a new one");
        }
        let planned = self.plan(query).await?;
        let columns = ResultColumns::of(&planned.schema, &output)?;
        let written = self.write(planned, &columns, folder, output).await?;
        Ok((columns, written))
    }

    async fn write(
        &self,
        planned: Planned,
        columns: &ResultColumns,
        folder: &Location,
        output: Output,
    ) -> Result<Written> {
        let store = self.engine.sessions.objects().store(folder).await?;
        let target = Target { store, folder: folder.clone(), output };
        write(planned.plan, planned.context, columns, target).await
    }

    /// Registers the partitions that were written.
    async fn register(&self, table: &Table, written: &Written) -> Result<()> {
        let partition = |(folder, values): (&String, &Vec<String>)| Partition {
            values: values.clone(),
            location: table.location.join(folder),
            parameters: Default::default(),
        };
        let partitions: Vec<Partition> = written.partitions.iter().map(partition).collect();
        if !partitions.is_empty() {
            self.engine.catalog.add_partitions(&table.name, &partitions).await?;
        }
        Ok(())
    }

    fn own_location(&self, name: &TableName) -> Location {
        self.engine.tables.join(&format!("{}/{}-{:016x}", name.database, name.table, rand::random::<u64>()))
    }
}

/// The format in which rows are added to a table.
fn output_format(table: &Table) -> Result<OutputFormat> {
    let serde = table.format.serde.rsplit('.').next().unwrap_or_default();
    Ok(match serde {
        "ParquetHiveSerDe" => OutputFormat::Parquet,
        "JsonSerDe" => OutputFormat::Json,
        "LazySimpleSerDe" => {
            let delimiter = table.format.serde_parameters.get("field.delim").and_then(|text| text.chars().next());
            OutputFormat::TextFile { delimiter: delimiter.unwrap_or('\u{1}') }
        }
        _ => bail!("the embedded engine does not write the SerDe {} of {}", table.format.serde, table.name),
    })
}

/// Rows written by a statement that writes none.
fn none((): ()) -> u64 {
    0
}
