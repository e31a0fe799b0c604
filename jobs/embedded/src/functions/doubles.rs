//! Comparisons of doubles as IEEE 754 has them, and so Trino: NaN equals nothing, is neither less nor greater, and both
//! zeros are equal. Arrow puts all doubles into one order, in which NaN equals itself and -0.0 comes before 0.0; and
//! DataFusion compares a double with a decimal as decimals, which have no place for large doubles.

use super::Family;
use super::function::typed;
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::expr::{Between, Case, Cast, InList};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, ScalarUDF, binary_expr, in_list, not};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![is_number(), one_zero()]
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

/// A double, with 0.0 for -0.0.
fn one_zero() -> ScalarUDF {
    typed(
        "one_zero",
        |_| Ok((vec![DataType::Float64], DataType::Float64)),
        |args| {
            let [doubles] = args else { return internal_err!("one_zero takes one argument") };
            Ok(Arc::new(doubles.as_primitive::<Float64Type>().unary::<_, Float64Type>(|double| double + 0.0)))
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
        let of = |side: &Expr| side.get_type(schema).unwrap_or(DataType::Null);
        let is_double = |side: &Expr| of(side).is_floating();
        let compared = |left: Expr, op: Operator, right: Expr| {
            let (of_left, of_right) = (of(&left), of(&right));
            compared((left, of_left), op, (right, of_right))
        };
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if op.supports_propagation() && (is_double(&left) || is_double(&right)) =>
            {
                Transformed::yes(compared(*left, op, *right))
            }
            Expr::Between(Between { expr, .. }) if expr.is_volatile() => return twice("BETWEEN"),
            Expr::Between(Between { expr, negated, low, high })
                if is_double(&expr) || is_double(&low) || is_double(&high) =>
            {
                let above = compared(expr.as_ref().clone(), Operator::GtEq, *low);
                let both = above.and(compared(*expr, Operator::LtEq, *high));
                Transformed::yes(if negated { not(both) } else { both })
            }
            Expr::InList(InList { expr, list, negated }) if is_double(&expr) || list.iter().any(is_double) => {
                if expr.is_volatile() {
                    return twice("IN");
                }
                let is_of_doubles = of(&expr) == DataType::Float64;
                let plain = |item: &Expr| constant(item).filter(|number| is_of_doubles && is_plain(*number));
                let (plains, others): (Vec<Expr>, Vec<Expr>) = list.into_iter().partition(|item| plain(item).is_some());
                let plains: Vec<Expr> = plains.iter().filter_map(plain).map(double).collect();
                let is_one = (!plains.is_empty()).then(|| in_list(expr.as_ref().clone(), plains, false));
                let is_other = others.into_iter().map(|item| compared(expr.as_ref().clone(), Operator::Eq, item));
                match is_one.into_iter().chain(is_other).reduce(Expr::or) {
                    Some(any) => Transformed::yes(if negated { not(any) } else { any }),
                    None => return internal_err!("IN has no values"),
                }
            }
            Expr::Case(Case { expr: Some(base), when_then_expr, else_expr })
                if is_double(&base) || when_then_expr.iter().any(|(when, _)| is_double(when)) =>
            {
                if base.is_volatile() {
                    return twice("CASE");
                }
                let when = |when: Box<Expr>| Box::new(compared(base.as_ref().clone(), Operator::Eq, *when));
                let when_then = when_then_expr.into_iter().map(|(value, then)| (when(value), then)).collect();
                Transformed::yes(Expr::Case(Case { expr: None, when_then_expr: when_then, else_expr }))
            }
            other => Transformed::no(other),
        })
    }
}

fn twice<T>(name: &str) -> Result<T> {
    plan_err!("the embedded engine computes the value before {name} twice: write what is random in a subquery")
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

/// A real beside anything but a double stays a real.
fn types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let is_of_doubles = args.contains(&DataType::Float64);
    let common = if is_of_doubles { DataType::Float64 } else { DataType::Float32 };
    Ok((vec![common; 2], DataType::Boolean))
}

fn compare(args: &[ArrayRef], holds: fn(f64, f64) -> bool) -> Result<ArrayRef> {
    let [left, right] = args else { return internal_err!("a comparison has two sides") };
    let matches = |(left, right): (Option<f64>, Option<f64>)| Some(holds(left?, right?));
    let matches: BooleanArray = match left.data_type() {
        DataType::Float32 => {
            let wide = |side: &ArrayRef| side.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from);
            wide(left).iter().zip(wide(right).iter()).map(matches).collect()
        }
        _ => {
            let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
            left.iter().zip(right.iter()).map(matches).collect()
        }
    };
    Ok(Arc::new(matches))
}

