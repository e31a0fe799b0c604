//! DataFusion's view of objects of lines.

use std::fs::File;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use bytes::{Buf, Bytes};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{PhysicalExpr, apply_expression_roots};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use meterlake_core::location::Location;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt};

use super::LineFormat;
use super::decoder::Decoder;
use super::rows::RowFormat;

/// Reads objects of lines for a scan.
#[derive(Clone)]
pub(crate) struct LineSource {
    lines: LineFormat,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_size: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl LineSource {
    /// A source for a table with this schema.
    pub(crate) fn new(lines: LineFormat, table_schema: TableSchema) -> Self {
        Self {
            lines,
            projection: SplitProjection::unprojected(&table_schema),
            table_schema,
            batch_size: 8192,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl FileSource for LineSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        _config: &FileScanConfig,
        _partition: usize,
    ) -> PlanResult<Arc<dyn FileOpener>> {
        let file_schema = self.table_schema.file_schema();
        let mut wanted = vec![None; file_schema.fields().len()];
        for (at, column) in self.projection.file_indices.iter().enumerate() {
            wanted[*column] = Some(at);
        }
        let format = RowFormat {
            lines: self.lines.clone(),
            wanted,
            schema: Arc::new(file_schema.project(&self.projection.file_indices)?),
            batch_size: self.batch_size,
        };
        let opener = Arc::new(LineOpener { format: Arc::new(format), store });
        ProjectionOpener::try_new(self.projection.clone(), opener, file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { batch_size, ..self.clone() })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> PlanResult<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.table_schema.file_schema(), &merged);
        Ok(Some(Arc::new(Self { projection, ..self.clone() })))
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "lines"
    }

    /// An object is read from its start, because a part of GZIP data says nothing.
    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        apply_expression_roots(self.projection.source.iter(), f)
    }
}

struct LineOpener {
    format: Arc<RowFormat>,
    store: Arc<dyn ObjectStore>,
}

impl FileOpener for LineOpener {
    fn open(&self, file: PartitionedFile) -> PlanResult<FileOpenFuture> {
        let location = file.extension::<Location>().cloned();
        let location = location.ok_or_else(|| DataFusionError::Internal("a file without a location".to_owned()))?;
        let (format, store) = (Arc::clone(&self.format), Arc::clone(&self.store));
        Ok(Box::pin(async move {
            let name = location.name().to_owned();
            let named = move |error: anyhow::Error| {
                DataFusionError::External(error.context(format!("cannot read {location}")).into())
            };
            let decoder = Decoder::new(format, &name).map_err(&named)?;
            let bytes = match store.get(&file.object_meta.location).await {
                Ok(object) => match object.payload {
                    GetResultPayload::File(file, _) => ObjectBytes::File(file),
                    GetResultPayload::Stream(stream) => ObjectBytes::Stream(stream, Bytes::new()),
                },
                Err(error) => return Err(named(anyhow!(error))),
            };
            Ok(rows(Reading { decoder, bytes: Some(bytes) }).map_err(named).boxed())
        }))
    }
}

/// An object's bytes as they come.
enum ObjectBytes {
    File(File),
    /// What is to come, and what came and was not read.
    Stream(BoxStream<'static, object_store::Result<Bytes>>, Bytes),
}

struct Reading {
    decoder: Decoder,
    /// `None` once the object has ended.
    bytes: Option<ObjectBytes>,
}

fn rows(reading: Reading) -> BoxStream<'static, Result<RecordBatch>> {
    stream::try_unfold(reading, |mut reading| async move {
        loop {
            if let Some(batch) = reading.decoder.take() {
                return Ok(Some((batch, reading)));
            }
            let is_over = match &mut reading.bytes {
                None => return Ok(None),
                Some(ObjectBytes::File(file)) => reading.decoder.read(file)? == 0,
                Some(ObjectBytes::Stream(_, came)) if came.has_remaining() => {
                    reading.decoder.read(&mut came.reader())?;
                    false
                }
                Some(ObjectBytes::Stream(stream, came)) => match stream.next().await {
                    Some(chunk) => {
                        *came = chunk.context("the transfer broke off")?;
                        false
                    }
                    None => true,
                },
            };
            if is_over {
                reading.decoder.finish()?;
                reading.bytes = None;
            }
        }
    })
    .boxed()
}
