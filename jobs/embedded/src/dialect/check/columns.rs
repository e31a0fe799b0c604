//! What names mean: the columns of what a query reads from.

use super::types::{Field, Type};

/// A column of a table, of a subquery, or a parameter of a lambda. It may have no name.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: Option<String>,
    pub(super) data_type: Type,
}

impl Column {
    pub(super) fn new(name: impl Into<String>, data_type: Type) -> Self {
        Self { name: Some(name.into()), data_type }
    }
}

/// Columns in order; `None`: it is not known which there are.
pub(super) type Columns = Option<Vec<Column>>;

/// Something that FROM names.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// Its name in full, `database.table` or an alias. Empty: it has none.
    pub(super) name: Vec<String>,
    pub(super) columns: Columns,
    /// Columns that `*` does not show.
    pub(super) hidden: Vec<Column>,
}

impl Relation {
    pub(super) fn new(name: Vec<String>, columns: Columns) -> Self {
        Self { name, columns, hidden: Vec::new() }
    }
}

/// The relations that names are looked up in, and those around a subquery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) relations: &'a [Relation],
    pub(super) outer: Option<&'a Scope<'a>>,
    /// The named subqueries that are visible, the last one first.
    pub(super) named: &'a [(String, Columns)],
}

/// What a name was found to be.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Type(Type),
    /// There is no such column.
    Nothing,
    /// What there is, is not all known.
    Unknown,
}

impl<'a> Scope<'a> {
    /// The scope of what stands inside a part that sees this scope.
    pub(super) fn within(&'a self, relations: &'a [Relation]) -> Self {
        Self { relations, outer: Some(self), named: self.named }
    }

    /// Looks up `column`, `table.column`, `column.field` and the like.
    pub(super) fn find(&self, name: &[&str]) -> Found {
        let mut is_complete = true;
        // As many parts as may be name the table.
        for length in (0..name.len()).rev() {
            let (qualifier, rest) = name.split_at(length);
            let Some((column, fields)) = rest.split_first() else { continue };
            for relation in self.relations.iter().filter(|relation| relation.name.ends_with_parts(qualifier)) {
                let Some(columns) = &relation.columns else {
                    is_complete = false;
                    continue;
                };
                let mut found = columns.iter().chain(&relation.hidden);
                if let Some(found) = found.find(|own| own.name.as_deref() == Some(column)) {
                    return Found::Type(field_of(&found.data_type, fields));
                }
            }
        }
        match self.outer {
            _ if !is_complete => Found::Unknown,
            Some(outer) => outer.find(name),
            None => Found::Nothing,
        }
    }
}

trait EndsWithParts {
    fn ends_with_parts(&self, parts: &[&str]) -> bool;
}

impl EndsWithParts for Vec<String> {
    fn ends_with_parts(&self, parts: &[&str]) -> bool {
        self.len() >= parts.len() && self[self.len() - parts.len()..].iter().zip(parts).all(|(own, part)| own == part)
    }
}

/// The type of a field of a row, however deep.
pub(super) fn field_of(row: &Type, names: &[&str]) -> Type {
    let Some((first, rest)) = names.split_first() else { return row.clone() };
    let Type::Row(fields) = row else { return Type::Any };
    let named = |field: &&Field| field.name.as_deref() == Some(first);
    fields.iter().find(named).map_or(Type::Any, |field| field_of(&field.data_type, rest))
}

/// The columns of tables, by database and name.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The database of names without one.
    pub(super) database: String,
    tables: std::collections::HashMap<(String, String), Vec<Column>>,
}

impl Tables {
    /// No tables yet; names without a database are of `database`.
    pub(crate) fn of(database: &str) -> Self {
        Self { database: database.to_owned(), tables: Default::default() }
    }

    /// Makes a table's columns known.
    pub(crate) fn add(&mut self, database: &str, table: &str, schema: &datafusion::arrow::datatypes::Schema) {
        let column = |field: &datafusion::arrow::datatypes::FieldRef| {
            // Names mean the same in upper and lower case.
            Column::new(field.name().to_lowercase(), Type::of_column(field.data_type()))
        };
        self.tables.insert((database.to_owned(), table.to_owned()), schema.fields().iter().map(column).collect());
    }

    pub(super) fn columns(&self, database: &str, table: &str) -> Columns {
        self.tables.get(&(database.to_owned(), table.to_owned())).cloned()
    }
}
