//! FROM: what a query reads.

use super::columns::{Column, Columns, Found, Relation, Scope};
use super::place::place;
use super::query::renamed;
use super::types::Type;
use super::{Checker, hints, refused};
use crate::dialect::names::is_catalog;
use anyhow::{Result, bail};
use datafusion::sql::sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, ObjectName, Spanned, TableFactor, TableWithJoins,
};

/// What FROM names, so far.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) relations: Vec<Relation>,
    /// Whether a join has USING, which puts its columns in front and shows them once.
    has_using: bool,
}

impl Sources {
    /// The columns of `*`.
    pub(super) fn star(&self) -> Columns {
        if self.has_using {
            return None;
        }
        let columns = self.relations.iter().map(|relation| relation.columns.clone());
        columns.collect::<Option<Vec<_>>>().map(|columns| columns.concat())
    }

    /// The columns of `name.*`.
    pub(super) fn star_of(&self, name: &ObjectName) -> Columns {
        let parts = parts(name);
        self.relations.iter().find(|relation| relation.name.ends_with(&parts))?.columns.clone()
    }
}

fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| Some(part.as_ident()?.value.clone())).collect()
}

impl Checker<'_> {
    /// Adds what a part of FROM names, and checks its conditions.
    #[recursive::recursive]
    pub(super) fn from(&self, from: &TableWithJoins, sources: &mut Sources, outer: &Scope<'_>) -> Result<()> {
        self.factor(&from.relation, sources, outer)?;
        for join in &from.joins {
            let before = sources.relations.len();
            self.factor(&join.relation, sources, outer)?;
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(condition)) => {
                    self.condition(condition, &outer.within(&sources.relations), |found| {
                        format!("JOIN ON clause must evaluate to a boolean: actual type {found}")
                    })?;
                }
                Some(JoinConstraint::Using(names)) => {
                    sources.has_using = true;
                    let (left, right) = sources.relations.split_at(before);
                    names.iter().try_for_each(|name| same_key(name, left, right))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn factor(&self, factor: &TableFactor, sources: &mut Sources, outer: &Scope<'_>) -> Result<()> {
        let (mut relation, alias) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => (self.table(name, outer), alias),
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let beside = outer.within(&sources.relations);
                let columns = self.query(subquery, if *lateral { &beside } else { outer })?;
                (Relation::new(Vec::new(), columns), alias)
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let scope = outer.within(&sources.relations);
                let columns = self.unnested(array_exprs, *with_ordinality, &scope)?;
                (Relation::new(Vec::new(), columns), alias)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                return self.from(table_with_joins, sources, outer);
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut inner = Sources::default();
                self.from(table_with_joins, &mut inner, outer)?;
                (Relation::new(Vec::new(), inner.star()), alias)
            }
            TableFactor::Table { alias, .. } | TableFactor::Function { alias, .. } => {
                (Relation::new(Vec::new(), None), alias)
            }
            _ => (Relation::new(Vec::new(), None), &None),
        };
        if let Some(alias) = alias {
            relation.name = vec![alias.name.value.clone()];
            relation.columns = renamed(relation.columns, alias);
        }
        sources.relations.push(relation);
        Ok(())
    }

    fn table(&self, name: &ObjectName, scope: &Scope<'_>) -> Relation {
        let mut parts = parts(name);
        if let [only] = parts.as_slice()
            && let Some((_, columns)) = scope.named.iter().rev().find(|(named, _)| named == only)
        {
            return Relation::new(parts, columns.clone());
        }
        if parts.len() == 3 && is_catalog(&parts[0]) {
            parts.remove(0);
        }
        if parts.len() == 1 {
            parts.insert(0, self.tables.database.clone());
        }
        let [database, table] = parts.as_slice() else { return Relation::new(parts, None) };
        let Some(columns) = self.tables.columns(database, table) else { return Relation::new(parts, None) };
        let is_hidden = |column: &Column| column.name.as_ref().is_some_and(|name| name.starts_with('$'));
        let (hidden, columns) = columns.into_iter().partition(is_hidden);
        Relation { name: parts, columns: Some(columns), hidden }
    }

    fn unnested(&self, arrays: &[Expr], with_ordinality: bool, scope: &Scope<'_>) -> Result<Columns> {
        let mut columns = Some(Vec::new());
        let mut add = |types: Option<Vec<Type>>| match (&mut columns, types) {
            (Some(columns), Some(types)) => {
                columns.extend(types.into_iter().map(|data_type| Column { name: None, data_type }));
            }
            _ => columns = None,
        };
        for array in arrays {
            match self.expression(array, scope)? {
                Type::Array(item) => match *item {
                    Type::Row(_) => {
                        let at = place(array.span());
                        bail!(
                            "{at}the embedded engine makes no columns of rows by UNNEST: write UNNEST(transform(x, r -> r.a))"
                        )
                    }
                    item if item.is_open() => add(None),
                    item => add(Some(vec![item])),
                },
                Type::Map(key, value) => add(Some(vec![*key, *value])),
                open if open.is_open() => add(None),
                other => {
                    return Err(refused(&place(array.span()), &format!("Cannot unnest type: {other}"), None));
                }
            }
        }
        if with_ordinality {
            add(Some(vec![Type::Bigint]));
        }
        Ok(columns)
    }
}

/// The condition of a join that Trino has.
fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// A column of USING is compared on both sides.
fn same_key(name: &ObjectName, left: &[Relation], right: &[Relation]) -> Result<()> {
    let Some(column) = name.0.last().and_then(|part| part.as_ident()) else { return Ok(()) };
    let side = |relations: &[Relation]| Scope { relations, outer: None, named: &[] }.find(&[&column.value]);
    let (Found::Type(own), Found::Type(other)) = (side(left), side(right)) else { return Ok(()) };
    if own.common(&other).is_some() {
        return Ok(());
    }
    let key = Expr::Identifier(column.clone());
    let instead = hints::pair((&key, &own), (&key, &other)).map(|cast| format!("ON, with {cast}"));
    Err(refused(&place(column.span), &format!("Cannot apply operator: {own} = {other}"), instead))
}
