//! What Trino refuses and DataFusion would run: a query is checked as it was written, before it is rewritten.
//!
//! [`grammar`] refuses what Trino's grammar does not have. [`query`] and [`expression`] then go through the query once,
//! with a scope of typed columns, and refuse types that do not meet: DataFusion would convert one of them. A type that is
//! not known ([`Type::Any`]) meets all others, so only what is sure to be refused is. Which arguments a function takes
//! stands in `functions.txt`, which comes from a real Trino. Errors are in Trino's words, and say what to write.

mod call;
mod cast;
mod columns;
mod expression;
mod foreign;
mod grammar;
mod hints;
mod known;
mod operators;
mod place;
mod query;
mod resolve;
mod signatures;
mod sources;
mod types;

#[cfg(test)]
mod tests;

pub(crate) use columns::Tables;
pub(crate) use place::offset;
#[cfg(test)]
pub(crate) use signatures::functions;

use anyhow::Result;
use columns::Scope;
use datafusion::sql::sqlparser::ast::Statement;

/// Checks a statement that is not rewritten yet. `sql` is its text, for the places in errors.
///
/// # Errors
/// Trino refuses it, too: the error says so in Trino's words, with what to write.
pub(super) fn check(statement: &Statement, sql: &str, tables: &Tables) -> Result<()> {
    grammar::check(statement)?;
    let Statement::Query(query) = statement else { return Ok(()) };
    let nothing = Scope { relations: &[], outer: None, named: &[] };
    Checker { sql, tables }.query(query, &nothing).map(drop)
}

/// Goes through a query and types its parts.
struct Checker<'a> {
    sql: &'a str,
    tables: &'a Tables,
}

/// An error of Trino's, and what to write.
fn refused(place: &str, message: &str, instead: Option<String>) -> anyhow::Error {
    match instead {
        Some(instead) => anyhow::anyhow!("{place}{message}: write {instead}"),
        None => anyhow::anyhow!("{place}{message}"),
    }
}
