//! Athena's query dialect on DataFusion.
//!
//! A query is read with Trino's rules for names and quotes ([`grammar`]), and its tree is then rewritten so that
//! DataFusion plans it with Trino's meaning: [`names`] for tables, columns and `"$path"`, [`types`] for types and
//! literals, [`calls`] for functions, [`rewriter`] for the rest of the grammar. What depends on the types that meet (a
//! cast, say) is not known here: `functions` sees to it when the query is planned.
//!
//! `cases.slt` shows what is the same. What is not, where a query can see it:
//! - NaN equals itself, and is greater than any number.
//! - A double is written in its shortest form: 1e23 is `1.0E23` here and `9.999999999999999E22` on Trino.
//! - `$` in a pattern is the end of the text, and in Trino also stands before a line end that is the last character.

mod attempt;
mod build;
mod calls;
mod columns;
mod errors;
mod grammar;
mod literals;
mod names;
pub(crate) mod patterns;
mod rewriter;
mod times;
mod twins;
mod types;
pub(crate) mod unnest;
mod values;

#[cfg(test)]
mod tests;

pub(crate) use errors::explain_plan_error;
pub(crate) use twins::unmarked;

use anyhow::{Result, bail};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as PlannedStatement;
use datafusion::sql::sqlparser::ast::Statement;

/// A query in the form that DataFusion plans.
#[derive(Debug, Clone)]
pub(crate) struct Rewritten {
    /// For `SessionState::statement_to_plan`.
    pub(crate) statement: PlannedStatement,
    /// Whether the query mentions `"$path"`. Then every table must have it as its last column: the rewriting has
    /// already kept it out of `*`.
    pub(crate) mentions_path: bool,
}

/// The hidden column with the object that a row was read from.
pub(crate) const PATH_COLUMN: &str = "$path";

/// Reads a Trino query and rewrites it for DataFusion.
///
/// # Errors
/// When the text is not one query, or uses what the embedded engine does not have; the message names it.
pub(crate) fn rewrite(sql: &str) -> Result<Rewritten> {
    let (mut statement, mentions_path) = grammar::parse(sql)?;
    if !matches!(statement, Statement::Query(_)) {
        bail!("this is not a query: {}", first_words(sql));
    }
    if mentions_path {
        names::hide_path(&mut statement)?;
    }
    rewriter::rewrite(&mut statement)?;
    Ok(Rewritten { statement: PlannedStatement::Statement(Box::new(statement)), mentions_path })
}

/// Sets the options under which a rewritten query means what it means in Trino.
#[must_use]
pub(crate) fn session_config(config: SessionConfig) -> SessionConfig {
    let mut config = config;
    let options = config.options_mut();
    // `0.1` is a decimal in Trino. Money must not pass through a double.
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.default_null_ordering = "nulls_last".into();
    // It would read the fields of a record below the record, and so make the record twice.
    options.optimizer.enable_leaf_expression_pushdown = false;
    // The session's zone on Athena.
    options.execution.time_zone = Some("UTC".into());
    config
}

fn first_words(sql: &str) -> String {
    sql.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
