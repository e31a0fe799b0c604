//! What sqlparser reads and Trino's grammar does not have.

use super::place::place;
use super::refused;
use anyhow::Result;
use datafusion::sql::sqlparser::ast::{
    CeilFloorKind, DateTimeField, Distinct, Expr, Function, FunctionArg, FunctionArgumentClause, FunctionArguments,
    GroupByExpr, Ident, Interval, Join, JoinConstraint, JoinOperator, LimitClause, OrderByKind, Query, Select,
    SelectFlavor, SelectItem, SetExpr, SetOperator, SetQuantifier, Spanned, Statement, TableFactor, UnaryOperator,
    Value, ValueWithSpan, Visit, Visitor, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// Refuses the first thing that Trino's grammar does not have.
pub(super) fn check(statement: &Statement) -> Result<()> {
    match statement.visit(&mut Grammar) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Grammar;

fn flow(found: Option<Found>) -> ControlFlow<anyhow::Error> {
    match found {
        None => ControlFlow::Continue(()),
        Some((span, message, instead)) => {
            ControlFlow::Break(refused(&place(span), &message, Some(instead).filter(|text| !text.is_empty())))
        }
    }
}

/// Something foreign: where it is, what it is, and what to write.
type Found = (Span, String, String);

fn foreign(span: Span, what: &str, instead: &str) -> Option<Found> {
    Some((span, format!("there is no {what}"), instead.to_owned()))
}

impl Visitor for Grammar {
    type Break = anyhow::Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        flow(query_of(query).or_else(|| set_of(&query.body)))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        let parts = select_of(select).or_else(|| group_of(select));
        flow(parts.or_else(|| select.projection.iter().find_map(item_of)).or_else(|| {
            let mut joins = select.from.iter().flat_map(|from| &from.joins);
            joins.find_map(join_of)
        }))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        flow(match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => {
                let mut joins = table_with_joins.joins.iter();
                joins.find_map(join_of)
            }
            TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => {
                foreign(factor.span(), "PIVOT", "CASE expressions, or UNION ALL")
            }
            _ => None,
        })
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        flow(match expr {
            Expr::Function(function) => function_of(function),
            Expr::Interval(interval) => interval_of(interval),
            Expr::Value(value) => value_of(value),
            other => expression_of(other),
        })
    }
}

fn query_of(query: &Query) -> Option<Found> {
    if let Some(order_by) = &query.order_by
        && let OrderByKind::All(_) = order_by.kind
    {
        return foreign(order_by.span(), "ORDER BY ALL", "the numbers of the columns");
    }
    if !query.locks.is_empty() {
        return foreign(query.span(), "FOR UPDATE", "");
    }
    if let Some(count) = query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref())
        && !is_count(count)
    {
        return Some((count.span(), format!("FETCH takes a number, not {count}"), String::new()));
    }
    match query.limit_clause.as_ref()? {
        LimitClause::LimitOffset { limit, offset, limit_by } => {
            if let Some(by) = limit_by.first() {
                return foreign(by.span(), "LIMIT … BY", "row_number() OVER (PARTITION BY …) in a subquery");
            }
            for count in limit.iter().chain(offset.iter().map(|offset| &offset.value)) {
                if !is_count(count) {
                    let message = format!("LIMIT and OFFSET take a number, not {count}");
                    return Some((count.span(), message, String::new()));
                }
            }
            let (limit, offset) = (limit.as_ref()?, offset.as_ref()?);
            if limit.span().start < offset.value.span().start {
                let message = "mismatched input 'OFFSET': it stands before LIMIT".to_owned();
                return Some((offset.value.span(), message, format!("OFFSET {} LIMIT {limit}", offset.value)));
            }
            None
        }
        LimitClause::OffsetCommaLimit { offset, limit } => {
            foreign(offset.span(), "LIMIT x, y", &format!("OFFSET {offset} LIMIT {limit}"))
        }
    }
}

fn is_count(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Number(..) | Value::Placeholder(_), .. }))
}

fn set_of(body: &SetExpr) -> Option<Found> {
    let SetExpr::SetOperation { left, op, set_quantifier, right } = body else { return None };
    if *op == SetOperator::Minus {
        return foreign(right.span(), "MINUS", "EXCEPT");
    }
    let by_name =
        matches!(set_quantifier, SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName);
    if by_name {
        return foreign(right.span(), "BY NAME", "the columns in the same order");
    }
    set_of(left).or_else(|| set_of(right))
}

