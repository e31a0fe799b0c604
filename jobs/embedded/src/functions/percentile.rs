//! `approx_percentile`: the value with this rank, which is exact here. Trino's is within its error of it, and equal to it
//! where there are few values.

use super::gathered::{gathered, list_of};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt64Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortOptions, filter, is_not_null, sort, take};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::AggregateUDF;
use std::sync::Arc;

pub(super) fn approx_percentile() -> AggregateUDF {
    gathered("approx_percentile", types, finish)
}

fn types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [value, percentile] = args else {
        return plan_err!("the embedded engine has approx_percentile(x, p) and approx_percentile(x, ARRAY[p, …])");
    };
    let value = match value {
        integer if integer.is_integer() => DataType::Int64,
        DataType::Float32 => DataType::Float32,
        DataType::Null | DataType::Float64 | DataType::Decimal128(..) => DataType::Float64,
        other => return plan_err!("approx_percentile takes a number, not {}", trino_name(other)),
    };
    match percentile {
        DataType::List(_) => Ok((vec![value.clone(), list_of(&DataType::Float64)], list_of(&value))),
        number if number.is_numeric() => Ok((vec![value.clone(), DataType::Float64], value)),
        other => plan_err!("approx_percentile takes a percentile from 0 to 1, not {}", trino_name(other)),
    }
}

fn finish(args: &[ArrayRef], result: &DataType) -> Result<ScalarValue> {
    let [values, percentiles] = args else { return internal_err!("approx_percentile takes two arguments") };
    let is_valid = is_not_null(values)?;
    let values = sort(&filter(values, &is_valid)?, Some(SortOptions { descending: false, nulls_first: false }))?;
    if values.is_empty() {
        return ScalarValue::try_from(result);
    }
    // It is the same in all rows.
    let Some(lists) = percentiles.as_list_opt::<i32>() else {
        let wanted = percentiles.as_primitive::<Float64Type>();
        let at = rank(wanted.is_valid(0).then(|| wanted.value(0)), values.len())?;
        return ScalarValue::try_from_array(&values, at);
    };
    let wanted = lists.value(0);
    let places = wanted.as_primitive::<Float64Type>().iter().map(|wanted| Ok(rank(wanted, values.len())? as u64));
    let found = take(&values, &places.collect::<Result<Vec<_>>>().map(UInt64Array::from)?, None)?;
    let item = Field::new_list_field(values.data_type().clone(), true);
    let offsets = OffsetBuffer::from_lengths([found.len()]);
    let list = ListArray::try_new(Arc::new(item), offsets, found, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

/// The place of a percentile among so many sorted values, as Trino's digests have it.
fn rank(percentile: Option<f64>, count: usize) -> Result<usize> {
    match percentile {
        Some(percentile) if (0.0..=1.0).contains(&percentile) => {
            Ok(((percentile * count as f64).floor() as usize).min(count - 1))
        }
        _ => exec_err!("Percentile must be between 0 and 1"),
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let rows = "UNNEST(sequence(1, 10)) AS t(x)";
        for (percentile, expected) in [("0.5", "6"), ("0.9", "10"), ("0.0", "1"), ("1.0", "10")] {
            assert_eq!(answer(&format!("SELECT approx_percentile(x, {percentile}) FROM {rows}")), expected);
        }
        assert_eq!(answer(&format!("SELECT approx_percentile(x, ARRAY[0.5, 0.9]) FROM {rows}")), "[6, 10]");
        assert_eq!(answer(&format!("SELECT approx_percentile(x, 0.5) IS NULL FROM {rows} WHERE x > 10")), "true");
        assert_eq!(
            answer(&format!("SELECT approx_percentile(x, 1.5) FROM {rows}")),
            "Percentile must be between 0 and 1"
        );
        assert_eq!(answer(&format!("SELECT typeof(approx_percentile(x, 0.5)) FROM {rows} GROUP BY x > 10")), "bigint");
    }
}
