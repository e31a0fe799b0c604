//! Arrays of one element.

use super::Family;
use super::function::{Gives, Takes, function};
use datafusion::arrow::array::{Array, ArrayRef, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::Field;
use datafusion::common::{Result, exec_err};
use std::sync::Arc;

/// The functions of this family. `dialect` makes `array_of(x)` of `ARRAY[x]`.
pub(super) fn functions() -> Family {
    vec![function("array_of", &[Takes::Any], Gives::ListOfArgument, array_of)]
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
}
