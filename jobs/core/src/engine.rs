//! The seam to the engine: something that runs a statement. DataFusion (embedded) or Athena.

use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::names::Name;

/// One statement, ready to run.
#[derive(Debug, Clone)]
pub struct Statement {
    /// What people call it: `merge_hour@1`. Errors and logs name it.
    pub label: String,
    /// The text, in Athena's dialect, without a trailing semicolon.
    pub sql: String,
    /// The database of names that carry none.
    pub database: Name,
    /// Names this piece of work to an engine that runs on when its caller ends: whoever comes with the same token joins
    /// that run, running or over, and so must bring the same text. `None`: every call is a run of its own.
    pub token: Option<String>,
}

/// What reading took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Scan {
    /// Bytes of the objects read, as stored.
    #[serde(rename = "scanned_bytes")]
    pub bytes: u64,
    /// What an engine that takes money asks for it, as far as can be told, in US dollars.
    #[serde(rename = "estimated_cost_usd", skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Decimal>,
}

impl Scan {
    /// Reading by an engine that is free.
    #[must_use]
    pub fn free(bytes: u64) -> Self {
        Self { bytes, cost_usd: None }
    }
}

impl Add for Scan {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let cost_usd = self.cost_usd.into_iter().chain(other.cost_usd).reduce(|one, other| one.saturating_add(other));
        Self { bytes: self.bytes.saturating_add(other.bytes), cost_usd }
    }
}

impl AddAssign for Scan {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Scan {
    fn sum<I: Iterator<Item = Self>>(scans: I) -> Self {
        scans.fold(Self::default(), Add::add)
    }
}

/// What a statement did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Rows written, by a statement that writes.
    pub rows: u64,
    /// What reading took.
    pub scan: Scan,
}

/// The rows of a query as text; SQL NULL is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
    /// What reading took.
    #[serde(skip)]
    pub scan: Scan,
}

/// An engine ran a statement, which did not succeed and is over. What it had written may remain: discard that before the
/// statement is run again, into a new folder.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StatementFailed {
    /// Which, and what the engine said.
    pub message: String,
    /// The reason may pass. The engine did not run the statement again itself, because what it had written would be in
    /// the way.
    pub is_retryable: bool,
}

/// Runs statements in Athena's dialect.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Runs a statement for what it does.
    ///
    /// # Errors
    /// One line that names the statement and what the engine said. [`StatementFailed`] where the statement is over; after
    /// any other error it may run on.
    async fn execute(&self, statement: &Statement) -> Result<Outcome>;

    /// Runs a query for its rows; meant for small results.
    ///
    /// # Errors
    /// As for `execute`.
    async fn query(&self, statement: &Statement) -> Result<Rows>;

    /// The same engine over another catalog, where it can be told which one to read.
    fn over(&self, _catalog: Arc<dyn Catalog>) -> Option<Arc<dyn Engine>> {
        None
    }

    /// Whether statements run on when their caller ends, so that another with the same token joins them.
    fn outlives_callers(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_costs_of_scans_add_up_where_there_are_any() {
        let priced = |bytes, cost: &str| Scan { bytes, cost_usd: Some(cost.parse().unwrap()) };
        let scans = [Scan::free(5), priced(10, "0.5"), priced(1, "0.25")];
        assert_eq!(scans.into_iter().sum::<Scan>(), priced(16, "0.75"));
        assert_eq!(Scan::free(5) + Scan::free(1), Scan::free(6));
    }
}
