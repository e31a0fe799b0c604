//! DataFusion's functions that compute what Trino's do and give it another type.

use super::Family;
use super::numbers::whole_digits;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::{math, string, unicode};
use datafusion::functions_nested::length;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![
        adapted("strpos", unicode::strpos(), bigint),
        adapted("levenshtein_distance", string::levenshtein(), bigint),
        adapted("array_length", length::array_length_udf(), bigint),
        adapted("round", math::round(), rounded),
    ]
}

fn adapted(name: &'static str, inner: Arc<ScalarUDF>, gives: Gives) -> ScalarUDF {
    ScalarUDF::from(Adapted { name, inner, gives })
}

/// From the types of the arguments to the type of Trino's result; none where DataFusion's is right.
type Gives = fn(&[FieldRef]) -> Option<DataType>;

fn bigint(_: &[FieldRef]) -> Option<DataType> {
    Some(DataType::Int64)
}

/// Trino's `round(x)` of a decimal drops the scale, and `round(x, n)` keeps it; an integer stays one.
fn rounded(args: &[FieldRef]) -> Option<DataType> {
    match (args.first()?.data_type(), args.len()) {
        (DataType::Decimal128(precision, scale), 1) => Some(DataType::Decimal128(whole_digits(*precision, *scale), 0)),
        (DataType::Decimal128(precision, scale), _) => Some(DataType::Decimal128((precision + 1).min(38), *scale)),
        (integer, _) if integer.is_integer() => Some(integer.clone()),
        _ => None,
    }
}

#[derive(Debug)]
struct Adapted {
    name: &'static str,
    inner: Arc<ScalarUDF>,
    gives: Gives,
}

// A name stands for one function, so the name decides whether two are the same.
impl PartialEq for Adapted {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Adapted {}

impl std::hash::Hash for Adapted {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Adapted {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let gives = (self.gives)(args.arg_fields);
        let field = self.inner.return_field_from_args(args)?;
        Ok(Arc::new(Field::new(self.name, gives.unwrap_or_else(|| field.data_type().clone()), true)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let wanted = args.return_field.data_type().clone();
        let scalars: Vec<Option<&ScalarValue>> = args
            .args
            .iter()
            .map(|arg| match arg {
                ColumnarValue::Scalar(scalar) => Some(scalar),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let inner = ReturnFieldArgs { arg_fields: &args.arg_fields, scalar_arguments: &scalars };
        args.return_field = self.inner.return_field_from_args(inner)?;
        self.inner.invoke_with_args(args)?.cast_to(&wanted, None)
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn lengths_are_bigints_of_code_points() {
        assert_eq!(answer("SELECT typeof(length('요청'))"), "bigint");
        assert_eq!(answer("SELECT length('요청')"), "2");
    }

    #[test]
    fn a_rounded_decimal_stays_a_decimal() {
        assert_eq!(answer("SELECT round(1.235, 2)"), "1.240");
        assert_eq!(answer("SELECT round(-2.5)"), "-3");
        assert_eq!(answer("SELECT typeof(round(1.235))"), "decimal(2,0)");
    }
}
