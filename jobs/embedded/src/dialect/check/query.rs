//! Queries: what they give, and what their clauses take.

use super::columns::{Column, Columns, Found, Relation, Scope};
use super::place::{place, place_between};
use super::types::{Type, list};
use super::{Checker, hints, refused};
use anyhow::Result;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, NamedWindowExpr, OrderBy, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, Spanned, TableAlias, Values, Visit, Visitor,
};
use std::ops::ControlFlow;

impl Checker<'_> {
    /// Checks a query, and gives its columns.
    #[recursive::recursive]
    pub(super) fn query(&self, query: &Query, outer: &Scope<'_>) -> Result<Columns> {
        let mut named = outer.named.to_vec();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = cte.alias.name.value.clone();
            if query.with.as_ref().is_some_and(|with| with.recursive) {
                // What it gives is not known while it is defined.
                named.push((name.clone(), None));
            }
            let columns = self.query(&cte.query, &Scope { named: &named, ..*outer })?;
            named.push((name, renamed(columns, &cte.alias)));
        }
        self.body(&query.body, query.order_by.as_ref(), &Scope { named: &named, ..*outer })
    }

    fn body(&self, body: &SetExpr, order_by: Option<&OrderBy>, outer: &Scope<'_>) -> Result<Columns> {
        let columns = match body {
            SetExpr::Select(select) => return self.select(select, order_by, outer),
            SetExpr::Query(query) => self.query(query, outer)?,
            SetExpr::Values(values) => self.values(values, outer)?,
            SetExpr::SetOperation { left, op, right, .. } => self.set(left, *op, right, outer)?,
            _ => None,
        };
        if let Some(OrderBy { kind: OrderByKind::Expressions(keys), .. }) = order_by {
            let output = [Relation::new(Vec::new(), columns.clone())];
            let scope = outer.within(&output);
            keys.iter().try_for_each(|key| self.order_key(&key.expr, &scope))?;
        }
        Ok(columns)
    }

    #[recursive::recursive]
    fn set(&self, left: &SetExpr, op: SetOperator, right: &SetExpr, outer: &Scope<'_>) -> Result<Columns> {
        let (first, second) = (self.body(left, None, outer)?, self.body(right, None, outer)?);
        let (Some(first), Some(second)) = (first, second) else { return Ok(None) };
        let op = op.to_string();
        if first.len() != second.len() {
            let message = format!("{op} query has different number of fields: {}, {}", first.len(), second.len());
            return Err(refused(&place(right.span()), &message, None));
        }
        let mut columns = Vec::with_capacity(first.len());
        for (number, (own, other)) in first.into_iter().zip(second).enumerate() {
            let Some(data_type) = own.data_type.common(&other.data_type) else {
                let types = format!("{}, {}", own.data_type, other.data_type);
                let message = format!("column {} in {op} query has incompatible types: {types}", number + 1);
                let values = (item(left, number), item(right, number));
                let instead = values.0.zip(values.1);
                let instead = instead.and_then(|(a, b)| hints::alike((a, &own.data_type), (b, &other.data_type)));
                return Err(refused(&place_between(self.sql, left.span(), &op, right.span()), &message, instead));
            };
            columns.push(Column { name: own.name, data_type });
        }
        Ok(Some(columns))
    }

    fn values(&self, values: &Values, scope: &Scope<'_>) -> Result<Columns> {
        let mut common: Vec<Type> = Vec::new();
        let mut seen: Vec<(&Expr, Type)> = Vec::new();
        for row in &values.rows {
            let types = row.content.iter().map(|value| self.expression(value, scope)).collect::<Result<Vec<_>>>()?;
            if common.is_empty() {
                seen = row.content.iter().zip(types.clone()).collect();
                common = types;
                continue;
            }
            if types.len() != common.len() {
                return Ok(None);
            }
            for (number, (value, data_type)) in row.content.iter().zip(&types).enumerate() {
                let Some(wider) = common[number].common(data_type) else {
                    let rows = format!("row({}) vs row({})", list(&common), list(&types));
                    let instead =
                        seen.get(number).and_then(|(first, own)| hints::alike((first, own), (value, data_type)));
                    let message = format!("Values rows have mismatched types: {rows}");
                    return Err(refused(&place(values.span()), &message, instead));
                };
                common[number] = wider;
            }
        }
        Ok(Some(common.into_iter().map(|data_type| Column { name: None, data_type }).collect()))
    }

    fn select(&self, select: &Select, order_by: Option<&OrderBy>, outer: &Scope<'_>) -> Result<Columns> {
        let mut sources = super::sources::Sources::default();
        for from in &select.from {
            self.from(from, &mut sources, outer)?;
        }
        let scope = outer.within(&sources.relations);
        if let Some(condition) = &select.selection {
            self.clause(condition, &scope, "WHERE")?;
        }
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            for key in keys {
                refuse_aliases(key, select, &scope, "GROUP BY")?;
                self.expression(key, &scope)?;
            }
        }
        if let Some(condition) = &select.having {
            refuse_aliases(condition, select, &scope, "HAVING")?;
            self.clause(condition, &scope, "HAVING")?;
        }
        for window in &select.named_window {
            if let NamedWindowExpr::WindowSpec(window) = &window.1 {
                self.window(window, &scope)?;
            }
        }
        let columns = self.projection(select, &sources, &scope)?;
        if let Some(OrderBy { kind: OrderByKind::Expressions(keys), .. }) = order_by {
            // A key may be a column of the result, before it is one of what is read.
            let named = columns.iter().flatten().filter(|(is_listed, _)| *is_listed).map(|(_, column)| column.clone());
            let output = [Relation::new(Vec::new(), Some(named.collect()))];
            let scope = scope.within(&output);
            keys.iter().try_for_each(|key| self.order_key(&key.expr, &scope))?;
        }
        Ok(columns.into_iter().map(|column| column.map(|(_, column)| column)).collect())
    }

    /// The columns of the result, and whether each is listed, not one of a star's. A star whose columns are not known is `None`.
    fn projection(
        &self,
        select: &Select,
        sources: &super::sources::Sources,
        scope: &Scope<'_>,
    ) -> Result<Vec<Option<(bool, Column)>>> {
        let mut columns = Vec::new();
        let star = |columns: &mut Vec<_>, of: Columns| match of {
            Some(of) => columns.extend(of.into_iter().map(|column| Some((false, column)))),
            None => columns.push(None),
        };
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let data_type = self.expression(expr, scope)?;
                    columns.push(Some((true, Column { name: own_name(expr), data_type })));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let data_type = self.expression(expr, scope)?;
                    columns.push(Some((true, Column::new(alias.value.clone(), data_type))));
                }
                SelectItem::Wildcard(_) => star(&mut columns, sources.star()),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    star(&mut columns, sources.star_of(name));
                }
                _ => columns.push(None),
            }
        }
        Ok(columns)
    }

    fn clause(&self, condition: &Expr, scope: &Scope<'_>, clause: &str) -> Result<()> {
        self.condition(condition, scope, |found| {
            format!("{clause} clause must evaluate to a boolean: actual type {found}")
        })
    }

    /// Types an expression that must be true or false; `message` is what Trino says of another type.
    pub(super) fn condition(
        &self,
        condition: &Expr,
        scope: &Scope<'_>,
        message: impl Fn(&Type) -> String,
    ) -> Result<()> {
        let found = self.expression(condition, scope)?;
        if found.coerces(&Type::Boolean) {
            return Ok(());
        }
        let instead = hints::converted(condition, &found, &Type::Boolean);
        Err(refused(&place(condition.span()), &message(&found), instead))
    }

    pub(super) fn order_key(&self, key: &Expr, scope: &Scope<'_>) -> Result<()> {
        let found = self.expression(key, scope)?;
        if found.is_orderable() {
            return Ok(());
        }
        let message = format!("Type {found} is not orderable, and therefore cannot be used in ORDER BY: {key}");
        Err(refused(&place(key.span()), &message, None))
    }
}

