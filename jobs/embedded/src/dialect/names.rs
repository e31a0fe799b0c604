//! Table names, and the hidden column `"$path"`.

use super::{INFORMATION_SCHEMA, PARTITIONS, PATH_COLUMN};
use crate::CATALOG;
use anyhow::{Result, bail};
use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, Statement, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};
use std::ops::ControlFlow;

/// Whether a name is that of the Glue catalog.
pub(super) fn is_catalog(name: &str) -> bool {
    name == CATALOG
}

/// Takes the catalog off `awsdatacatalog.database.table`: the embedded engine has one catalog.
pub(super) fn strip_catalog(table: &mut ObjectName) {
    let first = table.0.first().and_then(ObjectNamePart::as_ident);
    if table.0.len() == 3 && first.is_some_and(|name| name.value == CATALOG) {
        table.0.remove(0);
    }
}

/// The same for a column of such a table.
pub(super) fn strip_catalog_of_column(expr: &mut Expr) {
    if let Expr::CompoundIdentifier(parts) = expr
        && parts.len() == 4
        && parts.first().is_some_and(|name| name.value == CATALOG)
    {
        parts.remove(0);
    }
}

/// Keeps `"$path"` out of every `*` that stands for a table's columns.
pub(super) fn hide_path(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut PathHider { scopes: Vec::new() }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct PathHider {
    scopes: Vec<Scope>,
}

/// A query's named subqueries. Each sees those before it, so a name can still be a table's inside its own query.
struct Scope {
    names: Vec<String>,
    recursive: bool,
    /// How many queries directly inside this one have been entered; its named subqueries come first.
    entered: usize,
}

impl Scope {
    /// What the query that was entered last sees.
    fn visible_inside(&self) -> &[String] {
        let own = usize::from(!self.recursive);
        &self.names[..self.entered.saturating_sub(own).min(self.names.len())]
    }
}

impl VisitorMut for PathHider {
    type Break = anyhow::Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Some(parent) = self.scopes.last_mut() {
            parent.entered += 1;
        }
        let names = query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.clone());
        let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        self.scopes.push(Scope { names: names.collect(), recursive, entered: 0 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        match self.rewrite_select(select) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// What a `*` covers: the name by which a FROM item is addressed, and whether it is a table.
struct Source {
    name: Option<ObjectName>,
    is_table: bool,
}

impl PathHider {
    fn rewrite_select(&self, select: &mut Select) -> Result<()> {
        let mut sources = Vec::new();
        select.from.iter().for_each(|from| self.collect_sources(from, &mut sources));
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in select.projection.drain(..) {
            match item {
                SelectItem::Wildcard(options) => match sources.as_slice() {
                    [only] if only.is_table => projection.push(SelectItem::Wildcard(without_path(options))),
                    sources if sources.iter().any(|source| source.is_table) => {
                        if select.from.iter().any(joins_by_name) {
                            bail!(
                                "the embedded engine cannot expand * over JOIN … USING beside \"$path\": name the columns"
                            );
                        }
                        for source in sources {
                            let Some(name) = source.name.clone() else {
                                bail!(
                                    "the embedded engine cannot expand * beside \"$path\" over a subquery without a name"
                                );
                            };
                            projection.push(qualified(name, source.is_table, options.clone()));
                        }
                    }
                    _ => projection.push(SelectItem::Wildcard(options)),
                },
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let is_table = sources.iter().any(|source| source.is_table && source.answers_to(&name));
                    projection.push(qualified(name, is_table, options));
                }
                other => projection.push(other),
            }
        }
        select.projection = projection;
        Ok(())
    }

    fn collect_sources(&self, from: &TableWithJoins, sources: &mut Vec<Source>) {
        let joined = from.joins.iter().map(|join| &join.relation);
        for factor in std::iter::once(&from.relation).chain(joined) {
            match factor {
                TableFactor::NestedJoin { table_with_joins, alias: None } => {
                    self.collect_sources(table_with_joins, sources);
                }
                TableFactor::Table { name, alias, args: None, .. } => {
                    let is_table = self.is_table(name);
                    let name = alias.as_ref().map_or_else(|| name.clone(), |alias| alias.name.clone().into());
                    sources.push(Source { name: Some(name), is_table });
                }
                TableFactor::Derived { alias, .. }
                | TableFactor::UNNEST { alias, .. }
                | TableFactor::NestedJoin { alias, .. } => {
                    let name = alias.as_ref().map(|alias| alias.name.clone().into());
                    sources.push(Source { name, is_table: false });
                }
                _ => sources.push(Source { name: None, is_table: false }),
            }
        }
    }

    /// The named subqueries that a SELECT of the innermost query sees: all of its own, and what it sees of those around.
    fn visible(&self) -> impl Iterator<Item = &String> {
        let (own, around) = self.scopes.split_last().map_or((None, &[][..]), |(own, around)| (Some(own), around));
        own.into_iter().flat_map(|own| &own.names).chain(around.iter().flat_map(Scope::visible_inside))
    }

    /// Neither a named subquery nor a table that tells of tables.
    fn is_table(&self, name: &ObjectName) -> bool {
        let parts: Vec<&str> = name.0.iter().filter_map(|part| Some(part.as_ident()?.value.as_str())).collect();
        match parts.as_slice() {
            [.., name] if name.ends_with(PARTITIONS) => false,
            [name] => !self.visible().any(|visible| visible == name),
            [.., schema, _] => *schema != INFORMATION_SCHEMA,
            [] => false,
        }
    }
}

impl Source {
    /// Whether `name.*` means this source: its whole name, or the end of it.
    fn answers_to(&self, name: &ObjectName) -> bool {
        self.name.as_ref().is_some_and(|own| own.0.ends_with(&name.0))
    }
}

fn joins_by_name(from: &TableWithJoins) -> bool {
    from.joins.iter().any(|join| match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => {
            matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => false,
    })
}

fn qualified(name: ObjectName, is_table: bool, options: WildcardAdditionalOptions) -> SelectItem {
    let options = if is_table { without_path(options) } else { options };
    SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
}

fn without_path(mut options: WildcardAdditionalOptions) -> WildcardAdditionalOptions {
    options.opt_exclude = Some(ExcludeSelectItem::Single(Ident::with_quote('"', PATH_COLUMN).into()));
    options
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;

    fn hidden(sql: &str) -> String {
        let rewritten = rewrite(sql).unwrap();
        assert!(rewritten.mentions_path);
        rewritten.statement.to_string()
    }

    #[test]
    fn a_star_of_a_table_leaves_the_path_out() {
        assert_eq!(hidden(r#"SELECT *, "$PATH" FROM raw"#), r#"SELECT * EXCLUDE "$path", "$path" FROM raw"#);
        assert_eq!(
            hidden(r#"SELECT r.*, "$path" FROM db.raw AS r"#),
            r#"SELECT r.* EXCLUDE "$path", "$path" FROM db.raw AS r"#
        );
    }

    #[test]
    fn a_star_of_a_subquery_is_left_alone() {
        assert_eq!(
            hidden(r#"WITH lines AS (SELECT *, "$path" FROM raw) SELECT * FROM lines"#),
            r#"WITH lines AS (SELECT * EXCLUDE "$path", "$path" FROM raw) SELECT * FROM lines"#
        );
        assert_eq!(
            hidden(r#"SELECT * FROM (SELECT "$path" FROM raw) AS t"#),
            r#"SELECT * FROM (SELECT "$path" FROM raw) AS t"#
        );
    }

    #[test]
    fn a_named_subquery_hides_a_table_only_after_itself() {
        assert_eq!(
            hidden(r#"WITH raw AS (SELECT * FROM raw WHERE "$path" = 'x') SELECT * FROM raw"#),
            r#"WITH raw AS (SELECT * EXCLUDE "$path" FROM raw WHERE "$path" = 'x') SELECT * FROM raw"#
        );
    }

    #[test]
    fn a_star_over_a_join_is_spelled_out() {
        assert_eq!(
            hidden(r#"SELECT * FROM raw AS r JOIN (SELECT x AS k) AS k ON r.k = k.k WHERE r."$path" = 'x'"#),
            r#"SELECT r.* EXCLUDE "$path", k.* FROM raw AS r JOIN (SELECT x AS k) AS k ON r.k = k.k WHERE r."$path" = 'x'"#
        );
    }

    #[test]
    fn the_catalog_is_taken_off() {
        let sql = r#"SELECT t.a FROM "AwsDataCatalog".lake.raw AS t"#;
        assert_eq!(rewrite(sql).unwrap().statement.to_string(), "SELECT t.a FROM lake.raw AS t");
    }
}
