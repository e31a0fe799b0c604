//! `+`, `-`, `*`, `/`, `%` and the sign of integers and decimals, by Trino's rules: what overflows is an error, and a
//! decimal has the scale and the rounding that Trino gives it.
//!
//! DataFusion's own operators wrap around, and cut a quotient off four digits behind its dividend. The operators are
//! replaced where a query is planned, so that the types of all that stands above them follow.

use super::Family;
use super::decimals::{self, Digits};
use super::function::{kept, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{ArrayRef, AsArray, Datum};
use datafusion::arrow::compute::kernels::{cmp::eq, numeric};
use datafusion::arrow::compute::nullif;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, FieldRef, Fields};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{
    DFSchema, DataFusionError, Result, ScalarValue, exec_datafusion_err, internal_datafusion_err, internal_err,
    plan_err,
};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use std::sync::Arc;

/// The functions of this family. `dialect` makes `negate(x)` of `-x`, and `kept(x)` of a `try(x)` that is the same for all rows:
/// Trino does not compute it before the query runs, and so not what meets it.
pub(super) fn functions() -> Family {
    vec![
        ScalarUDF::from(Negate { signature: Signature::user_defined(Volatility::Immutable) }),
        kept(
            "kept",
            |args| Ok((args.to_vec(), args.first().cloned().unwrap_or(DataType::Null))),
            |args| args.first().cloned().ok_or_else(|| internal_datafusion_err!("kept takes one argument")),
        ),
        typed("divisor", |args| Ok((args.to_vec(), args.first().cloned().unwrap_or(DataType::Null))), divisor),
    ]
}

/// What `try(x / y)` divides by: NULL for a zero that it cannot divide by. A double it can.
fn divisor(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [values] = args else { return internal_err!("divisor takes one argument") };
    if values.data_type().is_floating() || values.data_type().is_null() {
        return Ok(Arc::clone(values));
    }
    let zero = ScalarValue::new_zero(values.data_type())?.to_scalar()?;
    Ok(nullif(values, &eq(values, &zero)?)?)
}

/// Puts Trino's arithmetic in the place of DataFusion's.
#[derive(Debug)]
pub(super) struct TrinoArithmetic;

impl ExprPlanner for TrinoArithmetic {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let operation = match expr.op {
            BinaryOperator::Eq | BinaryOperator::NotEq => return compared(expr, schema),
            BinaryOperator::Plus => Operation::Add,
            BinaryOperator::Minus => Operation::Subtract,
            BinaryOperator::Multiply => Operation::Multiply,
            BinaryOperator::Divide => Operation::Divide,
            BinaryOperator::Modulo => Operation::Modulo,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let is_interval = |side: &DataType| matches!(side, DataType::Interval(_));
        if is_interval(&left) && right.is_numeric() && matches!(operation, Operation::Multiply | Operation::Divide) {
            return Ok(PlannerResult::Planned(super::intervals::scaled(expr.left, operation, expr.right)));
        }
        if is_interval(&right) && left.is_numeric() && operation == Operation::Multiply {
            return Ok(PlannerResult::Planned(super::intervals::scaled(expr.right, operation, expr.left)));
        }
        if matches!(operation, Operation::Add | Operation::Subtract) {
            refuse_times(&expr, &left, &right)?;
            if operation == Operation::Subtract && is_moment(&left) && is_moment(&right) {
                return Ok(PlannerResult::Planned(super::intervals::difference(expr.left, expr.right)));
            }
            let is_back = operation == Operation::Subtract;
            if is_moment(&left) && is_interval(&right) {
                return Ok(PlannerResult::Planned(super::intervals::moved(expr.left, expr.right, is_back)));
            }
            if is_interval(&left) && is_moment(&right) && !is_back {
                return Ok(PlannerResult::Planned(super::intervals::moved(expr.right, expr.left, false)));
            }
        }
        if !left.is_numeric() || !right.is_numeric() || left.is_floating() || right.is_floating() {
            return Ok(PlannerResult::Original(expr));
        }
        let udf = ScalarUDF::from(Arithmetic { operation, signature: Signature::user_defined(Volatility::Immutable) });
        Ok(PlannerResult::Planned(udf.call(vec![expr.left, expr.right])))
    }
}

