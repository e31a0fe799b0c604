//! Filters by key, running.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
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

/// Lets rows through by their keys; all partitions share one set of keys, so rows stay where they are.
pub(super) struct KeyFilterExec {
    input: Arc<dyn ExecutionPlan>,
    keys: Keys,
    /// With it: rows whose key is not over there. Without: the first row of each key.
    absent_from: Option<(Arc<dyn ExecutionPlan>, Keys)>,
    properties: Arc<PlanProperties>,
    seen: Arc<OnceCell<Arc<Seen>>>,
}

struct Seen {
    keys: KeySet,
    memory: std::sync::Mutex<MemoryReservation>,
}

impl Seen {
    fn new(context: &TaskContext) -> Self {
        let memory = MemoryConsumer::new("KeyFilter").register(context.memory_pool());
        Self { keys: KeySet::new(), memory: std::sync::Mutex::new(memory) }
    }

    fn hashes(&self, keys: &Keys, batch: &RecordBatch) -> PlanResult<Vec<(u128, bool)>> {
        let columns: PlanResult<Vec<ArrayRef>> =
            keys.iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows())).collect();
        self.keys.hashes(&columns?)
    }

    /// Tells the memory pool how large the set has grown.
    fn account(&self) -> PlanResult<()> {
        let memory = self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        memory.try_resize(self.keys.size())
    }
}

impl KeyFilterExec {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        keys: Keys,
        absent_from: Option<(Arc<dyn ExecutionPlan>, Keys)>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Self { input, keys, absent_from, properties: Arc::new(properties), seen: Arc::default() }
    }
}

impl fmt::Debug for KeyFilterExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl DisplayAs for KeyFilterExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.absent_from.is_some() { "absent" } else { "first" };
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "KeyFilterExec: {what} keys=[{}]", keys.join(", "))
    }
}

impl ExecutionPlan for KeyFilterExec {
    fn name(&self) -> &'static str {
        "KeyFilterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        std::iter::once(&self.input).chain(self.absent_from.iter().map(|(plan, _)| plan)).collect()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        apply_expression_roots(self.keys.iter().chain(self.absent_from.iter().flat_map(|(_, keys)| keys)), f)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        if children.len() != self.children().len() {
            return internal_err!("a filter by key does not have {} inputs", children.len());
        }
        let absent_from = self.absent_from.as_ref().map(|(_, keys)| (children.remove(1), keys.clone()));
        Ok(Arc::new(Self::new(children.remove(0), self.keys.clone(), absent_from)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let keys = self.keys.clone();
        let absent_from = self.absent_from.clone();
        let cell = Arc::clone(&self.seen);
        let rows = futures::stream::once(async move {
            let seen = cell.get_or_try_init(|| prepare(absent_from.clone(), Arc::clone(&context))).await?;
            let (seen, keeps_first) = (Arc::clone(seen), absent_from.is_none());
            Ok::<_, DataFusionError>(input.map(move |batch| filter(&batch?, &keys, &seen, keeps_first)))
        })
        .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// The set before the first row: empty, or every key that a row must not have.
async fn prepare(
    absent_from: Option<(Arc<dyn ExecutionPlan>, Keys)>,
    context: Arc<TaskContext>,
) -> PlanResult<Arc<Seen>> {
    let seen = Arc::new(Seen::new(&context));
    let Some((plan, keys)) = absent_from else { return Ok(seen) };
    let mut tasks = JoinSet::new();
    for partition in 0..plan.output_partitioning().partition_count() {
        let mut rows = plan.execute(partition, Arc::clone(&context))?;
        let (seen, keys) = (Arc::clone(&seen), keys.clone());
        tasks.spawn(async move {
            while let Some(batch) = rows.try_next().await? {
                for (key, has_null) in seen.hashes(&keys, &batch)? {
                    // NULL equals nothing, so such a key keeps no row out.
                    if !has_null {
                        seen.keys.insert(key);
                    }
                }
                seen.account()?;
            }
            Ok::<_, DataFusionError>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
    }
    Ok(seen)
}

fn filter(batch: &RecordBatch, keys: &Keys, seen: &Seen, keeps_first: bool) -> PlanResult<RecordBatch> {
    let hashes = seen.hashes(keys, batch)?;
    let kept: BooleanArray = if keeps_first {
        hashes.into_iter().map(|(key, _)| Some(seen.keys.insert(key))).collect()
    } else {
        hashes.into_iter().map(|(key, has_null)| Some(has_null || !seen.keys.contains(key))).collect()
    };
    seen.account()?;
    Ok(filter_record_batch(batch, &kept)?)
}
