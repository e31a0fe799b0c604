//! The walk over a query that puts every part in DataFusion's words.

use super::build::{call, text};
use super::calls::{one, rewrite_call};
use super::names::{strip_catalog, strip_catalog_of_column};
use super::types::{is_double, rewrite_cast, rewrite_literal};
use anyhow::{Result, anyhow, bail};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CastKind, DataType, Expr, Fetch, Ident, LimitClause, ObjectName, OrderByKind,
    Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Statement, Subscript, TableFactor, TableWithJoins,
    TrimWhereField, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// Rewrites a statement in place.
pub(super) fn rewrite(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut Rewriter) {
        ControlFlow::Continue(()) => Ok(()),
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
        flow(refuse_counted_sets(&query.body))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        flow(match query.fetch.take() {
            Some(fetch) => fetch_as_limit(query, fetch),
            None => Ok(()),
        })
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        name_columns(select);
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

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let taken = std::mem::replace(expr, super::build::null());
        flow(rewrite_expr(taken).map(|rewritten| *expr = rewritten))
    }
}

/// `UNNEST(items) WITH ORDINALITY` unnests the numbers of the items beside them. They are as many as the longest array has items.
fn number_items(factor: &mut TableFactor) {
    let TableFactor::UNNEST { array_exprs, with_ordinality, .. } = factor else { return };
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

/// Names computed columns as Trino does, `_col0` by position. A name of its own also lets a column appear twice.
fn name_columns(select: &mut Select) {
    let sources: Vec<String> = select.from.iter().flat_map(source_names).collect();
    for (position, item) in select.projection.iter_mut().enumerate() {
        match item {
            // How many columns a star has is not known here.
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => return,
            // A field of a row has the field's name.
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) if !is_column(parts, &sources) => {
                if let Some(alias) = parts.last().cloned() {
                    *item = SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(std::mem::take(parts)), alias };
                }
            }
            SelectItem::UnnamedExpr(expr)
                if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) && !ends_in_field(expr) =>
            {
                let expr = std::mem::replace(expr, super::build::null());
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::new(format!("_col{position}")) };
            }
            _ => {}
        }
    }
}

/// Whether an expression is a field of what a subscript gives, `a[1].b`.
fn ends_in_field(expr: &Expr) -> bool {
    matches!(expr, Expr::CompoundFieldAccess { access_chain, .. } if matches!(access_chain.last(), Some(AccessExpr::Dot(_))))
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
            (Expr::CompoundFieldAccess { root, mut access_chain }, field) => {
                access_chain.push(field);
                Expr::CompoundFieldAccess { root, access_chain }
            }
            (expr, field) => Expr::CompoundFieldAccess { root: Box::new(expr), access_chain: vec![field] },
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

/// Whether `a.b` is the column `b` of something in FROM, and not a field of the column `a`.
fn is_column(parts: &[Ident], sources: &[String]) -> bool {
    match parts {
        [.., source, _] => sources.contains(&source.value),
        _ => true,
    }
}

/// The names by which columns are addressed.
fn source_names(from: &TableWithJoins) -> Vec<String> {
    let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    let names = factors.flat_map(|factor| match factor {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. }
        | TableFactor::NestedJoin { alias: Some(alias), .. } => vec![alias.name.value.clone()],
        TableFactor::Table { name, .. } => {
            let last = name.0.last().and_then(|part| part.as_ident());
            last.map(|name| name.value.clone()).into_iter().collect()
        }
        TableFactor::NestedJoin { table_with_joins, .. } => source_names(table_with_joins),
        _ => Vec::new(),
    });
    names.collect()
}

/// Orders `SELECT DISTINCT f(x) … ORDER BY f(x)` by the column's name: DataFusion does not see that they are the same.
fn order_by_names(query: &mut Query) {
    let (SetExpr::Select(select), Some(order_by)) = (query.body.as_mut(), &mut query.order_by) else { return };
    let OrderByKind::Expressions(keys) = &mut order_by.kind else { return };
    if select.distinct.is_none() {
        return;
    }
    name_columns(select);
    for key in keys {
        let same = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == key.expr => Some(alias.clone()),
            _ => None,
        });
        if let Some(alias) = same {
            key.expr = Expr::Identifier(alias);
        }
    }
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
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) if is_double(number) => {
                super::build::cast(text(number), DataType::DoublePrecision)
            }
            Value::UnicodeStringLiteral(literal) => text(literal),
            _ => Expr::Value(value),
        },
        Expr::Like { negated, any: false, expr, pattern, escape_char } => {
            let pattern = Box::new(like_pattern(*pattern, escape_char)?);
            Expr::Like { negated, any: false, expr, pattern, escape_char: None }
        }
        // An array of one needs no copy of it.
        Expr::Array(Array { elem, .. }) if elem.len() == 1 && !is_null(&elem[0]) => call("array_of", elem),
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
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } if !matches!(*expr, Expr::Value(_) | Expr::Interval(_)) => {
            call("negate", vec![*expr])
        }
        Expr::AtTimeZone { timestamp, time_zone } => call("at_timezone", vec![*timestamp, *time_zone]),
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
        assert_eq!(rewritten("SELECT a, a + 1, count(*) FROM t"), "SELECT a, a + 1 AS _col1, count(*) AS _col2 FROM t");
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