fn select_of(select: &Select) -> Option<Found> {
    // Looked up only for an error: a span goes through the whole query.
    let span = || select.span();
    if let Some(Distinct::On(keys)) = &select.distinct {
        let at = keys.first().map_or_else(span, Spanned::span);
        return foreign(
            at,
            "DISTINCT ON",
            "row_number() OVER (PARTITION BY x ORDER BY y) = 1 around a subquery, or max_by(x, y)",
        );
    }
    if let Some(condition) = &select.qualify {
        let instead = format!("the window function as a column of a subquery, and WHERE {condition} around it");
        return foreign(condition.span(), "QUALIFY", &instead);
    }
    if select.top.is_some() {
        return foreign(span(), "TOP", "LIMIT at the end");
    }
    if select.into.is_some() {
        return foreign(span(), "SELECT … INTO", "CREATE TABLE … AS SELECT");
    }
    if !select.lateral_views.is_empty() {
        return foreign(span(), "LATERAL VIEW", "CROSS JOIN UNNEST(x) AS t(y)");
    }
    if !(select.cluster_by.is_empty() && select.distribute_by.is_empty() && select.sort_by.is_empty()) {
        return foreign(span(), "CLUSTER BY, DISTRIBUTE BY and SORT BY", "ORDER BY");
    }
    if !select.connect_by.is_empty() {
        return foreign(span(), "CONNECT BY", "WITH RECURSIVE");
    }
    if select.prewhere.is_some() {
        return foreign(span(), "PREWHERE", "WHERE");
    }
    if select.flavor != SelectFlavor::Standard {
        return foreign(span(), "FROM in front", "SELECT … FROM …");
    }
    None
}

fn group_of(select: &Select) -> Option<Found> {
    let span = || select.span();
    match &select.group_by {
        GroupByExpr::All(_) => {
            foreign(span(), "GROUP BY ALL", "the columns without aggregates, or their numbers: GROUP BY 1, 2")
        }
        GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => {
            foreign(span(), "GROUP BY … WITH", "GROUP BY ROLLUP (…), CUBE (…) or GROUPING SETS (…)")
        }
        GroupByExpr::Expressions(..) => None,
    }
}

fn item_of(item: &SelectItem) -> Option<Found> {
    match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => star_of(options),
        SelectItem::ExprWithAlias { alias, .. } => quoted(alias),
        SelectItem::ExprWithAliases { expr, .. } => foreign(expr.span(), "list of names for an expression", "one name"),
        SelectItem::UnnamedExpr(_) => None,
    }
}

fn star_of(options: &WildcardAdditionalOptions) -> Option<Found> {
    let is_plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    if is_plain {
        None
    } else {
        foreign(options.span(), "EXCLUDE, EXCEPT, REPLACE or RENAME behind *", "the columns by name")
    }
}

fn quoted(alias: &Ident) -> Option<Found> {
    match alias.quote_style {
        Some('\'') => {
            Some((alias.span, format!("mismatched input '{}'", alias.value), format!("AS \"{}\"", alias.value)))
        }
        _ => None,
    }
}

fn join_of(join: &Join) -> Option<Found> {
    let span = || join.relation.span();
    let constraint = match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => constraint,
        JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => {
            return foreign(span(), "SEMI JOIN", "WHERE x IN (SELECT …), or EXISTS");
        }
        JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => {
            return foreign(span(), "ANTI JOIN", "WHERE NOT EXISTS (SELECT …)");
        }
        _ => return foreign(span(), "join of this kind", "JOIN … ON, LEFT JOIN … ON or CROSS JOIN"),
    };
    match constraint {
        JoinConstraint::Natural => {
            Some((span(), "Natural join not supported".to_owned(), "JOIN … USING (x, y)".to_owned()))
        }
        _ => None,
    }
}

fn function_of(function: &Function) -> Option<Found> {
    let span = function.name.span();
    if function.filter.is_some() && function.over.is_some() {
        let instead = format!("{}(CASE WHEN condition THEN x END) OVER (…)", function.name);
        return Some((span, "FILTER is not yet supported for window functions".to_owned(), instead));
    }
    if !matches!(function.parameters, FunctionArguments::None) {
        return foreign(span, "second list of arguments", "");
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    if list.args.iter().any(|argument| !matches!(argument, FunctionArg::Unnamed(_))) {
        return foreign(span, "argument by name", "the arguments in their order");
    }
    let is_foreign = |clause: &&FunctionArgumentClause| {
        matches!(
            clause,
            FunctionArgumentClause::Limit(_) | FunctionArgumentClause::Having(_) | FunctionArgumentClause::Separator(_)
        )
    };
    match list.clauses.iter().find(is_foreign) {
        Some(clause) => foreign(span, &format!("{clause} within a call"), ""),
        None => None,
    }
}

fn interval_of(interval: &Interval) -> Option<Found> {
    let (span, value) = (interval.value.span(), &interval.value);
    let is_text = matches!(&**value, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }));
    let unit = match &interval.leading_field {
        None => {
            let words = value.to_string();
            let mut words = words.trim_matches('\'').split_whitespace();
            let instead = match (words.next(), words.next()) {
                (Some(number), Some(unit)) => {
                    format!("INTERVAL '{number}' {}", unit.to_uppercase().trim_end_matches('S'))
                }
                _ => "INTERVAL '1' DAY".to_owned(),
            };
            return Some((span, "Unknown type: INTERVAL: an interval has a unit".to_owned(), instead));
        }
        Some(unit) => unit,
    };
    if !is_text {
        let quoted = if matches!(&**value, Expr::Value(_)) {
            format!("INTERVAL '{value}' {unit}")
        } else {
            format!("{value} * INTERVAL '1' {unit}")
        };
        return Some((span, format!("mismatched input '{value}': the number of an interval is a text"), quoted));
    }
    let is_known = matches!(
        unit,
        DateTimeField::Year
            | DateTimeField::Month
            | DateTimeField::Day
            | DateTimeField::Hour
            | DateTimeField::Minute
            | DateTimeField::Second
    );
    if is_known {
        return None;
    }
    let known = "YEAR, MONTH, DAY, HOUR, MINUTE or SECOND";
    Some((span, format!("Unknown type: INTERVAL: there is no interval in {unit}"), known.to_owned()))
}

