//! Comparisons of doubles as IEEE 754 has them, and so Trino: NaN equals nothing, is neither less nor greater, and both
//! zeros are equal. Arrow puts all doubles into one order, in which NaN equals itself and -0.0 comes before 0.0.

use super::Family;
use super::function::typed;
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::{Between, Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, ScalarUDF, binary_expr, not};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![is_number()]
}

/// Whether a double is a number: false for NaN.
fn is_number() -> ScalarUDF {
    typed(
        "is_number",
        |_| Ok((vec![DataType::Float64], DataType::Boolean)),
        |args| {
            let [doubles] = args else { return internal_err!("is_number takes one argument") };
            let doubles = doubles.as_primitive::<Float64Type>();
            Ok(Arc::new(doubles.iter().map(|double| double.map(|double| !double.is_nan())).collect::<BooleanArray>()))
        },
    )
}

/// Puts these comparisons in the place of Arrow's where doubles or reals meet.
#[derive(Debug)]
pub(super) struct ComparedDoubles;

impl FunctionRewrite for ComparedDoubles {
    fn name(&self) -> &str {
        "compared_doubles"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let is_double = |side: &Expr| side.get_type(schema).is_ok_and(|of| of.is_floating());
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if op.supports_propagation() && (is_double(&left) || is_double(&right)) =>
            {
                Transformed::yes(compared(*left, op, *right))
            }
            Expr::Between(Between { expr, negated, low, high })
                if is_double(&expr) || is_double(&low) || is_double(&high) =>
            {
                let above = compared(expr.as_ref().clone(), Operator::GtEq, *low);
                let both = above.and(compared(*expr, Operator::LtEq, *high));
                Transformed::yes(if negated { not(both) } else { both })
            }
            Expr::InList(InList { expr, list, negated }) if is_double(&expr) || list.iter().any(is_double) => {
                let equal = list.into_iter().map(|item| compared(expr.as_ref().clone(), Operator::Eq, item));
                match equal.reduce(Expr::or) {
                    Some(any) => Transformed::yes(if negated { not(any) } else { any }),
                    None => return internal_err!("IN has no values"),
                }
            }
            Expr::Case(Case { expr: Some(base), when_then_expr, else_expr })
                if is_double(&base) || when_then_expr.iter().any(|(when, _)| is_double(when)) =>
            {
                let when = |when: Box<Expr>| Box::new(compared(base.as_ref().clone(), Operator::Eq, *when));
                let when_then = when_then_expr.into_iter().map(|(value, then)| (when(value), then)).collect();
                Transformed::yes(Expr::Case(Case { expr: None, when_then_expr: when_then, else_expr }))
            }
            other => Transformed::no(other),
        })
    }
}

/// The function that compares so; none where the operator does not compare.
fn comparison(op: Operator) -> Option<ScalarUDF> {
    Some(match op {
        Operator::Eq => typed("double_eq", types, |args| compare(args, |a, b| a == b)),
        Operator::NotEq => typed("double_ne", types, |args| compare(args, |a, b| a != b)),
        Operator::Lt => typed("double_lt", types, |args| compare(args, |a, b| a < b)),
        Operator::LtEq => typed("double_le", types, |args| compare(args, |a, b| a <= b)),
        Operator::Gt => typed("double_gt", types, |args| compare(args, |a, b| a > b)),
        Operator::GtEq => typed("double_ge", types, |args| compare(args, |a, b| a >= b)),
        _ => return None,
    })
}

fn types(_: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    Ok((vec![DataType::Float64; 2], DataType::Boolean))
}

fn compare(args: &[ArrayRef], holds: fn(f64, f64) -> bool) -> Result<ArrayRef> {
    let [left, right] = args else { return internal_err!("a comparison has two sides") };
    let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
    let pairs = left.iter().zip(right.iter());
    Ok(Arc::new(pairs.map(|(left, right)| Some(holds(left?, right?))).collect::<BooleanArray>()))
}

fn compared(left: Expr, op: Operator, right: Expr) -> Expr {
    let Some(function) = comparison(op) else { return binary_expr(left, op, right) };
    // Beside a number that is written, other than zero, only NaN is in question. The plain comparison stays visible to
    // what leaves out parts of a Parquet file by its statistics.
    let other = match (&left, &right) {
        (Expr::Literal(..), Expr::Literal(..)) => None,
        (other, Expr::Literal(number, _)) | (Expr::Literal(number, _), other) if is_plain(number) => Some(other),
        _ => None,
    };
    let Some(other) = other.cloned() else { return call(function, vec![left, right]) };
    let plain = binary_expr(left, op, right);
    match op {
        Operator::Eq | Operator::NotEq => plain,
        _ => plain.and(call(is_number(), vec![other])),
    }
}

fn is_plain(number: &ScalarValue) -> bool {
    let double = number.cast_to(&DataType::Float64);
    matches!(double, Ok(ScalarValue::Float64(Some(number))) if number.is_finite() && number != 0.0)
}

fn call(function: ScalarUDF, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function.into(), args))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn what_is_no_number_is_neither_equal_nor_less_nor_greater() {
        let rows = "(VALUES (sqrt(-1e0), 0e0 / 0e0, -0e0)) AS t(nan, other, zero)";
        for (condition, expected) in [
            ("nan = nan", "false"),
            ("nan <> nan", "true"),
            ("nan <> 1e0", "true"),
            ("nan > 5", "false"),
            ("5 < other", "false"),
            ("other < 5", "false"),
            ("nan BETWEEN 1 AND 2", "false"),
            ("nan NOT BETWEEN 1 AND 2", "true"),
            ("nan IN (nan, 1e0)", "false"),
            ("nan NOT IN (1e0, 2e0)", "true"),
            ("zero = 0", "true"),
            ("zero IN (1e0, 0e0)", "true"),
            ("zero >= 0e0", "true"),
            ("CASE nan WHEN nan THEN true ELSE false END", "false"),
            ("(nan = CAST(NULL AS double)) IS NULL", "true"),
            ("nullif(nan, nan) IS NULL", "false"),
            ("nan IS DISTINCT FROM nan", "false"),
        ] {
            assert_eq!(answer(&format!("SELECT {condition} FROM {rows}")), expected, "{condition}");
        }
    }
}