/// Columns under the names of an alias, `AS t(a, b)`.
pub(super) fn renamed(columns: Columns, alias: &TableAlias) -> Columns {
    if alias.columns.is_empty() {
        return columns;
    }
    let names = alias.columns.iter().map(|column| column.name.value.clone());
    match columns {
        Some(columns) if columns.len() == alias.columns.len() => {
            Some(names.zip(columns).map(|(name, column)| Column::new(name, column.data_type)).collect())
        }
        _ => Some(names.map(|name| Column::new(name, Type::Any)).collect()),
    }
}

/// The name that a column of the result has by itself.
fn own_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
        Expr::Nested(inner) => own_name(inner),
        _ => None,
    }
}

/// The expression of a column of a part of UNION and the like.
fn item(body: &SetExpr, number: usize) -> Option<&Expr> {
    match body {
        SetExpr::Select(select) => match select.projection.get(number)? {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
            _ => None,
        },
        SetExpr::Values(values) => values.rows.first()?.content.get(number),
        _ => None,
    }
}

/// GROUP BY and HAVING know the columns that are read, and not the names of SELECT.
fn refuse_aliases(part: &Expr, select: &Select, scope: &Scope<'_>, clause: &str) -> Result<()> {
    struct Names<'a, 'b> {
        select: &'a Select,
        scope: &'a Scope<'b>,
        clause: &'a str,
    }
    impl Visitor for Names<'_, '_> {
        type Break = Option<anyhow::Error>;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
            match expr {
                // They have names of their own.
                Expr::Lambda(_) | Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                    ControlFlow::Break(None)
                }
                Expr::Identifier(name) if self.scope.find(&[&name.value]) == Found::Nothing => {
                    let aliased = self.select.projection.iter().find_map(|item| match item {
                        SelectItem::ExprWithAlias { expr, alias } if alias.value == name.value => Some(expr),
                        _ => None,
                    });
                    let Some(aliased) = aliased else { return ControlFlow::Continue(()) };
                    let message = format!("Column '{}' cannot be resolved", name.value);
                    let instead = format!("what it stands for, {aliased}, since {} knows no aliases", self.clause);
                    ControlFlow::Break(Some(refused(&place(name.span), &message, Some(instead))))
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match part.visit(&mut Names { select, scope, clause }) {
        ControlFlow::Break(Some(error)) => Err(error),
        _ => Ok(()),
    }
}
