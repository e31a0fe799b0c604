//! AND and OR that compute their right side only for the rows that need it.
//!
//! `x <> '-' AND CAST(x AS bigint) > 100` must not fail for the rows that the first part shuts out, as it does not on Trino.
//! DataFusion computes both sides for a whole batch. And it puts filters that meet in any order, and a CASE whose result is a
//! boolean in the form of AND and OR. So [`FailingLast`] puts what may fail behind what may not, and [`GuardRule`] evaluates
//! from left to right.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{and_kleene, filter_record_batch, or_kleene, take};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, internal_datafusion_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, ColumnarValue, Expr, ExprSchemable, Filter, LogicalPlan, Operator};
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::expressions::{
    BinaryExpr as PhysicalBinary, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal,
    NotExpr, TryCastExpr,
};
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;

type Value = Arc<dyn PhysicalExpr>;

/// DataFusion's rules, with [`FailingLast`] before what computes common parts once: those are computed for every row.
pub(crate) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let at = rules.iter().position(|rule| rule.name() == "common_sub_expression_eliminate").unwrap_or(rules.len());
    rules.insert(at, Arc::new(FailingLast));
    rules
}

/// DataFusion's rules on plans, with the guards of what is projected before all: a projection may become part of a scan.
pub(crate) fn physical_optimizer_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(GuardRule { is_of_projections: true }));
    rules
}

/// The guards of all else. They come last: other rules split filters at AND.
pub(crate) fn last_rule() -> Arc<dyn PhysicalOptimizerRule + Send + Sync> {
    Arc::new(GuardRule { is_of_projections: false })
}

/// Whether a function gives a value for any argument of its type.
fn never_fails(name: &str) -> bool {
    name.starts_with("try_")
        || name.starts_with("double_")
        || matches!(
            name,
            "regexp_like"
                | "starts_with"
                | "strpos"
                | "length"
                | "lower"
                | "upper"
                | "trim"
                | "trim_start"
                | "trim_end"
                | "ltrim"
                | "rtrim"
                | "btrim"
                | "substr"
                | "coalesce"
                | "replace"
                | "regexp_replace"
                | "octet_length"
                | "sha256"
                | "digest"
                | "encode"
                | "get_field"
                | "array_of"
                | "nullif"
                | "is_json"
                | "is_number"
                | "one_zero"
                | "map_equal"
                | "floor"
                | "ceil"
                | "year"
                | "month"
                | "day"
                | "hour"
                | "cardinality"
        )
}

fn is_safe_operator(op: Operator) -> bool {
    op.supports_propagation() || op.is_logic_operator() || op == Operator::StringConcat
}

/// Whether every value of a type has one of another.
fn is_wider(from: &DataType, to: &DataType) -> bool {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int8 => Some(1),
        DataType::Int16 => Some(2),
        DataType::Int32 => Some(3),
        DataType::Int64 => Some(4),
        _ => None,
    };
    let is_text = |data_type: &DataType| {
        matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..))
    };
    match (rank(from), rank(to)) {
        (Some(from), Some(to)) => from <= to,
        (Some(_), None) => to.is_floating(),
        _ => from == to || (is_text(from) && is_text(to)),
    }
}

/// Puts the parts of a filter that may fail behind those that may not; both keep their order.
#[derive(Debug)]
struct FailingLast;

impl OptimizerRule for FailingLast {
    fn name(&self) -> &str {
        "failing_last"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
        let schema = filter.input.schema();
        let parts = split_conjunction(&filter.predicate);
        let fails: Vec<bool> = parts.iter().map(|part| may_fail(part, schema)).collect();
        if fails.is_sorted() {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let of = |wanted: bool| parts.iter().zip(&fails).filter(move |(_, fails)| **fails == wanted);
        let sorted: Vec<Expr> = of(false).chain(of(true)).map(|(part, _)| (**part).clone()).collect();
        let predicate = conjunction(sorted).unwrap_or_else(|| filter.predicate.clone());
        Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(&filter.input))?)))
    }
}

