//! The walk over a query that puts every part in DataFusion's words.

use super::build::{call, text};
use super::calls::{one, rewrite_call};
use super::columns::{flat_groups, name_columns, order_by_names};
use super::literals::{self, negative};
use super::names::{strip_catalog, strip_catalog_of_column};
use super::times;
use super::twins;
use super::types::{rewrite_cast, rewrite_literal};
use anyhow::{Result, anyhow, bail};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CastKind, DataType, Expr, Fetch, LimitClause, ObjectName, Query, Select,
    SetExpr, SetOperator, SetQuantifier, Statement, Subscript, TableFactor, TrimWhereField, UnaryOperator, Value,
    ValueWithSpan, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// Rewrites a statement in place.
pub(super) fn rewrite(statement: &mut Statement) -> Result<()> {
    if let Statement::Query(query) = statement {
        twins::mark(&mut query.body);
    }
    match statement.visit(&mut Rewriter) {
        ControlFlow::Continue(()) => times::refuse_other_precisions(statement),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter;

fn flow(result: Result<()>) -> ControlFlow<anyhow::Error> {
    result.map_or_else(ControlFlow::Break, ControlFlow::Continue)
}

impl VisitorMut for Rewriter {
    type Break = anyhow::Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        order_by_names(query);
        literals::mark_counts(query, true);
        flow(refuse_counted_sets(&query.body))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        literals::mark_counts(query, false);
        flow(match query.fetch.take() {
            Some(fetch) => fetch_as_limit(query, fetch),
            None => Ok(()),
        })
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if let Err(error) = flat_groups(select) {
            return ControlFlow::Break(error);
        }
        name_columns(select);
        literals::mark_positions(select, true);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        literals::mark_positions(select, false);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Self::Break> {
        strip_catalog(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        number_items(factor);
        flow(refuse_ignored(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        literals::mark_frame(expr, true);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        literals::mark_frame(expr, false);
        let taken = std::mem::replace(expr, super::build::null());
        flow(rewrite_expr(taken).map(|rewritten| *expr = rewritten))
    }
}

/// `UNNEST(items) WITH ORDINALITY` unnests the numbers of the items beside them. They are as many as the longest array has items.
fn number_items(factor: &mut TableFactor) {
    let TableFactor::UNNEST { array_exprs, with_ordinality, .. } = factor else { return };
    // Of a map, keys and values are unnested side by side.
    let parts = std::mem::take(array_exprs).into_iter().flat_map(|items| match gives_map(&items) {
        true => vec![call("map_keys", vec![items.clone()]), call("map_values", vec![items])],
        false => vec![items],
    });
    *array_exprs = parts.collect();
    if !std::mem::take(with_ordinality) {
        return;
    }
    let mut lengths = array_exprs.iter().map(|array| call("cardinality", vec![array.clone()]));
    let length = match (lengths.next(), array_exprs.len()) {
        (Some(length), 1) => length,
        (first, _) => {
            let lengths = first.into_iter().chain(lengths);
            call("greatest", lengths.map(|length| call("coalesce", vec![length, super::build::number(0)])).collect())
        }
    };
    // Not `sequence`: that goes down where there is no item.
    array_exprs.push(call("generate_series", vec![super::build::number(1), length]));
}

/// Whether an expression is a map, as far as its text tells.
fn gives_map(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Map(..)),
        Expr::Function(function) => matches!(
            function.name.to_string().as_str(),
            "map"
                | "map_agg"
                | "map_concat"
                | "map_filter"
                | "map_from_entries"
                | "map_union"
                | "histogram"
                | "multimap_agg"
                | "split_to_map"
                | "split_to_multimap"
                | "transform_keys"
                | "transform_values"
        ),
        Expr::Nested(inner) => gives_map(inner),
        _ => false,
    }
}

/// Refuses what DataFusion would pass over in silence.
fn refuse_ignored(factor: &TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
            bail!("the embedded engine has no TABLESAMPLE")
        }
        TableFactor::Table { version: Some(_), .. } => bail!("the embedded engine has no FOR … AS OF"),
        _ => Ok(()),
    }
}

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
fn fetch_as_limit(query: &mut Query, fetch: Fetch) -> Result<()> {
    if fetch.with_ties || fetch.percent {
        bail!("the embedded engine has no FETCH … WITH TIES");
    }
    let offset = match query.limit_clause.take() {
        None => None,
        Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset,
        Some(_) => bail!("a query has LIMIT or FETCH, not both"),
    };
    let limit = fetch.quantity.unwrap_or_else(|| super::build::number(1));
    query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(limit), offset, limit_by: Vec::new() });
    Ok(())
}

