//! Labels by key in a logical plan, and how they become physical.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, TableReference, plan_err};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::exec::KeyLabelExec;

/// Appends columns to the rows of `input` that are known by the rows' keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct KeyLabel {
    pub(super) input: LogicalPlan,
    pub(super) keys: Vec<Expr>,
    /// With it: the first of the keys, as many as there are labels, where the whole key is over there, and NULL where it is not.
    /// Without: the row's number among those of its key.
    pub(super) known: Option<(LogicalPlan, Vec<Expr>)>,
    pub(super) labels: Vec<(Option<TableReference>, FieldRef)>,
    schema: DFSchemaRef,
}

impl KeyLabel {
    pub(super) fn try_new(
        input: LogicalPlan,
        keys: Vec<Expr>,
        known: Option<(LogicalPlan, Vec<Expr>)>,
        labels: Vec<(Option<TableReference>, FieldRef)>,
    ) -> PlanResult<Self> {
        let own = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let fields = own.chain(labels.iter().cloned()).collect();
        let schema = DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?;
        Ok(Self { input, keys, known, labels, schema: Arc::new(schema) })
    }
}

impl PartialOrd for KeyLabel {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for KeyLabel {
    fn name(&self) -> &str {
        "KeyLabel"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        std::iter::once(&self.input).chain(self.known.iter().map(|(plan, _)| plan)).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.keys.iter().chain(self.known.iter().flat_map(|(_, keys)| keys)).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.known.is_some() { "known" } else { "number" };
        write!(f, "KeyLabel: {what} {}", self.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    fn with_exprs_and_inputs(&self, mut keys: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        let other_keys = keys.split_off(self.keys.len());
        let known = match (inputs.len(), &self.known) {
            (1, None) => None,
            (2, Some(_)) => Some((inputs.remove(1), other_keys)),
            (count, _) => return plan_err!("a label by key does not have {count} inputs"),
        };
        Self::try_new(inputs.remove(0), keys, known, self.labels.clone())
    }

    /// Columns that nobody above needs are not read, unless a key is made of them.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let needed = |plan: &LogicalPlan, keys: &[Expr], output: Vec<usize>| -> Option<Vec<usize>> {
            let mut needed = output;
            for column in keys.iter().flat_map(Expr::column_refs) {
                needed.push(plan.schema().maybe_index_of_column(column)?);
            }
            needed.sort_unstable();
            needed.dedup();
            Some(needed)
        };
        let columns = self.input.schema().fields().len();
        let own = output_columns.iter().copied().filter(|column| *column < columns).collect();
        let mut children = vec![needed(&self.input, &self.keys, own)?];
        if let Some((plan, keys)) = &self.known {
            children.push(needed(plan, keys, Vec::new())?);
        }
        Some(children)
    }
}

/// Plans a [`KeyLabel`].
pub(crate) struct KeyLabelPlanner;

#[async_trait]
impl ExtensionPlanner for KeyLabelPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(label) = node.as_any().downcast_ref::<KeyLabel>() else { return Ok(None) };
        let physical = |keys: &[Expr], input: usize| -> PlanResult<Vec<_>> {
            let schema = logical_inputs[input].schema();
            keys.iter().map(|key| session.create_physical_expr(key.clone(), schema)).collect()
        };
        let known = match &label.known {
            Some((_, keys)) => Some((Arc::clone(&physical_inputs[1]), physical(keys, 1)?)),
            None => None,
        };
        let input = Arc::clone(&physical_inputs[0]);
        let labels = label.labels.iter().map(|(_, field)| Arc::clone(field)).collect();
        Ok(Some(Arc::new(KeyLabelExec::new(input, physical(&label.keys, 0)?, known, labels))))
    }
}
