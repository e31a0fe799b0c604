//! Athena's query dialect on DataFusion.
//!
//! A query is read with Trino's rules for names and quotes ([`grammar`]). What Trino refuses is refused ([`check`]): its
//! grammar, its types, its functions. The tree is then rewritten so that DataFusion plans it with Trino's meaning: [`names`] for tables, columns and `"$path"`, [`types`] for types and
//! literals, [`calls`] for functions, [`rewriter`] for the rest of the grammar. What depends on the types that meet (a
//! cast, say) is not known here: `functions` sees to it when the query is planned.
//!
//! `tests/trino/README.md` shows how much is the same. What is not, where a query can see it:
//! - NaN equals itself, and is greater than any number.
//! - A double is written in its shortest form: 1e23 is `1.0E23` here and `9.999999999999999E22` on Trino.
//! - `$` in a pattern is the end of the text, and in Trino also stands before a line end that is the last character.

mod aggregates;
mod attempt;
mod build;
mod bytes;
mod calls;
mod check;
mod columns;
mod errors;
mod grammar;
mod literals;
mod named_casts;
mod names;
pub(crate) mod patterns;
mod rewriter;
pub(crate) mod subqueries;
mod times;
mod twins;
mod types;
pub(crate) mod unnest;
mod values;
mod zones;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use calls::is_rewritten;
#[cfg(test)]
pub(crate) use check::functions;
pub(crate) use check::{Tables, offset};
pub(crate) use errors::explain_plan_error;
pub(crate) use grammar::TrinoDialect;
pub(crate) use named_casts::TYPED;
pub(crate) use twins::unmarked;

use anyhow::{Result, bail};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as PlannedStatement;
use datafusion::sql::sqlparser::ast::Statement;

/// A query as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    statement: Statement,
    sql: String,
    /// Whether it mentions `"$path"`. Then every table must have it as its last column: the rewriting keeps it out of `*`.
    pub(crate) mentions_path: bool,
}

/// The hidden column with the object that a row was read from.
pub(crate) const PATH_COLUMN: &str = "$path";

/// The database whose tables tell of the catalog's.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// What the name of a table that lists a table's partitions ends with.
pub(crate) const PARTITIONS: &str = "$partitions";

/// Reads a Trino query.
///
/// # Errors
/// When the text is not one query; the message names what cannot be read.
pub(crate) fn read(sql: &str) -> Result<Query> {
    let (statement, mentions_path) = grammar::parse(sql)?;
    if !matches!(statement, Statement::Query(_)) {
        bail!("this is not a query: {}", first_words(sql));
    }
    Ok(Query { statement, sql: sql.to_owned(), mentions_path })
}

impl Query {
    /// The query for what looks up its tables.
    pub(crate) fn statement(&self) -> PlannedStatement {
        PlannedStatement::Statement(Box::new(self.statement.clone()))
    }

    /// Checks the query and puts it in the form that DataFusion plans, by `SessionState::statement_to_plan`. Columns of
    /// tables that are not among `tables` may be of any type.
    ///
    /// # Errors
    /// When Trino refuses it, or when it uses what the embedded engine does not have; the message names it.
    pub(crate) fn rewrite(mut self, tables: &Tables) -> Result<PlannedStatement> {
        check::check(&self.statement, &self.sql, tables)?;
        if self.mentions_path {
            names::hide_path(&mut self.statement)?;
        }
        rewriter::rewrite(&mut self.statement)?;
        Ok(PlannedStatement::Statement(Box::new(self.statement)))
    }
}

/// Plans a rewritten query.
///
/// # Errors
/// DataFusion refuses it, or it is one that would give another value than Trino's.
pub(crate) async fn plan(state: &SessionState, statement: PlannedStatement) -> Result<LogicalPlan, DataFusionError> {
    let plan = match state.statement_to_plan(statement.clone()).await {
        Err(error) if named_casts::is_name_twice(&error) => {
            // What is wrong all the same is told in the names of the query.
            state.statement_to_plan(named_casts::with_named_casts(statement)).await.map_err(|_| error)
        }
        planned => planned,
    }?;
    zones::require_one_zone(&plan)?;
    Ok(plan)
}

/// A query in the form that DataFusion plans, of tables that are not known.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) statement: PlannedStatement,
    pub(crate) mentions_path: bool,
}

#[cfg(test)]
pub(crate) fn rewrite(sql: &str) -> Result<Rewritten> {
    let query = read(sql)?;
    let mentions_path = query.mentions_path;
    Ok(Rewritten { statement: query.rewrite(&Tables::default())?, mentions_path })
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
