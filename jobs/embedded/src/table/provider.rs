//! A Hive table: partitions from the catalog, objects from the store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{ScalarValue, Statistics, project_schema, stats::Precision};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use meterlake_core::catalog::{Column, Partition, Table};
use meterlake_core::location::Location;
use meterlake_core::store::Object;
use object_store::ObjectMeta;

use super::Reader;
use super::filter::{beside_objects, catalog_filter, is_settled_by, passing, values};
use crate::dialect::PATH_COLUMN;
use crate::lines::{LineFormat, LineSource};
use crate::objects::{list, object_path};
use crate::statement::type_to_arrow;

/// A table of the catalog, read for one statement.
pub(crate) struct HiveTable {
    table: Table,
    reader: Reader,
    /// `None`: Parquet.
    lines: Option<LineFormat>,
    /// The partition keys, typed.
    keys: SchemaRef,
    /// The columns that lie beside the objects: the keys and, where a query shows it, `"$path"`.
    beside: SchemaRef,
    schema: TableSchema,
}

impl HiveTable {
    /// Checks that the table can be read.
    pub(crate) fn new(table: Table, reader: Reader) -> Result<Self> {
        let fields = |columns: &[Column]| -> Result<Vec<FieldRef>> {
            let field = |column: &Column| -> Result<FieldRef> {
                Ok(Arc::new(Field::new(&column.name, type_to_arrow(&column.data_type)?, true)))
            };
            columns.iter().map(field).collect()
        };
        let lines = LineFormat::of(&table)?;
        let mut columns = fields(&table.columns)?;
        if let Some(LineFormat::Text(_)) = lines {
            columns = columns.into_iter().map(as_view).collect();
        }
        let keys = fields(&table.partition_keys)?;
        let mut beside = keys.clone();
        if reader.shows_path {
            beside.push(Arc::new(Field::new(PATH_COLUMN, DataType::Utf8View, true)));
        }
        Ok(Self {
            lines,
            keys: Arc::new(Schema::new(keys)),
            beside: Arc::new(Schema::new(beside.clone())),
            schema: TableSchema::builder(Arc::new(Schema::new(columns))).with_table_partition_cols(beside).build(),
            table,
            reader,
        })
    }

    /// The folders to read, each with the values of the columns that lie beside its objects.
    async fn folders(&self, state: &dyn Session, filters: &[Expr]) -> PlanResult<Vec<(Location, Vec<ScalarValue>)>> {
        if self.keys.fields().is_empty() {
            return Ok(vec![(self.table.location.clone(), Vec::new())]);
        }
        let settled: Vec<Expr> = filters.iter().filter(|filter| is_settled_by(filter, &self.keys)).cloned().collect();
        let wanted = catalog_filter(&settled, &self.keys);
        let partitions: Vec<Partition> =
            self.reader.catalog.partitions(&self.table.name, &wanted).await.map_err(external)?;
        let values: RecordBatch = values(&partitions, &self.keys)?;
        let passing = passing(state, &settled, &values)?;
        let mut folders = Vec::new();
        for (row, partition) in partitions.into_iter().enumerate().filter(|(row, _)| passing[*row]) {
            let values: PlanResult<Vec<_>> =
                values.columns().iter().map(|column| ScalarValue::try_from_array(column, row)).collect();
            folders.push((partition.location, values?));
        }
        Ok(folders)
    }

    /// The objects to read, each with the values of the columns that lie beside it, by the store they lie in.
    async fn objects(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> PlanResult<BTreeMap<String, (ObjectStoreUrl, Vec<PartitionedFile>)>> {
        // An object that no row of is wanted must not fail the query, so it is never opened.
        let by_path: Vec<Expr> = filters.iter().filter(|filter| is_settled_by(filter, &self.beside)).cloned().collect();
        let mut files: BTreeMap<String, (ObjectStoreUrl, Vec<PartitionedFile>)> = BTreeMap::new();
        for (folder, keys) in self.folders(state, filters).await? {
            let url = self.reader.objects.url(&folder).await.map_err(external)?;
            let mut listed = list(&self.reader.objects, &*self.reader.store, &folder).await.map_err(external)?;
            listed.retain(|object| object.size > 0 && !object.is_hidden_in(&folder));
            if listed.is_empty() {
                continue;
            }
            let paths = listed.iter().map(|object| object.location.as_str());
            let passing = passing(state, &by_path, &beside_objects(&keys, paths, &self.beside)?)?;
            let files = &mut files.entry(url.to_string()).or_insert_with(|| (url, Vec::new())).1;
            for (object, _) in listed.iter().zip(passing).filter(|(_, passes)| *passes) {
                self.reader.scanned.fetch_add(object.size, Ordering::Relaxed);
                files.push(self.file(object, keys.clone())?);
            }
        }
        files.retain(|_, (_, files)| !files.is_empty());
        Ok(files)
    }

    fn file(&self, object: &Object, mut beside: Vec<ScalarValue>) -> PlanResult<PartitionedFile> {
        if self.reader.shows_path {
            beside.push(ScalarValue::Utf8View(Some(object.location.as_str().to_owned())));
        }
        let meta = ObjectMeta {
            location: object_path(&object.location).map_err(external)?,
            last_modified: object.modified,
            size: object.size,
            e_tag: None,
            version: None,
        };
        Ok(PartitionedFile::new_from_meta(meta).with_partition_values(beside).with_extension(object.location.clone()))
    }

    fn source(&self) -> Arc<dyn FileSource> {
        match &self.lines {
            Some(lines) => Arc::new(LineSource::new(lines.clone(), self.schema.clone())),
            None => Arc::new(ParquetSource::new(self.schema.clone())),
        }
    }
}

impl fmt::Debug for HiveTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HiveTable({})", self.table.name)
    }
}

#[async_trait]
impl TableProvider for HiveTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let settle = |filter: &&Expr| match is_settled_by(filter, &self.beside) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(settle).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let files = self.objects(state, filters).await?;
        let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        for (url, files) in files.into_values() {
            let bytes: u64 = files.iter().map(|file| file.object_meta.size).sum();
            let statistics = Statistics {
                total_byte_size: Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX)),
                ..Statistics::new_unknown(&self.schema())
            };
            let config = FileScanConfigBuilder::new(url, self.source())
                .with_file_groups(balanced(files, state.config().target_partitions()))
                .with_statistics(statistics)
                .with_projection_indices(projection.cloned())?
                .with_limit(limit)
                .build();
            plans.push(DataSourceExec::from_data_source(config));
        }
        match plans.len() {
            0 => Ok(Arc::new(EmptyExec::new(project_schema(&self.schema(), projection)?))),
            1 => Ok(plans.remove(0)),
            _ => UnionExec::try_new(plans),
        }
    }
}

/// A text as a view, which lines give without a copy.
fn as_view(field: FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => field,
    }
}

/// Spreads files over groups of about the same size: the largest first, each to the smallest group so far.
fn balanced(mut files: Vec<PartitionedFile>, groups: usize) -> Vec<FileGroup> {
    files.sort_by_key(|file| std::cmp::Reverse(file.object_meta.size));
    let mut spread: Vec<(u64, Vec<PartitionedFile>)> = vec![Default::default(); groups.clamp(1, files.len().max(1))];
    for file in files {
        if let Some(smallest) = spread.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            smallest.0 += file.object_meta.size;
            smallest.1.push(file);
        }
    }
    spread.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}

fn external(error: anyhow::Error) -> DataFusionError {
    DataFusionError::External(error.into())
}
