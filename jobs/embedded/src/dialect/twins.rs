//! Columns of the result that have one name, `SELECT x, x` and `SELECT *, x`, which DataFusion refuses. The later ones get a
//! mark behind their names, which the engine takes off the result again.

use std::collections::HashSet;

use super::PATH_COLUMN;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, SetExpr};

/// No name has it.
const MARK: char = '\u{1f}';

/// The name of a result's column without its mark.
pub(crate) fn unmarked(name: &str) -> &str {
    name.split_once(MARK).map_or(name, |(name, _)| name)
}

/// Marks the columns of a query's result.
pub(super) fn mark(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => mark_columns(select),
        SetExpr::SetOperation { left, right, .. } => {
            mark(left);
            mark(right);
        }
        SetExpr::Query(query) => mark(&mut query.body),
        _ => {}
    }
}

fn mark_columns(select: &mut Select) {
    // How many columns a star has, and with which names, is not known here.
    let has_star = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    let mut seen = HashSet::new();
    for (position, item) in select.projection.iter_mut().enumerate() {
        let (expr, name, is_alias) = match item {
            SelectItem::UnnamedExpr(expr) => match last_name(expr) {
                Some(name) => (expr, name, false),
                None => continue,
            },
            SelectItem::ExprWithAlias { expr, alias } => (expr, alias.clone(), true),
            _ => continue,
        };
        // An alias may be what the query orders by, and no star shows the path.
        if seen.insert(name.value.clone()) && (is_alias || !has_star || name.value == PATH_COLUMN) {
            continue;
        }
        let alias = Ident { value: format!("{}{MARK}{position}", name.value), ..name };
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

fn last_name(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(name) => Some(name.clone()),
        Expr::CompoundIdentifier(names) => names.last().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rewrite, unmarked};

    fn columns(sql: &str) -> String {
        rewrite(sql).unwrap().statement.to_string().replace(super::MARK, "'")
    }

    #[test]
    fn the_later_of_two_is_marked() {
        assert_eq!(columns("SELECT x, y, t.x, 1 AS y FROM t"), "SELECT x, y, t.x AS x'2, CAST(1 AS INT) AS y'3 FROM t");
        assert_eq!(columns("SELECT *, x FROM t"), "SELECT *, x AS x'1 FROM t");
        assert_eq!(columns("SELECT x, y FROM t"), "SELECT x, y FROM t");
        assert_eq!(unmarked("x\u{1f}2"), "x");
    }
}