fn value_of(value: &ValueWithSpan) -> Option<Found> {
    match &value.value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::HexStringLiteral(_)
        | Value::UnicodeStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null
        | Value::Placeholder(_) => None,
        other => foreign(value.span, &format!("literal {other}"), "'…', or U&'…' with escapes"),
    }
}

fn expression_of(expr: &Expr) -> Option<Found> {
    // Looked up only for an error: a span goes through the whole expression.
    let span = || expr.span();
    match expr {
        Expr::ILike { expr: value, pattern, .. } => {
            foreign(span(), "ILIKE", &format!("lower({value}) LIKE lower({pattern})"))
        }
        Expr::IsTrue(value) => foreign(span(), "IS TRUE", &format!("coalesce({value}, false)")),
        Expr::IsNotTrue(value) => foreign(span(), "IS NOT TRUE", &format!("NOT coalesce({value}, false)")),
        Expr::IsFalse(value) => foreign(span(), "IS FALSE", &format!("NOT coalesce({value}, true)")),
        Expr::IsNotFalse(value) => foreign(span(), "IS NOT FALSE", &format!("coalesce({value}, true)")),
        Expr::IsUnknown(value) => foreign(span(), "IS UNKNOWN", &format!("{value} IS NULL")),
        Expr::IsNotUnknown(value) => foreign(span(), "IS NOT UNKNOWN", &format!("{value} IS NOT NULL")),
        Expr::Like { any: true, .. } => foreign(span(), "LIKE ANY", "a LIKE x OR a LIKE y"),
        Expr::SimilarTo { expr: value, .. } | Expr::RLike { expr: value, .. } => {
            foreign(span(), "SIMILAR TO and RLIKE", &format!("regexp_like({value}, pattern)"))
        }
        Expr::IsNormalized { .. } => foreign(span(), "IS NORMALIZED", "normalize(x) = x"),
        Expr::InUnnest { expr: value, array_expr, .. } => {
            foreign(span(), "IN UNNEST", &format!("contains({array_expr}, {value})"))
        }
        Expr::Collate { .. } => foreign(span(), "COLLATE", "lower(x)"),
        Expr::Overlay { .. } => foreign(span(), "OVERLAY", "substr(x, 1, n) || y || substr(x, m)"),
        Expr::Convert { .. } => foreign(span(), "CONVERT", "CAST(x AS type)"),
        Expr::Cast { format: Some(_), .. } => foreign(span(), "CAST … FORMAT", "date_parse(x, format)"),
        Expr::Dictionary(_) | Expr::Map(_) => foreign(span(), "map in braces", "MAP(ARRAY['a'], ARRAY[1])"),
        Expr::JsonAccess { .. } => foreign(span(), "colon for JSON", "json_extract_scalar(x, '$.a')"),
        Expr::Trim { trim_characters: Some(_), .. } => {
            foreign(span(), "list of what is trimmed", "trim(BOTH y FROM x)")
        }
        Expr::Ceil { field: CeilFloorKind::Scale(_), .. } | Expr::Floor { field: CeilFloorKind::Scale(_), .. } => {
            foreign(span(), "number of digits for ceil and floor", "round(x, n), or ceil(x * 100) / 100")
        }
        Expr::Prefixed { .. } => foreign(span(), "literal with this prefix", "'…'"),
        Expr::UnaryOp { op, .. } if !matches!(op, UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not) => {
            foreign(span(), &format!("operator {op}"), "a function, such as bitwise_not(x)")
        }
        _ => None,
    }
}
