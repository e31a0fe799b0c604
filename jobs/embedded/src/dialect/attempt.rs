//! `try(x)`: NULL where `x` would fail.
//!
//! DataFusion cannot catch an error in the middle of a batch, so the parts of `x` that can fail are put in forms that do
//! not. A part that has no such form makes the query an error.

use super::build::{call, number};
use anyhow::{Result, anyhow};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Ident, visit_expressions, visit_expressions_mut,
};
use std::ops::ControlFlow;

/// An expression that gives NULL where this one fails.
pub(super) fn attempt(mut expr: Expr) -> Result<Expr> {
    match visit_expressions_mut(&mut expr, soften) {
        ControlFlow::Continue(()) if is_constant(&expr) => Ok(call("kept", vec![expr])),
        ControlFlow::Continue(()) => Ok(expr),
        ControlFlow::Break(part) => Err(anyhow!("the embedded engine cannot try({part})")),
    }
}

/// Whether an expression names no column.
fn is_constant(expr: &Expr) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_continue()
}

fn soften(expr: &mut Expr) -> ControlFlow<String> {
    match expr {
        Expr::Cast { kind, .. } => *kind = CastKind::TryCast,
        Expr::BinaryOp { op: BinaryOperator::Divide | BinaryOperator::Modulo, right, .. } => {
            let divisor = std::mem::replace(right.as_mut(), number(0));
            **right = call("divisor", vec![divisor]);
        }
        Expr::Function(function) => {
            let name = function.name.to_string();
            match name.as_str() {
                "json_parse"
                | "json_to_row"
                | "date_parse"
                | "from_iso8601_timestamp"
                | "from_iso8601_timestamp_instant"
                | "subscript"
                | "cast_to_length"
                | "cast_like"
                | "json_to_value"
                | "parse_datetime"
                | "parse_datetime_instant" => {
                    function.name = Ident::new(format!("try_{name}")).into();
                }
                "decode" | "from_iso8601_date" => {
                    return ControlFlow::Break(format!("{name}(…)"));
                }
                _ => {}
            }
        }
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
            return ControlFlow::Break("a subquery".into());
        }
        _ => {}
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;

    #[test]
    fn what_can_fail_is_softened() {
        let rewritten = rewrite("SELECT try(CAST(a AS bigint) / b) AS x, try(json_parse(c)) AS y FROM t").unwrap();
        assert_eq!(
            rewritten.statement.to_string(),
            "SELECT TRY_CAST(a AS BIGINT) / divisor(b) AS x, try_json_parse(c) AS y FROM t"
        );
    }

    #[test]
    fn what_cannot_be_softened_is_named() {
        let error = rewrite("SELECT try(from_hex(a)) FROM t").unwrap_err();
        assert_eq!(error.to_string(), "the embedded engine cannot try(decode(…))");
    }
}