/// Subscripts as calls: DataFusion's give NULL where there is nothing.
fn subscripted(root: Expr, access_chain: Vec<AccessExpr>) -> Result<Expr> {
    let mut expr = root;
    for access in access_chain {
        expr = match (expr, access) {
            (expr, AccessExpr::Subscript(Subscript::Index { index })) => call("subscript", vec![expr, index]),
            (_, AccessExpr::Subscript(Subscript::Slice { .. })) => {
                bail!("a slice of an array is slice(x, start, length)")
            }
            (Expr::Identifier(name), AccessExpr::Dot(Expr::Identifier(field))) => {
                Expr::CompoundIdentifier(vec![name, field])
            }
            (Expr::CompoundIdentifier(mut names), AccessExpr::Dot(Expr::Identifier(field))) => {
                names.push(field);
                Expr::CompoundIdentifier(names)
            }
            (expr, AccessExpr::Dot(Expr::Identifier(field))) => call("get_field", vec![expr, text(field.value)]),
            (_, AccessExpr::Dot(other)) => bail!("{other} is no name of a field"),
        };
    }
    Ok(expr)
}

/// The operators of Trino, of all that DataFusion knows.
fn refuse_foreign(op: &BinaryOperator) -> Result<()> {
    use BinaryOperator::{And, Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Or, Plus, StringConcat};
    match op {
        Plus | Minus | Multiply | Divide | Modulo | StringConcat | Gt | Lt | GtEq | LtEq | Eq | NotEq | And | Or => {
            Ok(())
        }
        other => bail!("there is no operator {other}: write a function, such as power(x, y) or bitwise_and(x, y)"),
    }
}

/// EXCEPT ALL and INTERSECT ALL keep as many copies as are left over in Trino, and DataFusion keeps none or all.
fn refuse_counted_sets(body: &SetExpr) -> Result<()> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return Ok(()) };
    if *op != SetOperator::Union && *set_quantifier == SetQuantifier::All {
        bail!("the embedded engine has no {op} ALL: number equal rows with row_number() and use {op} alone");
    }
    refuse_counted_sets(left)?;
    refuse_counted_sets(right)
}

/// Trino's LIKE has no escape character unless one is given; DataFusion's is always the backslash.
fn like_pattern(pattern: Expr, escape: Option<ValueWithSpan>) -> Result<Expr> {
    let escape = match escape.map(|escape| escape.value) {
        None => None,
        Some(Value::SingleQuotedString(escape)) if escape.chars().count() == 1 => escape.chars().next(),
        Some(other) => bail!("Escape string must be a single character: {other}"),
    };
    match (pattern, escape) {
        (Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(pattern), .. }), escape) => {
            Ok(text(backslashed(&pattern, escape)))
        }
        (pattern, None) => Ok(call("replace", vec![pattern, text("\\"), text("\\\\")])),
        (_, Some(_)) => bail!("the embedded engine has no LIKE … ESCAPE with a computed pattern"),
    }
}

fn backslashed(pattern: &str, escape: Option<char>) -> String {
    let mut escaped = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => escaped.extend(chars.next().into_iter().flat_map(|next| ['\\', next])),
            '\\' => escaped.push_str("\\\\"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn rewrite_expr(expr: Expr) -> Result<Expr> {
    if let Expr::BinaryOp { op, .. } = &expr {
        refuse_foreign(op)?;
    }
    Ok(match expr {
        Expr::Function(function) => rewrite_call(function)?,
        Expr::CompoundFieldAccess { root, access_chain } => subscripted(*root, access_chain)?,
        Expr::Cast {
            kind: kind @ (CastKind::Cast | CastKind::TryCast),
            expr,
            data_type,
            array: false,
            format: None,
        } => rewrite_cast(kind, *expr, data_type)?,
        Expr::TypedString(literal) => rewrite_literal(&literal)?,
        Expr::Value(value) => literals::typed(value),
        Expr::Like { negated, any: false, expr, pattern, escape_char } => {
            let pattern = Box::new(like_pattern(*pattern, escape_char)?);
            Expr::Like { negated, any: false, expr, pattern, escape_char: None }
        }
        // An array of one needs no copy of it.
        Expr::Array(Array { elem, .. }) if elem.len() == 1 && !is_null(&elem[0]) => call("array_of", elem),
        Expr::Interval(interval) => times::interval(interval)?,
        Expr::Tuple(values) => call("row", values),
        // Whether a text is JSON can be said without keeping what it holds.
        Expr::IsNotNull(value) => match text_tried(&value) {
            Some(text) => call("is_json", vec![text]),
            None => Expr::IsNotNull(value),
        },
        Expr::IsNull(value) => match text_tried(&value) {
            Some(text) => {
                let is_json = call("is_json", vec![text]);
                Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is_json) }
            }
            None => Expr::IsNull(value),
        },
        // Of a literal it is part of the number.
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => negative(*expr),
        Expr::AtTimeZone { timestamp, time_zone } => times::at_timezone(*timestamp, *time_zone),
        Expr::BinaryOp { left, op, right } if literals::compares(&op) => Expr::BinaryOp {
            left: Box::new(times::any_precision(*left)),
            op,
            right: Box::new(times::any_precision(*right)),
        },
        Expr::Between { expr, negated, low, high } => Expr::Between {
            expr: Box::new(times::any_precision(*expr)),
            negated,
            low: Box::new(times::any_precision(*low)),
            high: Box::new(times::any_precision(*high)),
        },
        Expr::Extract { field, expr, .. } => call(&field.to_string().to_lowercase(), vec![*expr]),
        Expr::Position { expr, r#in } => call("strpos", vec![*r#in, *expr]),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let from = substring_from.ok_or_else(|| anyhow!("substring takes a position"))?;
            call("substr", [Some(expr), Some(from), substring_for].into_iter().flatten().map(|part| *part).collect())
        }
        Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
            // Without characters it is the engine's own, which knows Trino's white space.
            let name = match (trim_where, &trim_what) {
                (Some(TrimWhereField::Leading), None) => "trim_start",
                (Some(TrimWhereField::Leading), Some(_)) => "ltrim",
                (Some(TrimWhereField::Trailing), None) => "trim_end",
                (Some(TrimWhereField::Trailing), Some(_)) => "rtrim",
                (_, None) => "trim",
                (_, Some(_)) => "btrim",
            };
            call(name, std::iter::once(expr).chain(trim_what).map(|part| *part).collect())
        }
        mut other => {
            strip_catalog_of_column(&mut other);
            other
        }
    })
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Null, .. }))
}

