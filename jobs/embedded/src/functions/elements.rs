//! `element_at`, which Trino has for arrays and for maps, and arrays of one element.

use super::Family;
use super::function::{Gives, Takes, function};
use datafusion::arrow::array::{Array, ArrayRef, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::functions_nested::{extract::array_element_udf, map_extract::map_extract_udf};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// The functions of this family. `dialect` makes `array_of(x)` of `ARRAY[x]`.
pub(super) fn functions() -> Family {
    vec![
        ScalarUDF::from(ElementAt { signature: Signature::user_defined(Volatility::Immutable) }),
        function("array_of", &[Takes::Any], Gives::ListOfArgument, array_of),
    ]
}

/// For each value an array of it alone. DataFusion's `make_array` copies value by value; here they stay where they are.
fn array_of(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [values] = args else { return exec_err!("array_of takes one argument") };
    let item = Field::new_list_field(values.data_type().clone(), true);
    let offsets = OffsetBuffer::from_repeated_length(1, values.len());
    Ok(Arc::new(ListArray::try_new(Arc::new(item), offsets, Arc::clone(values), None)?))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ElementAt {
    signature: Signature,
}

impl ScalarUDFImpl for ElementAt {
    fn name(&self) -> &str {
        "element_at"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        match args {
            [list @ DataType::List(_), index] if index.is_integer() || index.is_null() => {
                Ok(vec![list.clone(), DataType::Int64])
            }
            [map @ DataType::Map(entries, _), _] => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => Ok(vec![map.clone(), pair[0].data_type().clone()]),
                other => plan_err!("element_at of a map of {other}"),
            },
            _ => plan_err!("element_at takes an array and an index, or a map and a key"),
        }
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.first() {
            Some(DataType::List(item)) => Ok(item.data_type().clone()),
            Some(DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => Ok(pair[1].data_type().clone()),
                other => plan_err!("element_at of a map of {other}"),
            },
            _ => plan_err!("element_at takes an array and an index, or a map and a key"),
        }
    }

    /// A call is DataFusion's own function of the argument's kind.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let map = matches!(args.first().map(|arg| info.get_data_type(arg)).transpose()?, Some(DataType::Map(..)));
        let element = |args| Expr::ScalarFunction(ScalarFunction::new_udf(array_element_udf(), args));
        Ok(ExprSimplifyResult::Simplified(if map {
            let found = Expr::ScalarFunction(ScalarFunction::new_udf(map_extract_udf(), args));
            element(vec![found, datafusion::logical_expr::lit(1_i64)])
        } else {
            element(args)
        }))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        plan_err!("element_at was not planned")
    }
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
    fn an_element_of_an_array_or_a_map() {
        assert_eq!(answer("SELECT element_at(ARRAY[10, 20, 30], 2)"), "20");
        assert_eq!(answer("SELECT element_at(ARRAY[10, 20, 30], -1)"), "30");
        assert_eq!(answer("SELECT element_at(ARRAY[10], 2) IS NULL"), "true");
        assert_eq!(answer("SELECT element_at(MAP(ARRAY['a', 'b'], ARRAY[1, 2]), 'b')"), "2");
        assert_eq!(answer("SELECT element_at(MAP(ARRAY['a'], ARRAY[1]), 'z') IS NULL"), "true");
    }
}
