//! `coalesce` that computes each value once, and only for the rows that need it.
//!
//! DataFusion plans `coalesce(a, b)` as `CASE WHEN a IS NOT NULL THEN a ELSE b END`, which computes `a` twice. That is dear
//! where `a` parses a line.

use datafusion::arrow::array::{Array, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{filter_record_batch, is_null, kernels::zip::zip, take};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{CaseExpr, IsNotNullExpr};
use datafusion::physical_expr::{PhysicalExpr, projection::ProjectionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use std::fmt;
use std::sync::Arc;

type Value = Arc<dyn PhysicalExpr>;

/// Finds what was a `coalesce` in the columns that a plan computes.
#[derive(Debug)]
pub(crate) struct CoalesceOnce;

impl PhysicalOptimizerRule for CoalesceOnce {
    fn name(&self) -> &str {
        "coalesce_once"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let Some(projection) = plan.downcast_ref::<ProjectionExec>() else { return Ok(Transformed::no(plan)) };
            let mut changed = false;
            let columns = projection.expr().iter().map(|column| {
                let expr = Arc::clone(&column.expr).transform_up(once)?;
                changed |= expr.transformed;
                Ok(ProjectionExpr { expr: expr.data, alias: column.alias.clone() })
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            if !changed {
                return Ok(Transformed::no(plan));
            }
            Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(columns, Arc::clone(projection.input()))?) as _))
        })
        .data()
    }
}

fn once(expr: Value) -> Result<Transformed<Value>> {
    let Some((case, otherwise)) = expr.downcast_ref::<CaseExpr>().and_then(|case| Some((case, case.else_expr()?)))
    else {
        return Ok(Transformed::no(expr));
    };
    let is_coalesce = case.expr().is_none()
        && case.when_then_expr().iter().all(|(when, then)| {
            when.downcast_ref::<IsNotNullExpr>().is_some_and(|not_null| not_null.arg().as_ref() == then.as_ref())
        });
    if !is_coalesce {
        return Ok(Transformed::no(expr));
    }
    let values = case.when_then_expr().iter().map(|(_, then)| then).chain([otherwise]).cloned().collect();
    Ok(Transformed::yes(Arc::new(Coalesce { values })))
}

/// The first value that is not NULL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Coalesce {
    values: Vec<Value>,
}

impl fmt::Display for Coalesce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.values.iter().map(ToString::to_string).collect();
        write!(f, "coalesce({})", values.join(", "))
    }
}

impl PhysicalExpr for Coalesce {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.values.first().map_or(Ok(DataType::Null), |value| value.data_type(schema))
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.values.iter().map(|value| value.nullable(schema)).try_fold(true, |all, value| Ok(all && value?))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let mut values = self.values.iter();
        let Some(first) = values.next() else { return Ok(ColumnarValue::Scalar(ScalarValue::Null)) };
        let mut found = first.evaluate(batch)?.into_array(batch.num_rows())?;
        for value in values {
            if found.logical_null_count() == 0 {
                break;
            }
            let missing = is_null(&found)?;
            let rest = filter_record_batch(batch, &missing)?;
            let more = value.evaluate(&rest)?.into_array(rest.num_rows())?;
            if more.logical_null_count() < more.len() {
                let mut next = 0..;
                let places: UInt64Array =
                    missing.values().iter().map(|missing| missing.then(|| next.next()).flatten()).collect();
                found = zip(&missing, &take(&more, &places, None)?, &found)?;
            }
        }
        Ok(ColumnarValue::Array(found))
    }

    fn children(&self) -> Vec<&Value> {
        self.values.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, values: Vec<Value>) -> Result<Value> {
        Ok(Arc::new(Self { values }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn the_first_value_that_is_not_null_is_taken() {
        let rows = "(VALUES ('a', 'b', '1'), (NULL, 'b', 'x'), (NULL, NULL, '2')) AS t(a, b, n)";
        let sql = format!("SELECT array_join(array_agg(coalesce(a, nullif(b, 'z'), 'none')), ' ') FROM {rows}");
        assert_eq!(answer(&sql), "a b none");
        // What stands behind is not computed where it is not needed: 'x' is no number.
        let sql = format!("SELECT sum(coalesce(length(b), CAST(n AS bigint))) FROM {rows}");
        assert_eq!(answer(&sql), "4");
    }
}
