//! Arrays of one element, and how many elements an array has.

use super::Family;
use super::function::{Gives, Takes, function, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use std::sync::Arc;

/// The functions of this family. `dialect` makes `array_of(x)` of `ARRAY[x]`.
pub(super) fn functions() -> Family {
    vec![
        function("array_of", &[Takes::Any], Gives::ListOfArgument, array_of),
        typed("cardinality", cardinality_types, cardinality),
    ]
}

fn cardinality_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [of] = args else { return plan_err!("cardinality takes 1 argument(s), not {}", args.len()) };
    let taken = match of {
        DataType::List(_) | DataType::Map(..) | DataType::Null => of.clone(),
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => DataType::List(Arc::clone(item)),
        other => return plan_err!("cardinality takes an array or a map, not {}", trino_name(other)),
    };
    Ok((vec![taken], DataType::Int64))
}

/// The number of elements, of which each may be an array itself. DataFusion's cuts every array out of its column to count it, and
/// counts what is in arrays of arrays.
fn cardinality(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [of] = args else { return internal_err!("cardinality takes one argument") };
    let offsets = match of.data_type() {
        DataType::List(_) => of.as_list::<i32>().offsets(),
        DataType::Map(..) => of.as_map().offsets(),
        _ => return Ok(Arc::new(Int64Array::new_null(of.len()))),
    };
    let counts = offsets.windows(2).map(|ends| i64::from(ends[1] - ends[0])).collect::<Vec<_>>();
    Ok(Arc::new(Int64Array::new(counts.into(), of.nulls().cloned())))
}

/// For each value an array of it alone. DataFusion's `make_array` copies value by value; here they stay where they are.
fn array_of(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [values] = args else { return exec_err!("array_of takes one argument") };
    let item = Field::new_list_field(values.data_type().clone(), true);
    let offsets = OffsetBuffer::from_repeated_length(1, values.len());
    Ok(Arc::new(ListArray::try_new(Arc::new(item), offsets, Arc::clone(values), None)?))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn an_array_of_one_holds_it() {
        assert_eq!(
            answer("SELECT ARRAY[x] FROM (VALUES ('a text of more than twelve bytes')) AS t(x)"),
            "[a text of more than twelve bytes]"
        );
        assert_eq!(answer("SELECT cardinality(ARRAY[CAST(NULL AS varchar)])"), "1");
        assert_eq!(answer("SELECT ARRAY[ARRAY[x]] FROM (VALUES (1.5)) AS t(x)"), "[[1.5]]");
        assert_eq!(answer("SELECT ARRAY[1] || ARRAY[x] FROM (VALUES (2)) AS t(x)"), "[1, 2]");
    }

    #[test]
    fn the_elements_of_an_array_are_counted_and_not_what_is_in_them() {
        let rows =
            "(VALUES (1, ARRAY[ARRAY['a', 'b'], ARRAY['c']]), (2, NULL), (3, ARRAY[ARRAY['d', 'e']])) AS t(n, x)";
        let sql = format!("SELECT array_join(array_agg(coalesce(cardinality(x), -1) ORDER BY n), ' ') FROM {rows}");
        assert_eq!(answer(&sql), "2 -1 1");
        assert_eq!(answer("SELECT cardinality(MAP(ARRAY['a', 'b'], ARRAY[1, 2]))"), "2");
        assert_eq!(answer("SELECT cardinality(NULL) IS NULL"), "true");
        let error = answer("SELECT cardinality('a')");
        assert!(error.contains("Unexpected parameters (varchar(1)) for function cardinality"), "{error}");
        let sql =
            "SELECT array_join(array_agg(n), ' ') FROM UNNEST(ARRAY[ARRAY[1, 2], ARRAY[3]]) WITH ORDINALITY AS t(x, n)";
        assert_eq!(answer(sql), "1 2");
    }
}