/// Arrays and maps are compared by a function: DataFusion takes two NULLs among their items for equal.
fn compared(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    if let (Ok(DataType::Struct(left)), Ok(DataType::Struct(right))) =
        (expr.left.get_type(schema), expr.right.get_type(schema))
    {
        return compared_rows(expr, &left, &right, schema);
    }
    let equal = match (expr.left.get_type(schema), expr.right.get_type(schema)) {
        (Ok(DataType::List(_)), Ok(DataType::List(_))) => super::arrays::array_equal(),
        (Ok(DataType::Map(..)), Ok(DataType::Map(..))) => super::maps::map_equal(),
        _ => return Ok(PlannerResult::Original(expr)),
    };
    let is_negated = expr.op == BinaryOperator::NotEq;
    let equal = equal.call(vec![expr.left, expr.right]);
    Ok(PlannerResult::Planned(if is_negated { Expr::Not(Box::new(equal)) } else { equal }))
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

/// Rows are equal if their fields are, which may be NULL.
fn compared_rows(
    expr: RawBinaryExpr,
    left: &Fields,
    right: &Fields,
    schema: &DFSchema,
) -> Result<PlannerResult<RawBinaryExpr>> {
    if left.len() != right.len() || left.is_empty() {
        return plan_err!("Cannot compare rows of {} and {} fields", left.len(), right.len());
    }
    let field = |row: &Expr, field: &FieldRef| get_field(row.clone(), field.name().as_str());
    let mut equal = None;
    for (a, b) in left.iter().zip(right) {
        let pair = RawBinaryExpr { op: BinaryOperator::Eq, left: field(&expr.left, a), right: field(&expr.right, b) };
        let pair = match compared(pair, schema)? {
            PlannerResult::Planned(equal) => equal,
            PlannerResult::Original(RawBinaryExpr { left, right, .. }) => left.eq(right),
        };
        equal = Some(match equal {
            Some(before) => Expr::and(before, pair),
            None => pair,
        });
    }
    let equal = equal.unwrap_or_else(|| Expr::Literal(ScalarValue::Boolean(None), None));
    let is_negated = expr.op == BinaryOperator::NotEq;
    Ok(PlannerResult::Planned(if is_negated { Expr::Not(Box::new(equal)) } else { equal }))
}

/// What Trino refuses of times.
fn refuse_times(expr: &RawBinaryExpr, left: &DataType, right: &DataType) -> Result<()> {
    if (is_moment(left) && right.is_numeric()) || (left.is_numeric() && is_moment(right)) {
        let (left, right) = (trino_name(left), trino_name(right));
        return plan_err!("Cannot apply operator: {left} {} {right}: write date_add('day', n, x)", expr.op);
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "subtract",
            Self::Multiply => "multiply",
            Self::Divide => "divide",
            Self::Modulo => "modulo",
        }
    }

    /// What Trino calls it in an error.
    fn noun(self) -> &'static str {
        match self {
            Self::Add => "addition",
            Self::Subtract => "subtraction",
            Self::Multiply => "multiplication",
            Self::Divide => "division",
            Self::Modulo => "modulus",
        }
    }

    fn of_integers(self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Add => numeric::add(left, right),
            Self::Subtract => numeric::sub(left, right),
            Self::Multiply => numeric::mul(left, right),
            Self::Divide => numeric::div(left, right),
            Self::Modulo => numeric::rem(left, right),
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = args else { return internal_err!("arithmetic takes two operands") };
        if left.is_integer() && right.is_integer() {
            let wider = wider(left, right);
            return Ok(vec![wider.clone(), wider]);
        }
        Ok(vec![Digits::of(left)?.data_type(), Digits::of(right)?.data_type()])
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let [left, right] = args else { return internal_err!("arithmetic takes two operands") };
        if left.is_integer() && right.is_integer() {
            return Ok(wider(left, right));
        }
        Ok(decimals::result(self.operation, Digits::of(left)?, Digits::of(right)?)?.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return internal_err!("arithmetic takes two operands") };
        let data_type = left.data_type();
        if !matches!(data_type, DataType::Decimal128(..)) {
            return apply(left, right, |left, right| self.operation.of_integers(left, right))
                .map_err(|error| told(error, &data_type, self.operation.noun()));
        }
        let (of_left, of_right) = (Digits::of(&data_type)?, Digits::of(&right.data_type())?);
        let result = decimals::result(self.operation, of_left, of_right)?;
        let is_constant = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
        let (left, right) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
        let values = decimals::compute(self.operation, (left, of_left), (right, of_right), result)?;
        Ok(if is_constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
        } else {
            ColumnarValue::Array(values)
        })
    }
}

/// The type that two integers meet in. What DataFusion counts without a sign is a bigint in Trino.
fn wider(left: &DataType, right: &DataType) -> DataType {
    let rank = |integer: &DataType| match integer {
        DataType::Int8 => 0,
        DataType::Int16 => 1,
        DataType::Int32 => 2,
        _ => 3,
    };
    [DataType::Int8, DataType::Int16, DataType::Int32, DataType::Int64]
        .into_iter()
        .nth(rank(left).max(rank(right)))
        .unwrap_or(DataType::Int64)
}

/// Arrow's errors in Trino's words.
fn told(error: DataFusionError, data_type: &DataType, noun: &str) -> DataFusionError {
    let told = match &error {
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ArithmeticOverflow(reason) => {
                let operands = reason.trim_start_matches("Overflow happened on: ").trim_start_matches("- ");
                Some(format!("{} {noun} overflow: {operands}", trino_name(data_type)))
            }
            ArrowError::DivideByZero => Some("Division by zero".to_owned()),
            _ => None,
        },
        _ => None,
    };
    told.map_or(error, |told| exec_datafusion_err!("{told}"))
}