fn may_fail(expr: &Expr, schema: &DFSchema) -> bool {
    let mut fails = false;
    let walked = expr.apply(|part| {
        fails |= match part {
            Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_) | Expr::Not(_) | Expr::Case(_) | Expr::TryCast(_) => {
                false
            }
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsUnknown(_) => false,
            Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::IsNotUnknown(_) => false,
            Expr::Between(_) | Expr::InList(_) | Expr::Like(_) => false,
            Expr::BinaryExpr(BinaryExpr { op, .. }) => !is_safe_operator(*op),
            Expr::Cast(cast) => {
                cast.expr.get_type(schema).map_or(true, |from| !is_wider(&from, cast.field.data_type()))
            }
            Expr::ScalarFunction(function) => !never_fails(function.name()),
            _ => true,
        };
        Ok(if fails { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    fails || walked.is_err()
}

/// Puts [`Guarded`] in the place of AND and OR.
#[derive(Debug)]
struct GuardRule {
    is_of_projections: bool,
}

impl PhysicalOptimizerRule for GuardRule {
    fn name(&self) -> &str {
        "guards"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            if let Some(filter) = plan.downcast_ref::<FilterExec>() {
                if self.is_of_projections {
                    return Ok(Transformed::no(plan));
                }
                let predicate = guarded(filter.predicate(), &filter.input().schema())?;
                return Ok(match predicate {
                    Some(predicate) => {
                        let filter = FilterExecBuilder::from(filter).with_predicate(predicate).build()?;
                        Transformed::yes(Arc::new(filter) as _)
                    }
                    None => Transformed::no(plan),
                });
            }
            if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                let exprs: Vec<&Value> = projection.expr().iter().map(|column| &column.expr).collect();
                let Some(exprs) = all_guarded(&exprs, &projection.input().schema())? else {
                    return Ok(Transformed::no(plan));
                };
                let columns = projection.expr().iter().zip(exprs);
                let columns: Vec<ProjectionExpr> =
                    columns.map(|(column, expr)| ProjectionExpr { expr, alias: column.alias.clone() }).collect();
                return Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(
                    columns,
                    Arc::clone(projection.input()),
                )?)));
            }
            match plan.downcast_ref::<AggregateExec>() {
                Some(aggregate) if !self.is_of_projections => Ok(match guarded_aggregate(aggregate)? {
                    Some(aggregate) => Transformed::yes(aggregate),
                    None => Transformed::no(plan),
                }),
                _ => Ok(Transformed::no(plan)),
            }
        })
        .data()
    }
}

/// An aggregation with guards in what it aggregates and in FILTER; none if it needs none.
fn guarded_aggregate(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // A later step of an aggregation computes nothing of rows.
    if !matches!(aggregate.mode(), AggregateMode::Partial | AggregateMode::Single | AggregateMode::SinglePartitioned) {
        return Ok(None);
    }
    let schema = aggregate.input_schema();
    let mut changed = false;
    let mut functions = aggregate.aggr_expr().to_vec();
    for function in &mut functions {
        let all = function.all_expressions();
        let Some(args) = all_guarded(&all.args.iter().collect::<Vec<_>>(), &schema)? else { continue };
        if let Some(guarded) = function.with_new_expressions(args, all.order_by_exprs) {
            *function = Arc::new(guarded);
            changed = true;
        }
    }
    let mut filters = aggregate.filter_expr().to_vec();
    for filter in filters.iter_mut().flatten() {
        if let Some(guarded) = guarded(filter, &schema)? {
            *filter = guarded;
            changed = true;
        }
    }
    if !changed {
        return Ok(None);
    }
    let (group, input) = (aggregate.group_expr().clone(), Arc::clone(aggregate.input()));
    let limit = aggregate.limit_options();
    let guarded = AggregateExec::try_new(*aggregate.mode(), group, functions, filters, input, schema)?;
    Ok(Some(Arc::new(guarded.with_limit_options(limit))))
}

