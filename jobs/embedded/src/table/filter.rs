//! Partition pruning: which partitions can hold rows that a query's filters let through.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, StringViewArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use meterlake_core::catalog::{Partition, PartitionFilter};

use crate::guards::guarded;

/// Whether a filter speaks of these columns only, so that it is settled when partitions and objects are chosen.
pub(super) fn is_settled_by(filter: &Expr, beside: &Schema) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty()
        && !filter.is_volatile()
        && !asks_others(filter)
        && columns.iter().all(|column| beside.column_with_name(&column.name).is_some())
}

/// Whether a filter has a part that another plan answers.
fn asks_others(filter: &Expr) -> bool {
    let mut asks = false;
    let walked = filter.apply(|part| {
        asks |= matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        );
        Ok(if asks { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    asks || walked.is_err()
}

/// The ranges of integer keys that filters imply, for the catalog to look up; what cannot be said so is left out.
pub(super) fn catalog_filter(filters: &[Expr], keys: &Schema) -> PartitionFilter {
    filters.iter().fold(PartitionFilter::default(), |found, filter| match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let both = [(**left).clone(), (**right).clone()];
            PartitionFilter(found.0.into_iter().chain(catalog_filter(&both, keys).0).collect())
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, integer(right), *op) {
            (Expr::Column(column), Some(value), op) if is_integer(&column.name, keys) => match op {
                Operator::Eq => found.and(&column.name, value, value),
                Operator::LtEq | Operator::Lt => found.and(&column.name, i64::MIN, value),
                Operator::GtEq | Operator::Gt => found.and(&column.name, value, i64::MAX),
                _ => found,
            },
            _ => found,
        },
        Expr::Between(between) if !between.negated => {
            match (&*between.expr, integer(&between.low), integer(&between.high)) {
                (Expr::Column(column), Some(low), Some(high)) if is_integer(&column.name, keys) => {
                    found.and(&column.name, low, high)
                }
                _ => found,
            }
        }
        _ => found,
    })
}

fn is_integer(column: &str, keys: &Schema) -> bool {
    keys.field_with_name(column).is_ok_and(|field| field.data_type().is_integer())
}

fn integer(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(value, _) if value.data_type().is_integer() => match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => None,
        },
        _ => None,
    }
}

/// The partitions' values as typed columns, a row a partition. A value that its type cannot hold is NULL.
pub(super) fn values(partitions: &[Partition], keys: &SchemaRef) -> PlanResult<RecordBatch> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let column = |(at, field): (usize, &FieldRef)| -> PlanResult<ArrayRef> {
        let text: StringArray = partitions.iter().map(|partition| partition.values.get(at)).collect();
        Ok(cast_with_options(&text, field.data_type(), &options)?)
    };
    let columns = keys.fields().iter().enumerate().map(column).collect::<PlanResult<Vec<_>>>()?;
    Ok(RecordBatch::try_new(Arc::clone(keys), columns)?)
}

/// The columns beside the objects of one partition, a row an object: the values of its keys and, where the columns have
/// it, the object's path.
pub(super) fn beside_objects<'a>(
    keys: &[ScalarValue],
    paths: impl ExactSizeIterator<Item = &'a str>,
    beside: &SchemaRef,
) -> PlanResult<RecordBatch> {
    let count = paths.len();
    let mut columns = keys.iter().map(|key| key.to_array_of_size(count)).collect::<PlanResult<Vec<_>>>()?;
    if beside.fields().len() > columns.len() {
        columns.push(Arc::new(StringViewArray::from_iter_values(paths)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(Arc::clone(beside), columns, &options)?)
}

/// For each row of `values`, whether it passes the filters.
pub(super) fn passing(state: &dyn Session, filters: &[Expr], values: &RecordBatch) -> PlanResult<Vec<bool>> {
    let Some(filter) = conjunction(filters.iter().cloned().map(unnormalize_col)) else {
        return Ok(vec![true; values.num_rows()]);
    };
    let filter = state.create_physical_expr(filter, &DFSchema::try_from(values.schema())?)?;
    let filter = guarded(&filter, &values.schema())?.unwrap_or(filter);
    let passing = filter.evaluate(values)?.into_array(values.num_rows())?;
    let passing = as_boolean_array(&passing)?;
    Ok((0..passing.len()).map(|row| is_true(passing, row)).collect())
}

fn is_true(values: &BooleanArray, row: usize) -> bool {
    values.is_valid(row) && values.value(row)
}