/// The sign of a number turned around.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Negate {
    signature: Signature,
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &str {
        "negate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        match args {
            [DataType::Null] => Ok(vec![DataType::Int64]),
            [of] if of.is_unsigned_integer() => Ok(vec![DataType::Int64]),
            [of] if of.is_numeric() || matches!(of, DataType::Interval(_) | DataType::Duration(_)) => {
                Ok(vec![of.clone()])
            }
            [of] => plan_err!("Cannot negate {}", trino_name(of)),
            _ => plan_err!("- takes one value"),
        }
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        args.first().cloned().map_or_else(|| internal_err!("- takes one value"), Ok)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else { return internal_err!("- takes one value") };
        let data_type = value.data_type();
        let of = |array: ArrayRef| -> Result<ArrayRef> {
            numeric::neg(array.as_ref()).map_err(|error| told(error.into(), &data_type, "negation"))
        };
        Ok(match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(of(Arc::clone(array))?),
            ColumnarValue::Scalar(scalar) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&of(scalar.to_array()?)?, 0)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    fn of(expression: &str, a: &str, b: &str) -> String {
        answer(&format!("SELECT {expression} FROM (VALUES ({a}, {b})) AS t(a, b)"))
    }

    #[test]
    fn what_overflows_is_an_error() {
        let (most, least) = ("9223372036854775807", "-9223372036854775808");
        assert_eq!(of("a + b", most, "1"), "bigint addition overflow: 9223372036854775807 + 1");
        assert_eq!(of("a - b", least, "1"), "bigint subtraction overflow: -9223372036854775808 - 1");
        assert_eq!(of("a * b", most, "2"), "bigint multiplication overflow: 9223372036854775807 * 2");
        assert_eq!(of("-a", least, "1"), "bigint negation overflow: -9223372036854775808");
        assert_eq!(of("a + b", most, "-1"), "9223372036854775806");
        let smallint = |value: &str| format!("CAST({value} AS smallint)");
        assert_eq!(of("a + b", &smallint("32767"), &smallint("1")), "smallint addition overflow: 32767 + 1");
        assert_eq!(of("a + b", &smallint("32767"), "1"), "32768");
        assert_eq!(of("a + b", "2147483647", "1"), "integer addition overflow: 2147483647 + 1");
    }

    #[test]
    fn rows_are_equal_if_their_fields_are() {
        assert_eq!(answer("SELECT ROW(1, 'a') = ROW(1, 'a')"), "true");
        assert_eq!(answer("SELECT ((1, NULL) = (1, 2)) IS NULL"), "true");
        assert_eq!(answer("SELECT (1, NULL) = (2, 2)"), "false");
    }

    #[test]
    fn constants_are_checked_too() {
        assert_eq!(answer("SELECT 2147483647 + 1"), "integer addition overflow: 2147483647 + 1");
        assert_eq!(answer("SELECT 2147483647 + 2147483648"), "4294967295");
        assert_eq!(answer("SELECT CAST(2147483647 AS bigint) + 1"), "2147483648");
        assert_eq!(answer("SELECT typeof(1 + 1)"), "integer");
        assert_eq!(answer("SELECT -9223372036854775808"), "-9223372036854775808");
    }

    #[test]
    fn a_quotient_has_the_scale_of_its_operands_and_is_rounded() {
        for (quotient, expected) in [
            ("2 / 3.0", "0.7"),
            ("-2 / 3.0", "-0.7"),
            ("1 / 3.0", "0.3"),
            ("5.0 / 2", "2.5"),
            ("1.5 / 2", "0.8"),
            ("10.00 / 3.000", "3.333"),
            ("1 / 3.00000", "0.33333"),
            ("7 / 2", "3"),
            ("1 / 0.0", "Division by zero"),
            ("1 / 0", "Division by zero"),
            ("typeof(1.0 / 3)", "decimal(2,1)"),
        ] {
            assert_eq!(answer(&format!("SELECT {quotient}")), expected, "{quotient}");
        }
        assert_eq!(of("a / 1073741824.0", "607201234", "1"), "0.6");
        assert_eq!(answer("SELECT from_unixtime(1675146135165 / 1000.0)"), "2023-01-31T06:22:15.200Z");
    }

    #[test]
    fn what_trino_refuses_of_times_is_refused() {
        let error = answer("SELECT DATE '2023-03-01' + 1");
        assert_eq!(
            error,
            "line 1:26: Cannot apply operator: date + integer: write DATE '2023-03-01' + INTERVAL '1' DAY"
        );
        let error = answer("SELECT DATE '2023-03-01' - INTERVAL '1' HOUR");
        assert_eq!(error, "Cannot add hour, minutes or seconds to a date, or subtract them");
    }
}
