//! Finds the shapes of query that a label by key can answer.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{
    Distinct, Expr, ExprSchemable, Extension, Join, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, Window,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::KeyLabel;

/// `row_number() OVER (PARTITION BY key)`, without an order: rows are numbered as they come.
#[derive(Debug)]
pub(crate) struct NumberedKeyRule;

impl OptimizerRule for NumberedKeyRule {
    fn name(&self) -> &str {
        "numbered_key"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Window(window) = &plan else { return Ok(Transformed::no(plan)) };
        let Some(keys) = row_number_keys(window) else { return Ok(Transformed::no(plan)) };
        let (qualifier, field) = window.schema.qualified_field(window.input.schema().fields().len());
        let label = (qualifier.cloned(), Arc::clone(field));
        Ok(Transformed::yes(node(KeyLabel::try_new((*window.input).clone(), keys, None, vec![label])?)))
    }
}

fn node(label: KeyLabel) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(label) })
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

/// A join that asks nothing but whether a key is over there: a left join with distinct keys, or `NOT EXISTS`.
#[derive(Debug)]
pub(crate) struct KnownKeyRule;

impl OptimizerRule for KnownKeyRule {
    fn name(&self) -> &str {
        "known_key"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        if join.filter.is_some()
            || join.null_aware
            || join.null_equality != NullEquality::NullEqualsNothing
            || join.on.is_empty()
        {
            return Ok(Transformed::no(plan));
        }
        for (left, right) in &join.on {
            let data_type = left.get_type(join.left.schema())?;
            // 0 and -0 are equal and not the same bytes.
            if data_type.is_floating() || data_type != right.get_type(join.right.schema())? {
                return Ok(Transformed::no(plan));
            }
        }
        let labelled = match join.join_type {
            JoinType::Left => known_keys(join)?,
            JoinType::LeftAnti => Some(unknown_rows(join)?),
            _ => None,
        };
        Ok(labelled.map_or_else(|| Transformed::no(plan), Transformed::yes))
    }
}

/// A left join whose right side is a list of distinct keys, joined by all of them: a row finds its own key, or NULL.
fn known_keys(join: &Join) -> PlanResult<Option<LogicalPlan>> {
    let columns = join.right.schema().columns();
    if columns.len() != join.on.len() || !is_distinct(&join.right) {
        return Ok(None);
    }
    let mut keys = Vec::with_capacity(columns.len());
    for column in &columns {
        let joined = join.on.iter().find(|(_, right)| *right == Expr::Column(column.clone()));
        let Some((left, _)) = joined else { return Ok(None) };
        keys.push(left.clone());
    }
    let right = join.right.schema();
    let labels = right
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
    let known = (with_repeats(&join.right)?, columns.into_iter().map(Expr::Column).collect());
    let label = KeyLabel::try_new(join.left.as_ref().clone(), keys, Some(known), labels.collect())?;
    Ok(Some(node(label)))
}

/// Whether no two rows of a plan are equal.
fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_distinct(&alias.input),
        LogicalPlan::Distinct(Distinct::All(_)) => true,
        LogicalPlan::Aggregate(aggregate) => aggregate.aggr_expr.is_empty(),
        // Other names for all of the columns.
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            let mut columns: Vec<&Column> = expr.iter().filter_map(plain_column).collect();
            columns.sort_unstable();
            columns.dedup();
            columns.len() == input.schema().fields().len() && expr.len() == columns.len() && is_distinct(input)
        }
        _ => false,
    }
}

/// The same rows, each maybe several times: the set of keys sees to it that they are distinct.
fn with_repeats(plan: &LogicalPlan) -> PlanResult<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let input = with_repeats(&alias.input)?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => input.as_ref().clone(),
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().all(|key| plain_column(key).is_some()) => {
            let columns = aggregate.group_expr.clone();
            LogicalPlan::Projection(Projection::try_new(columns, Arc::clone(&aggregate.input))?)
        }
        other => other.clone(),
    })
}

fn plain_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain_column(&alias.expr),
        _ => None,
    }
}

/// `NOT EXISTS` and its like: the rows whose key is not over there.
fn unknown_rows(join: &Join) -> PlanResult<LogicalPlan> {
    let (keys, other_keys): (Vec<_>, Vec<_>) = join.on.iter().cloned().unzip();
    let data_type = keys.first().map_or(Ok(DataType::Null), |key| key.get_type(join.left.schema()))?;
    let label = (None, Arc::new(Field::new(KNOWN, data_type, true)));
    let left = join.left.as_ref().clone();
    let columns = left.schema().columns().into_iter().map(Expr::Column);
    let columns: Vec<Expr> = columns.collect();
    let label = KeyLabel::try_new(left, keys, Some((join.right.as_ref().clone(), other_keys)), vec![label])?;
    let known = Expr::Column(Column::new_unqualified(KNOWN));
    LogicalPlanBuilder::from(node(label)).filter(known.is_null())?.project(columns)?.build()
}

/// The column that says of a row of a `NOT EXISTS` whether its key was found. No query can name it.
const KNOWN: &str = "$known";
