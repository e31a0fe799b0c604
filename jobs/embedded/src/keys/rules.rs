//! Finds the two shapes of query that a filter by key can answer.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{JoinType, NullEquality, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Extension, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Window,
    lit,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::KeyFilter;

/// `row_number() OVER (PARTITION BY key) = 1`, without an order: any one row of each key, so the first that comes.
#[derive(Debug)]
pub(crate) struct FirstOfKeyRule;

impl OptimizerRule for FirstOfKeyRule {
    fn name(&self) -> &str {
        "first_of_key"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else { return Ok(Transformed::no(plan)) };
        // Columns that nobody needs may have been left out in between.
        let (window, projection) = match &*filter.input {
            LogicalPlan::Window(window) => (window, None),
            LogicalPlan::Projection(projection) => match &*projection.input {
                LogicalPlan::Window(window) => (window, Some(projection)),
                _ => return Ok(Transformed::no(plan)),
            },
            _ => return Ok(Transformed::no(plan)),
        };
        let Some(keys) = row_number_keys(window) else { return Ok(Transformed::no(plan)) };
        let mut number = window.schema.columns().pop();
        if let Some(projection) = projection {
            let is_number = |column: &Expr| matches!(column, Expr::Column(column) if Some(column) == number.as_ref());
            number = projection.expr.iter().position(is_number).map(|at| projection.schema.columns().swap_remove(at));
        }
        let is_first = |predicate: &Expr| {
            matches!(predicate,
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right })
            if matches!(&**left, Expr::Column(column) if Some(column) == number.as_ref()) && is_one(right))
        };
        let (first, others): (Vec<_>, Vec<_>) =
            split_conjunction_owned(filter.predicate.clone()).into_iter().partition(is_first);
        if first.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let input = (*window.input).clone();
        // The number itself stays a column of the plan: it is 1 in every row that is left.
        let mut columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let (qualifier, field) = window.schema.qualified_field(columns.len());
        columns.push(lit(ScalarValue::from(1_u64)).alias_qualified(qualifier.cloned(), field.name()));
        let node = KeyFilter { input, keys, absent_from: None };
        let filtered = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        let mut numbered = LogicalPlanBuilder::from(filtered).project(columns)?.build()?;
        if let Some(Projection { expr, schema, .. }) = projection {
            let projection = Projection::try_new_with_schema(expr.clone(), Arc::new(numbered), Arc::clone(schema))?;
            numbered = LogicalPlan::Projection(projection);
        }
        Ok(Transformed::yes(match conjunction(others) {
            Some(others) => LogicalPlan::Filter(Filter::try_new(others, Arc::new(numbered))?),
            None => numbered,
        }))
    }
}

/// The keys of a window that numbers the rows of each key in no order, and does nothing else.
fn row_number_keys(window: &Window) -> Option<Vec<Expr>> {
    let [expression] = window.window_expr.as_slice() else { return None };
    let expression = match expression {
        Expr::Alias(alias) => &*alias.expr,
        other => other,
    };
    let Expr::WindowFunction(function) = expression else { return None };
    let WindowFunction { fun: WindowFunctionDefinition::WindowUDF(fun), params } = &**function else { return None };
    let is_plain = fun.name() == "row_number"
        && params.order_by.is_empty()
        && !params.partition_by.is_empty()
        && params.filter.is_none();
    is_plain.then(|| params.partition_by.clone())
}

fn is_one(expression: &Expr) -> bool {
    let Expr::Literal(value, _) = expression else { return false };
    value.cast_to(&DataType::UInt64).is_ok_and(|value| value == ScalarValue::UInt64(Some(1)))
}

/// `NOT EXISTS` and its like: an anti join on equal keys and nothing else.
#[derive(Debug)]
pub(crate) struct AbsentKeyRule;

impl OptimizerRule for AbsentKeyRule {
    fn name(&self) -> &str {
        "absent_key"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        let is_plain = join.join_type == JoinType::LeftAnti
            && join.filter.is_none()
            && !join.null_aware
            && join.null_equality == NullEquality::NullEqualsNothing
            && !join.on.is_empty();
        if !is_plain {
            return Ok(Transformed::no(plan));
        }
        for (left, right) in &join.on {
            if left.get_type(join.left.schema())? != right.get_type(join.right.schema())? {
                return Ok(Transformed::no(plan));
            }
        }
        let (keys, other_keys) = join.on.iter().cloned().unzip();
        let node =
            KeyFilter { input: (*join.left).clone(), keys, absent_from: Some(((*join.right).clone(), other_keys)) };
        Ok(Transformed::yes(LogicalPlan::Extension(Extension { node: Arc::new(node) })))
    }
}
