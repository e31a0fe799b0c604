//! Labels by key, running.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::nullif;
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::runtime::JoinSet;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, internal_err};
use datafusion::error::Result as PlanResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
    apply_expression_roots,
};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::set::KeySet;

type Keys = Vec<Arc<dyn PhysicalExpr>>;

/// Appends what is known by the rows' keys; all partitions share one set of keys, so rows stay where they are.
pub(super) struct KeyLabelExec {
    input: Arc<dyn ExecutionPlan>,
    keys: Keys,
    /// With it: the keys that are over there, and NULL for the others. Without: each row's number among those of its key.
    known: Option<(Arc<dyn ExecutionPlan>, Keys)>,
    labels: Vec<FieldRef>,
    properties: Arc<PlanProperties>,
    seen: Arc<OnceCell<Arc<Seen>>>,
}

struct Seen {
    keys: KeySet,
    memory: std::sync::Mutex<MemoryReservation>,
}

impl Seen {
    fn new(context: &TaskContext) -> Self {
        let memory = MemoryConsumer::new("KeyLabel").register(context.memory_pool());
        Self { keys: KeySet::new(), memory: std::sync::Mutex::new(memory) }
    }

    fn columns(&self, keys: &Keys, batch: &RecordBatch) -> PlanResult<Vec<ArrayRef>> {
        keys.iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows())).collect()
    }

    /// The number of each row among those of its key, from 1.
    fn number(&self, columns: &[ArrayRef]) -> PlanResult<ArrayRef> {
        let numbers = UInt64Array::from(self.keys.number(&self.keys.hashes(columns)?));
        self.account()?;
        Ok(Arc::new(numbers))
    }

    /// The first `count` columns of the keys, with NULL in the rows whose key is not in the set.
    fn known(&self, columns: &[ArrayRef], count: usize) -> PlanResult<Vec<ArrayRef>> {
        let known = BooleanBuffer::from(self.keys.contains(&self.keys.hashes(columns)?));
        // NULL equals nothing.
        let known = match without_null(columns) {
            Some(valid) => &known & valid.inner(),
            None => known,
        };
        let unknown = BooleanArray::new(!&known, None);
        columns[..count].iter().map(|column| Ok(nullif(column, &unknown)?)).collect()
    }

    /// Takes the keys of these columns into the set.
    fn insert(&self, columns: &[ArrayRef]) -> PlanResult<()> {
        let mut hashes = self.keys.hashes(columns)?;
        if let Some(valid) = without_null(columns) {
            hashes = valid.valid_indices().map(|row| hashes[row]).collect();
        }
        self.keys.insert(&hashes);
        self.account()
    }

    /// Tells the memory pool how large the set has grown.
    fn account(&self) -> PlanResult<()> {
        let memory = self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        memory.try_resize(self.keys.size())
    }
}

impl KeyLabelExec {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        keys: Keys,
        known: Option<(Arc<dyn ExecutionPlan>, Keys)>,
        labels: Vec<FieldRef>,
    ) -> Self {
        let columns = input.schema().fields().iter().chain(&labels).cloned().collect::<Vec<_>>();
        let schema = Schema::new_with_metadata(columns, input.schema().metadata().clone());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema)),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Self { input, keys, known, labels, properties: Arc::new(properties), seen: Arc::default() }
    }
}

impl fmt::Debug for KeyLabelExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl DisplayAs for KeyLabelExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.known.is_some() { "known" } else { "number" };
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "KeyLabelExec: {what} keys=[{}]", keys.join(", "))
    }
}

impl ExecutionPlan for KeyLabelExec {
    fn name(&self) -> &'static str {
        "KeyLabelExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        std::iter::once(&self.input).chain(self.known.iter().map(|(plan, _)| plan)).collect()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        apply_expression_roots(self.keys.iter().chain(self.known.iter().flat_map(|(_, keys)| keys)), f)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        if children.len() != self.children().len() {
            return internal_err!("a label by key does not have {} inputs", children.len());
        }
        let known = self.known.as_ref().map(|(_, keys)| (children.remove(1), keys.clone()));
        Ok(Arc::new(Self::new(children.remove(0), self.keys.clone(), known, self.labels.clone())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let keys = self.keys.clone();
        let known = self.known.clone();
        let cell = Arc::clone(&self.seen);
        let labels = self.known.as_ref().map(|_| self.labels.len());
        let schema = self.schema();
        let rows = futures::stream::once(async move {
            let seen = Arc::clone(cell.get_or_try_init(|| prepare(known, Arc::clone(&context))).await?);
            // An hour after one that was empty has no key to look for.
            let is_empty = labels.is_some() && seen.keys.is_empty();
            Ok::<_, DataFusionError>(input.map(move |batch| {
                let batch = batch?;
                let columns = seen.columns(&keys, &batch)?;
                let labels = match labels {
                    Some(_) if is_empty => schema.fields()[batch.num_columns()..]
                        .iter()
                        .map(|label| new_null_array(label.data_type(), batch.num_rows()))
                        .collect(),
                    Some(labels) => seen.known(&columns, labels)?,
                    None => vec![seen.number(&columns)?],
                };
                with_labels(&schema, &batch, labels)
            }))
        })
        .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// The set before the first row: empty, or every key that is over there.
async fn prepare(known: Option<(Arc<dyn ExecutionPlan>, Keys)>, context: Arc<TaskContext>) -> PlanResult<Arc<Seen>> {
    let seen = Arc::new(Seen::new(&context));
    let Some((plan, keys)) = known else { return Ok(seen) };
    let mut tasks = JoinSet::new();
    for partition in 0..plan.output_partitioning().partition_count() {
        let mut rows = plan.execute(partition, Arc::clone(&context))?;
        let (seen, keys) = (Arc::clone(&seen), keys.clone());
        tasks.spawn(async move {
            while let Some(batch) = rows.try_next().await? {
                seen.insert(&seen.columns(&keys, &batch)?)?;
            }
            Ok::<_, DataFusionError>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
    }
    Ok(seen)
}

/// The rows in which no column is NULL; `None` if that is all of them.
fn without_null(columns: &[ArrayRef]) -> Option<NullBuffer> {
    columns.iter().fold(None, |valid, column| NullBuffer::union(valid.as_ref(), column.logical_nulls().as_ref()))
}

fn with_labels(schema: &SchemaRef, batch: &RecordBatch, labels: Vec<ArrayRef>) -> PlanResult<RecordBatch> {
    let columns = batch.columns().iter().cloned().chain(labels).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