/// Expressions with their guards; none if they need none.
fn all_guarded(exprs: &[&Value], schema: &Schema) -> Result<Option<Vec<Value>>> {
    let guarded = exprs.iter().map(|expr| guarded(expr, schema)).collect::<Result<Vec<_>>>()?;
    if guarded.iter().all(Option::is_none) {
        return Ok(None);
    }
    Ok(Some(
        guarded.into_iter().zip(exprs).map(|(guarded, expr)| guarded.unwrap_or_else(|| Arc::clone(expr))).collect(),
    ))
}

/// An expression with its guards; none if it needs none.
pub(crate) fn guarded(expr: &Value, schema: &Schema) -> Result<Option<Value>> {
    let guarded = Arc::clone(expr).transform_up(|expr| {
        let Some(binary) = expr.downcast_ref::<PhysicalBinary>() else { return Ok(Transformed::no(expr)) };
        let is_or = match binary.op() {
            Operator::And => false,
            Operator::Or => true,
            _ => return Ok(Transformed::no(expr)),
        };
        if is_safe(binary.right(), schema) {
            return Ok(Transformed::no(expr));
        }
        let sides = [Arc::clone(binary.left()), Arc::clone(binary.right())];
        Ok(Transformed::yes(Arc::new(Guarded { sides, is_or }) as Value))
    })?;
    Ok(guarded.transformed.then_some(guarded.data))
}

/// Whether an expression gives a value for every row.
fn is_safe(expr: &Value, schema: &Schema) -> bool {
    let is_plain = expr.is::<Column>()
        || expr.is::<Literal>()
        || expr.is::<NotExpr>()
        || expr.is::<IsNullExpr>()
        || expr.is::<IsNotNullExpr>()
        || expr.is::<InListExpr>()
        || expr.is::<LikeExpr>()
        || expr.is::<CaseExpr>()
        || expr.is::<TryCastExpr>()
        || expr.is::<Guarded>();
    let is_this_safe = is_plain
        || expr.downcast_ref::<PhysicalBinary>().is_some_and(|binary| is_safe_operator(*binary.op()))
        || expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|function| never_fails(function.name()))
        || expr
            .downcast_ref::<CastExpr>()
            .is_some_and(|cast| cast.expr().data_type(schema).is_ok_and(|from| is_wider(&from, cast.cast_type())));
    is_this_safe && expr.children().into_iter().all(|child| is_safe(child, schema))
}

/// `left AND right`, or `left OR right`: the right side is computed where the left one does not decide.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Guarded {
    /// Left and right.
    sides: [Value; 2],
    is_or: bool,
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = &self.sides;
        write!(f, "({left} {} {right})", if self.is_or { "OR" } else { "AND" })
    }
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        let [left, right] = &self.sides;
        Ok(left.nullable(schema)? || right.nullable(schema)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let [left, right] = &self.sides;
        let left = left.evaluate(batch)?.into_array(rows)?;
        let left = left.as_boolean();
        let decides = |row: usize| left.is_valid(row) && left.value(row) == self.is_or;
        let open: BooleanArray = (0..rows).map(|row| Some(!decides(row))).collect();
        let count = open.true_count();
        if count == 0 {
            return Ok(ColumnarValue::Array(Arc::new(left.clone())));
        }
        let right = if count == rows {
            right.evaluate(batch)?.into_array(rows)?
        } else {
            let rest = filter_record_batch(batch, &open)?;
            let right = right.evaluate(&rest)?.into_array(rest.num_rows())?;
            let mut next = 0..;
            let places: UInt64Array = open.values().iter().map(|open| open.then(|| next.next()).flatten()).collect();
            take(&right, &places, None)?
        };
        let both = if self.is_or { or_kleene } else { and_kleene };
        Ok(ColumnarValue::Array(Arc::new(both(left, right.as_boolean())?)))
    }

    fn children(&self) -> Vec<&Value> {
        self.sides.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Value>) -> Result<Value> {
        let sides = children.try_into().map_err(|_| internal_datafusion_err!("AND and OR have two sides"))?;
        Ok(Arc::new(Self { sides, is_or: self.is_or }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