fn compared((left, of_left): (Expr, DataType), op: Operator, (right, of_right): (Expr, DataType)) -> Expr {
    let Some(function) = comparison(op) else { return binary_expr(left, op, right) };
    let is_plain = |side: &Expr| constant(side).filter(|number| is_plain(*number));
    // Beside a number that is written, other than zero, only NaN is in question. The plain comparison stays visible to
    // what leaves out parts of a Parquet file by its statistics.
    let plain = match (is_plain(&left), is_plain(&right)) {
        (None, Some(number)) if of_left == DataType::Float64 => Some((left.clone(), left.clone(), double(number))),
        (Some(number), None) if of_right == DataType::Float64 => Some((right.clone(), double(number), right.clone())),
        _ => None,
    };
    if let Some((other, left, right)) = plain {
        let plain = binary_expr(left, op, right);
        return match op {
            Operator::Eq | Operator::NotEq => plain,
            _ => plain.and(is_number().call(vec![other])),
        };
    }
    // An equality of two columns may be the key of a join.
    let is_of_doubles = [&of_left, &of_right].contains(&&DataType::Float64);
    if op == Operator::Eq && is_of_doubles && !left.is_volatile() && !right.is_volatile() {
        let key = |side: &Expr| {
            let double = Expr::Cast(Cast::new(Box::new(side.clone()), DataType::Float64));
            one_zero().call(vec![double])
        };
        return key(&left).eq(key(&right)).and(function.call(vec![left, right]));
    }
    function.call(vec![left, right])
}

/// The number that is written, also within a cast: `5`, `0.5` and `1e3`.
fn constant(expr: &Expr) -> Option<f64> {
    let as_double = |value: &ScalarValue| match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(number)) => number,
        _ => None,
    };
    match expr {
        Expr::Literal(value, _) if value.data_type().is_numeric() => as_double(value),
        Expr::Cast(Cast { expr, field }) if field.data_type().is_numeric() => match expr.as_ref() {
            Expr::Literal(value, _) => as_double(&value.cast_to(field.data_type()).ok()?),
            _ => None,
        },
        // What `cast` makes of `1e3`.
        Expr::ScalarFunction(call) if call.func.name() == "cast_as_double" => match call.args.as_slice() {
            [Expr::Literal(value, _)] => as_double(value),
            _ => None,
        },
        _ => None,
    }
}

fn is_plain(number: f64) -> bool {
    number.is_finite() && number != 0.0
}

fn double(number: f64) -> Expr {
    Expr::Literal(ScalarValue::Float64(Some(number)), None)
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
            ("zero = -zero", "true"),
            ("0.1e0 + 0.2e0 = 0.3", "false"),
            ("0.1e0 + 0.2e0 BETWEEN 0.1 AND 0.3", "false"),
            ("1e20 + zero > 0.5", "true"),
            ("1e20 + zero > 1e3", "true"),
            ("1.5e0 + zero IN (1, 1.5, zero)", "true"),
            ("1.5e0 + zero NOT IN (1, 2.5)", "true"),
            ("CAST(0.1 AS real) = CAST(0.1 AS decimal(3,2))", "true"),
            ("REAL '16777216' = CAST(16777217 AS bigint)", "true"),
            ("CAST(0.1 AS real) = 0.1e0", "false"),
            ("CASE nan WHEN nan THEN true ELSE false END", "false"),
            ("(nan = CAST(NULL AS double)) IS NULL", "true"),
            ("nullif(nan, nan) IS NULL", "false"),
            ("nan IS DISTINCT FROM nan", "false"),
        ] {
            assert_eq!(answer(&format!("SELECT {condition} FROM {rows}")), expected, "{condition}");
        }
    }

    #[test]
    fn doubles_are_keys_of_joins() {
        let rows = |zero: &str| format!("(VALUES {zero}, 1e0, 0e0 / 0e0, NULL)");
        let joined = format!("SELECT count(*) FROM {} AS t(x) JOIN {} AS u(y) ON t.x = u.y", rows("0e0"), rows("-0e0"));
        assert_eq!(answer(&joined), "2");
        let used = format!("SELECT count(*) FROM {} AS t(x) JOIN {} AS u(x) USING (x)", rows("0e0"), rows("-0e0"));
        assert!(answer(&used).contains("joins no doubles by USING"));
    }

    #[test]
    fn what_is_random_is_not_computed_twice() {
        for condition in ["random() BETWEEN 0.4 AND 0.6", "random() IN (0.5, 1e0)"] {
            let error = answer(&format!("SELECT {condition}"));
            assert!(error.contains("twice: write what is random in a subquery"), "{error}");
        }
    }
}
