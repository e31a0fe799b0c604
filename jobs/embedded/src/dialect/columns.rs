//! Columns of a query: their names, and how they are grouped and ordered by.

use anyhow::{Result, bail};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
};

/// Names computed columns as Trino does, `_col0` by position. A name of its own also lets a column appear twice.
pub(super) fn name_columns(select: &mut Select) {
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
            SelectItem::UnnamedExpr(expr) if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
                let alias = last_field(expr).unwrap_or_else(|| Ident::new(format!("_col{position}")));
                let expr = std::mem::replace(expr, super::build::null());
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            _ => {}
        }
    }
}

/// `GROUP BY (a, b)` groups by both.
pub(super) fn flat_groups(select: &mut Select) -> Result<()> {
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else { return Ok(()) };
    let mut flat = Vec::with_capacity(keys.len());
    for key in std::mem::take(keys) {
        match key {
            Expr::Tuple(parts) if parts.is_empty() => bail!("the embedded engine has no GROUP BY (): leave it out"),
            Expr::Tuple(parts) => flat.extend(parts),
            key => flat.push(key),
        }
    }
    *keys = flat;
    Ok(())
}

/// The field that an expression is of what a subscript or a cast gives, `a[1].b`.
fn last_field(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(field))) => Some(field.clone()),
            _ => None,
        },
        _ => None,
    }
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
pub(super) fn order_by_names(query: &mut Query) {
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
