//! Number literals with Trino's types: an integer where it fits 32 bits, else a bigint; a decimal; a double.

use super::build::{call, cast, number, text};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, GroupByExpr, LimitClause, NamedWindowExpr, OrderByKind, Query, Select,
    UnaryOperator, Value, ValueWithSpan, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

/// A literal with its type.
pub(super) fn typed(literal: ValueWithSpan) -> Expr {
    match &literal.value {
        // `1e3` is a double in Trino, where DataFusion reads a decimal.
        Value::Number(digits, _) if digits.contains(['e', 'E']) => cast(text(digits), DataType::DoublePrecision),
        // DataFusion reads every whole number as a bigint.
        Value::Number(digits, false) => match digits.parse::<i32>() {
            Ok(whole) => integer(number(whole.into())),
            Err(_) => Expr::Value(literal),
        },
        Value::UnicodeStringLiteral(literal) => text(literal),
        _ => Expr::Value(literal),
    }
}

fn integer(literal: Expr) -> Expr {
    cast(literal, DataType::Int(None))
}

/// `-x`. Of a literal the sign is part of the number: -2147483648 is an integer.
pub(super) fn negative(of: Expr) -> Expr {
    let minus = |expr: Expr| Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(expr) };
    match of {
        Expr::Cast { expr, data_type: DataType::Int(None), .. } if is_number(&expr) => integer(minus(*expr)),
        Expr::Value(ref literal) if literal.value.to_string() == "2147483648" => integer(minus(of)),
        of @ (Expr::Value(_) | Expr::Interval(_)) => minus(of),
        of => call("negate", vec![of]),
    }
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Number(..), .. }))
}

/// The number that a literal is, once it is rewritten.
pub(super) fn whole(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.parse().ok(),
        Expr::Cast { expr, data_type: DataType::Int(None), .. } => whole(expr),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole(expr).map(|number| -number),
        _ => None,
    }
}

/// Whether an operator compares two values.
pub(super) fn compares(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Marks a number that is no value, so that [`typed`] leaves it as it is, or takes the mark off.
fn mark(expr: &mut Expr, is_kept: bool) {
    if let Expr::Value(ValueWithSpan { value: Value::Number(_, mark), .. }) = expr {
        *mark = is_kept;
    }
}

/// Marks the numbers of `ORDER BY 1`, LIMIT, OFFSET and FETCH.
pub(super) fn mark_counts(query: &mut Query, is_kept: bool) {
    if let Some(order_by) = &mut query.order_by
        && let OrderByKind::Expressions(keys) = &mut order_by.kind
    {
        keys.iter_mut().for_each(|key| mark(&mut key.expr, is_kept));
    }
    if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
        limit.iter_mut().for_each(|limit| mark(limit, is_kept));
        offset.iter_mut().for_each(|offset| mark(&mut offset.value, is_kept));
    }
    if let Some(fetch) = &mut query.fetch {
        fetch.quantity.iter_mut().for_each(|quantity| mark(quantity, is_kept));
    }
}

/// Marks the numbers of `GROUP BY 1`, and those of frames in WINDOW.
pub(super) fn mark_positions(select: &mut Select, is_kept: bool) {
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        keys.iter_mut().for_each(|key| mark(key, is_kept));
    }
    for window in &mut select.named_window {
        if let NamedWindowExpr::WindowSpec(WindowSpec { window_frame: Some(frame), .. }) = &mut window.1 {
            mark_bounds(frame, is_kept);
        }
    }
}

/// Marks the numbers of `ROWS 3 PRECEDING`.
pub(super) fn mark_frame(expr: &mut Expr, is_kept: bool) {
    if let Expr::Function(Function { over: Some(WindowType::WindowSpec(WindowSpec { window_frame, .. })), .. }) = expr {
        window_frame.iter_mut().for_each(|frame| mark_bounds(frame, is_kept));
    }
}

fn mark_bounds(frame: &mut WindowFrame, is_kept: bool) {
    for bound in std::iter::once(&mut frame.start_bound).chain(&mut frame.end_bound) {
        if let WindowFrameBound::Preceding(Some(count)) | WindowFrameBound::Following(Some(count)) = bound {
            mark(count, is_kept);
        }
    }
}
