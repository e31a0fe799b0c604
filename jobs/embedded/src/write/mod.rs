//! Writes a plan's rows as objects: one file a thread and partition, as rows come.

mod file;
mod partitioned;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::runtime::JoinSet;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::TryStreamExt;
use meterlake_core::catalog::{Column, Table};
use meterlake_core::location::Location;
use object_store::ObjectStore;

use crate::objects::object_path;
use crate::statement::{Output, arrow_to_type, type_to_arrow};
use file::FileWriter;
use partitioned::split;

/// Partitions that one statement may write, as in Athena.
const MAX_PARTITIONS: usize = 100;

/// Bytes of incomplete row groups that a thread may hold.
const MOST_HELD_BYTES: usize = 32 << 20;

/// Where and how rows are written.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) folder: Location,
    pub(crate) output: Output,
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    /// Folders below the target, with the values they stand for.
    pub(crate) partitions: BTreeMap<String, Vec<String>>,
}

/// The columns of a query's result: those in the objects, and the partition keys.
pub(crate) struct ResultColumns {
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: Vec<Column>,
    /// All of them, with the types that Hive's types stand for.
    schema: SchemaRef,
}

impl ResultColumns {
    /// Checks a result's columns against `partitioned_by`: those come last, in that order.
    ///
    /// # Errors
    /// A type that Athena does not write, a name twice, or partition columns that are not the last ones.
    pub(crate) fn of(schema: &Schema, output: &Output) -> Result<Self> {
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for field in schema.fields() {
            let name = field.name().to_lowercase();
            let data_type = arrow_to_type(field.data_type()).with_context(|| format!("the column `{name}`"))?;
            if columns.iter().any(|column: &Column| column.name == name) {
                bail!("the result has two columns `{name}`: name one of them otherwise with AS");
            }
            fields.push(Field::new(&name, type_to_arrow(&data_type)?, true));
            columns.push(Column { name, data_type, comment: None });
        }
        let Some(split) = columns.len().checked_sub(output.partitioned_by.len()).filter(|split| *split > 0) else {
            bail!("the result has no column besides those of partitioned_by");
        };
        let keys = columns.split_off(split);
        if let Some((key, name)) = keys.iter().zip(&output.partitioned_by).find(|(key, name)| key.name != name.as_str())
        {
            bail!(
                "the result ends in `{}` where partitioned_by says `{name}`: its columns go last, in order",
                key.name
            );
        }
        Ok(Self { columns, keys, schema: Arc::new(Schema::new(fields)) })
    }
}

impl ResultColumns {
    /// The columns of a table that rows are added to.
    ///
    /// # Errors
    /// A column's type is unknown.
    pub(crate) fn named(table: &Table) -> Result<Self> {
        let all = table.columns.iter().chain(&table.partition_keys);
        let fields: Result<Vec<Field>> =
            all.map(|column| Ok(Field::new(&column.name, type_to_arrow(&column.data_type)?, true))).collect();
        let schema = Arc::new(Schema::new(fields?));
        Ok(Self { columns: table.columns.clone(), keys: table.partition_keys.clone(), schema })
    }
}

/// Runs a plan and writes its rows. A failed statement leaves what it had written.
///
/// # Errors
/// The plan fails, or an object cannot be written.
pub(crate) async fn write(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    columns: &ResultColumns,
    target: Target,
) -> Result<Written> {
    let mut tasks = JoinSet::new();
    for partition in 0..plan.output_partitioning().partition_count() {
        let mut rows = plan.execute(partition, Arc::clone(&context))?;
        let mut part = Part {
            schema: Arc::clone(&columns.schema),
            keys: columns.keys.len(),
            target: target.clone(),
            name: format!("part-{partition:05}-{:016x}", rand::random::<u64>()),
            writers: BTreeMap::new(),
            written: Written::default(),
        };
        tasks.spawn(async move {
            while let Some(batch) = rows.try_next().await? {
                part.write(&batch).await?;
            }
            part.close().await
        });
    }
    let mut written = Written::default();
    while let Some(task) = tasks.join_next().await {
        let part: Written = task.map_err(|error| anyhow!(error))??;
        written.rows += part.rows;
        written.partitions.extend(part.partitions);
        require_few(&written)?;
    }
    Ok(written)
}

/// A batch with the types that its columns are written with.
fn typed(batch: &RecordBatch, schema: &Schema) -> Result<RecordBatch> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        // Views of text are written as they are. To make them one text after the other would copy each.
        let is_text_view = matches!((column.data_type(), field.data_type()), (DataType::Utf8View, DataType::Utf8));
        let data_type = if is_text_view { &DataType::Utf8View } else { field.data_type() };
        columns.push(cast_with_options(column, data_type, &options)?);
        fields.push(Field::new(field.name(), data_type.clone(), field.is_nullable()));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Refuses more partitions than a statement may write.
fn require_few(written: &Written) -> Result<()> {
    if written.partitions.len() > MAX_PARTITIONS {
        bail!("the statement writes more than {MAX_PARTITIONS} partitions, which Athena refuses too");
    }
    Ok(())
}

/// What one thread writes: a file for each partition that it meets.
struct Part {
    schema: SchemaRef,
    keys: usize,
    target: Target,
    name: String,
    writers: BTreeMap<String, FileWriter>,
    written: Written,
}

impl Part {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = typed(batch, &self.schema)?;
        if self.keys == 0 {
            return self.write_to(String::new(), batch).await;
        }
        for (folder, values, rows) in split(&batch, self.keys)? {
            self.written.partitions.insert(folder.clone(), values);
            require_few(&self.written)?;
            self.write_to(folder, rows).await?;
        }
        Ok(())
    }

    async fn write_to(&mut self, folder: String, batch: RecordBatch) -> Result<()> {
        self.written.rows += batch.num_rows() as u64;
        let writer = match self.writers.entry(folder) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let output = &self.target.output;
                let name = format!("{}{}", self.name, file::suffix(output)?);
                let folder = self.target.folder.join(entry.key());
                let path = object_path(&Location::join(&folder, &name))?;
                let writer = FileWriter::create(Arc::clone(&self.target.store), path, batch.schema(), output)?;
                entry.insert(writer)
            }
        };
        let written = match writer.write(&batch).await {
            Ok(()) => self.flush_largest().await,
            Err(error) => Err(error),
        };
        written.with_context(|| format!("cannot write to {}", self.target.folder))
    }

    /// Row groups are held in memory until they are complete, and there is one for each partition. Where they come to too
    /// much, the largest is written as it is.
    async fn flush_largest(&mut self) -> Result<()> {
        let held = self.writers.values().map(FileWriter::memory_bytes).sum::<usize>();
        if self.writers.len() > 1
            && held > MOST_HELD_BYTES
            && let Some(largest) = self.writers.values_mut().max_by_key(|writer| writer.memory_bytes())
        {
            largest.flush().await?;
        }
        Ok(())
    }

    async fn close(self) -> Result<Written> {
        for writer in self.writers.into_values() {
            writer.close().await.with_context(|| format!("cannot write to {}", self.target.folder))?;
        }
        Ok(self.written)
    }
}
