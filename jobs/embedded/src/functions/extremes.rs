//! `max(x, n)` and `min(x, n)`: the greatest or least values of a group.

use super::gathered::{gathered, list_of};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortOptions, filter, is_not_null, sort};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::AggregateUDF;
use std::sync::Arc;

/// The aggregates of this family. `dialect` makes them of calls with two arguments.
pub(super) fn aggregates() -> Vec<AggregateUDF> {
    vec![
        gathered("max_n", types, |args, result| most(args, result, true)),
        gathered("min_n", types, |args, result| most(args, result, false)),
    ]
}

fn types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match args {
        [value, count] if count.is_integer() => Ok((vec![value.clone(), DataType::Int64], list_of(value))),
        _ => plan_err!("max and min take a value, and how many"),
    }
}

fn most(args: &[ArrayRef], result: &DataType, descending: bool) -> Result<ScalarValue> {
    let [values, counts] = args else { return internal_err!("max and min take two arguments") };
    let kept = filter(values, &is_not_null(values)?)?;
    if kept.is_empty() {
        return ScalarValue::try_from(result);
    }
    // It is the same in all rows.
    let counts = counts.as_primitive::<Int64Type>();
    let count = counts.is_valid(0).then(|| counts.value(0)).and_then(|count| usize::try_from(count).ok());
    let Some(count @ 1..=10_000) = count else {
        return exec_err!("max and min take from 1 to 10,000 values");
    };
    let sorted = sort(&kept, Some(SortOptions { descending, nulls_first: false }))?;
    let found = sorted.slice(0, count.min(sorted.len()));
    let item = Field::new_list_field(found.data_type().clone(), true);
    let list = ListArray::try_new(Arc::new(item), OffsetBuffer::from_lengths([found.len()]), found, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn the_greatest_and_the_least_are_listed() {
        let rows = "(VALUES 3, 1, NULL, 2, 3) AS t(x)";
        assert_eq!(answer(&format!("SELECT max(x, 3) FROM {rows}")), "[3, 3, 2]");
        assert_eq!(answer(&format!("SELECT min(x, 2) FROM {rows}")), "[1, 2]");
        assert_eq!(answer(&format!("SELECT max(x, 2) IS NULL FROM {rows} WHERE x > 5")), "true");
        assert_eq!(answer(&format!("SELECT max(x) FROM {rows}")), "3");
    }
}
