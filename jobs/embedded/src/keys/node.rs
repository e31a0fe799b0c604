//! The filters by key in a logical plan, and how they become physical.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchemaRef, plan_err};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::exec::KeyFilterExec;

/// Lets rows of `input` through by their keys; its schema is the input's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct KeyFilter {
    pub(super) input: LogicalPlan,
    pub(super) keys: Vec<Expr>,
    /// With it: rows whose key is not over there. Without: the first row of each key.
    pub(super) absent_from: Option<(LogicalPlan, Vec<Expr>)>,
}

impl PartialOrd for KeyFilter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for KeyFilter {
    fn name(&self) -> &str {
        "KeyFilter"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        std::iter::once(&self.input).chain(self.absent_from.iter().map(|(plan, _)| plan)).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.keys.iter().chain(self.absent_from.iter().flat_map(|(_, keys)| keys)).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.absent_from.is_some() { "absent" } else { "first" };
        write!(f, "KeyFilter: {what} {}", self.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    fn with_exprs_and_inputs(&self, mut keys: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        let other_keys = keys.split_off(self.keys.len());
        match (inputs.len(), &self.absent_from) {
            (1, None) => Ok(Self { input: inputs.remove(0), keys, absent_from: None }),
            (2, Some(_)) => {
                let other = inputs.remove(1);
                Ok(Self { input: inputs.remove(0), keys, absent_from: Some((other, other_keys)) })
            }
            (count, _) => plan_err!("a filter by key does not have {count} inputs"),
        }
    }

    /// Columns that nobody above needs are not read, unless a key is made of them.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let needed = |plan: &LogicalPlan, keys: &[Expr], output: &[usize]| -> Option<Vec<usize>> {
            let mut needed = output.to_vec();
            for column in keys.iter().flat_map(Expr::column_refs) {
                needed.push(plan.schema().maybe_index_of_column(column)?);
            }
            needed.sort_unstable();
            needed.dedup();
            Some(needed)
        };
        let mut children = vec![needed(&self.input, &self.keys, output_columns)?];
        if let Some((plan, keys)) = &self.absent_from {
            children.push(needed(plan, keys, &[])?);
        }
        Some(children)
    }
}

/// Plans a [`KeyFilter`].
pub(crate) struct KeyFilterPlanner;

#[async_trait]
impl ExtensionPlanner for KeyFilterPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(filter) = node.as_any().downcast_ref::<KeyFilter>() else { return Ok(None) };
        let physical = |keys: &[Expr], input: usize| -> PlanResult<Vec<_>> {
            let schema = logical_inputs[input].schema();
            keys.iter().map(|key| session.create_physical_expr(key.clone(), schema)).collect()
        };
        let absent_from = match &filter.absent_from {
            Some((_, keys)) => Some((Arc::clone(&physical_inputs[1]), physical(keys, 1)?)),
            None => None,
        };
        let input = Arc::clone(&physical_inputs[0]);
        Ok(Some(Arc::new(KeyFilterExec::new(input, physical(&filter.keys, 0)?, absent_from))))
    }
}
