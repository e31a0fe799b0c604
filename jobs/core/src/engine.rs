//! The seam to the engine: something that runs a statement. DataFusion (embedded) or Athena.

use anyhow::Result;
use async_trait::async_trait;
use serde::Serialize;

use crate::location::Location;
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
    /// Where the engine keeps the malformed lines that it meets.
    pub malformed: Option<KeepMalformed>,
    /// Names this piece of work to an engine that runs on when its caller ends: whoever comes with the same token joins
    /// that run, running or over, and so must bring the same text. `None`: every call is a run of its own.
    pub token: Option<String>,
}

/// Which malformed lines to keep, and where.
#[derive(Debug, Clone)]
pub struct KeepMalformed {
    /// Only lines of objects in this folder.
    pub from: Location,
    /// The object to write: JSON lines `{"object", "line", "text", "error"}`; not written if there are none.
    pub to: Location,
}

/// What one object of JSON or text gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRead {
    /// The object.
    pub location: Location,
    /// Lines that were records.
    pub records: u64,
    /// Lines that were not; blank lines are neither.
    pub malformed: u64,
}

/// What a statement did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Rows written, by a statement that writes.
    pub rows: u64,
    /// Bytes of the objects read, as stored.
    pub scanned_bytes: u64,
    /// What each object of lines gave; empty where an engine cannot tell.
    pub reads: Vec<ObjectRead>,
}

/// The rows of a query as text; SQL NULL is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
    /// Bytes of the objects read, as stored.
    #[serde(skip)]
    pub scanned_bytes: u64,
}

/// A statement that writes failed for a reason that may pass. The engine did not run it again, because what it had
/// written would be in the way: discard that, and run the statement into a new folder.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Retryable(pub String);

/// Runs statements in Athena's dialect.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Runs a statement for what it does.
    ///
    /// # Errors
    /// One line that names the statement and what the engine said. What it had written may remain. [`Retryable`] where
    /// another try may work.
    async fn execute(&self, statement: &Statement) -> Result<Outcome>;

    /// Runs a query for its rows; meant for small results.
    ///
    /// # Errors
    /// As for `execute`.
    async fn query(&self, statement: &Statement) -> Result<Rows>;
}