/// The text that `try(json_parse(text))` parses; `None` of another expression.
fn text_tried(value: &Expr) -> Option<Expr> {
    match value {
        Expr::Function(function) if function.name.to_string() == "try_json_parse" => one(function.clone()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;
    use super::backslashed;

    fn rewritten(sql: &str) -> String {
        rewrite(sql).unwrap().statement.to_string()
    }

    #[test]
    fn computed_columns_are_numbered() {
        assert_eq!(rewritten("SELECT a, a + b, count(*) FROM t"), "SELECT a, a + b AS _col1, count(*) AS _col2 FROM t");
    }

    #[test]
    fn a_number_has_the_type_that_it_is_written_in() {
        assert_eq!(
            rewritten("SELECT 1 + x, -2147483648, 2147483648, 1.5, 1e3 FROM t GROUP BY 1 ORDER BY 1 LIMIT 5"),
            "SELECT CAST(1 AS INT) + x AS _col0, CAST(-2147483648 AS INT) AS _col1, 2147483648 AS _col2, 1.5 AS _col3, \
             CAST('1e3' AS DOUBLE PRECISION) AS _col4 FROM t GROUP BY 1 ORDER BY 1 LIMIT 5"
        );
        let window = "SELECT sum(x) OVER (ORDER BY y ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING) AS s FROM t";
        assert_eq!(rewritten(window), window);
    }

    #[test]
    fn what_is_unnested_with_its_number_has_one() {
        assert_eq!(
            rewritten("SELECT x, n FROM UNNEST(items) WITH ORDINALITY AS t(x, n)"),
            "SELECT x, n FROM UNNEST(items, generate_series(CAST(1 AS INT), cardinality(items))) AS t (x, n)"
        );
        assert_eq!(
            rewritten("SELECT k, v FROM UNNEST(map_agg(a, b)) AS t(k, v)"),
            "SELECT k, v FROM UNNEST(map_keys(map_agg(a, b)), map_values(map_agg(a, b))) AS t (k, v)"
        );
    }

    #[test]
    fn a_precision_that_would_show_is_refused() {
        assert!(rewrite("SELECT a FROM t WHERE a > TIMESTAMP '2023-01-31 06:22:15.5'").is_ok());
        assert!(rewrite("SELECT CAST(TIMESTAMP '2023-01-31 06:22:15.1659' AS timestamp(0))").is_ok());
        let error = rewrite("SELECT CAST(TIMESTAMP '2023-01-31 06:22:15.5' AS varchar)").unwrap_err().to_string();
        assert!(error.starts_with("the embedded engine has timestamps with 0, 3, 6 and 9 digits"), "{error}");
    }

    #[test]
    fn a_field_has_its_own_name() {
        assert_eq!(
            rewritten("SELECT r.a, t.b, u.c.d FROM t CROSS JOIN s AS u"),
            "SELECT r.a AS a, t.b, u.c.d AS d FROM t CROSS JOIN s AS u"
        );
    }

    #[test]
    fn fetch_is_a_limit() {
        assert_eq!(rewritten("SELECT a FROM t OFFSET 2 FETCH FIRST 3 ROWS ONLY"), "SELECT a FROM t LIMIT 3 OFFSET 2");
    }

    #[test]
    fn a_like_pattern_escapes_with_backslashes_only() {
        assert_eq!(backslashed(r"50$%\_$$", Some('$')), r"50\%\\_\$");
        assert_eq!(backslashed(r"a\_", None), r"a\\_");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (sql, error) in [
            ("SELECT a FROM t TABLESAMPLE BERNOULLI (10)", "the embedded engine has no TABLESAMPLE"),
            ("SELECT a FROM t FETCH FIRST 3 ROWS WITH TIES", "the embedded engine has no FETCH … WITH TIES"),
            ("DROP TABLE t", "this is not a query: DROP TABLE t"),
        ] {
            assert_eq!(rewrite(sql).unwrap_err().to_string(), error);
        }
    }
}
