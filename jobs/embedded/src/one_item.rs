//! UNNEST where every array of a batch has one item: then the items are the column, and nothing else moves.
//!
//! DataFusion's UNNEST copies all columns, row by row. `merge_hour.sql` unnests the records of a line, and nearly every line is
//! one record.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as PlanResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use futures::{StreamExt, TryStreamExt};

/// Puts [`OneItemExec`] in place of DataFusion's UNNEST of plain arrays.
#[derive(Debug)]
pub(crate) struct OneItemRule;

impl PhysicalOptimizerRule for OneItemRule {
    fn name(&self) -> &str {
        "one_item"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let one_item = plan.downcast_ref::<UnnestExec>().and_then(OneItemExec::of);
            Ok(one_item.map_or_else(|| Transformed::no(plan), |one_item| Transformed::yes(Arc::new(one_item) as _)))
        })
        .data()
    }
}

#[derive(Debug)]
struct OneItemExec {
    unnest: Arc<UnnestExec>,
    /// The columns of arrays. Their items stand in the same places.
    arrays: Vec<usize>,
}

impl OneItemExec {
    /// `None` for an UNNEST that has other columns than its input.
    fn of(unnest: &UnnestExec) -> Option<Self> {
        let arrays: Vec<usize> = unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect();
        let is_plain = unnest.struct_column_indices().is_empty()
            && unnest.list_column_indices().iter().all(|list| list.depth == 1)
            && unnest.schema().fields().len() == unnest.input().schema().fields().len();
        is_plain.then(|| Self { unnest: Arc::new(unnest.clone()), arrays })
    }
}

impl OneItemExec {
    fn unnest(&self, batch: RecordBatch, context: &Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let mut columns = batch.columns().to_vec();
        let has_one_each =
            self.arrays.iter().all(|at| items(&columns[*at]).map(|items| columns[*at] = items).is_some());
        if has_one_each {
            let one = RecordBatch::try_new(self.schema(), columns)?;
            let rows = futures::stream::once(async move { Ok(one) });
            return Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)));
        }
        let alone = MemorySourceConfig::try_new_exec(&[vec![batch.clone()]], batch.schema(), None)?;
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        Arc::clone(&self.unnest).replace_children(vec![alone], options)?.execute(0, Arc::clone(context))
    }
}

/// The items of a column of arrays that have one each.
fn items(column: &ArrayRef) -> Option<ArrayRef> {
    let lists = column.as_list_opt::<i32>().filter(|lists| lists.null_count() == 0)?;
    let offsets = lists.offsets();
    let has_one_each = offsets.windows(2).all(|ends| ends[1] - ends[0] == 1);
    has_one_each.then(|| lists.values().slice(offsets[0] as usize, lists.len()))
}

impl DisplayAs for OneItemExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OneItemExec: ")?;
        self.unnest.fmt_as(kind, f)
    }
}

impl ExecutionPlan for OneItemExec {
    fn name(&self) -> &'static str {
        "OneItemExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.unnest.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![self.unnest.input()]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        self.unnest.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let unnest = Arc::clone(&self.unnest).replace_children(children, options)?;
        match unnest.downcast_ref::<UnnestExec>().and_then(Self::of) {
            Some(one_item) => Ok(Arc::new(one_item)),
            None => internal_err!("UNNEST became another plan"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let input = self.unnest.input().execute(partition, Arc::clone(&context))?;
        let this = Self { unnest: Arc::clone(&self.unnest), arrays: self.arrays.clone() };
        let rows = input.map(move |batch| this.unnest(batch?, &context)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::SessionContext;

    /// The rows of a query, and whether the rule had a part in them.
    async fn answer(sql: &str, with_rule: bool) -> (String, bool) {
        let mut builder = SessionStateBuilder::new().with_default_features();
        if with_rule {
            builder = builder.with_physical_optimizer_rule(Arc::new(OneItemRule));
        }
        let frame = SessionContext::new_with_state(builder.build()).sql(sql).await.unwrap();
        let plan = frame.clone().create_physical_plan().await.unwrap();
        let is_used = displayable(plan.as_ref()).indent(false).to_string().contains("OneItemExec");
        (pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string(), is_used)
    }

    #[tokio::test]
    async fn arrays_of_one_item_and_all_others_give_the_rows_that_datafusion_gives() {
        for arrays in [
            "('a', ['x'], [1]), ('b', ['y'], [2])",
            "('a', ['x', 'z'], [1]), ('b', ['y'], [2])",
            "('a', ['x'], [1]), ('b', [NULL], [2])",
            "('a', ['x'], [1]), ('b', NULL, [2]), ('c', ['y'], NULL)",
            "('a', ['x'], [1]), ('b', ['y'], [2, 3])",
        ] {
            let sql =
                format!("SELECT k, unnest(texts), unnest(numbers) FROM (VALUES {arrays}) AS t(k, texts, numbers)");
            let (expected, _) = answer(&sql, false).await;
            assert_eq!(answer(&sql, true).await, (expected, true), "{arrays}");
        }
    }
}
