//! A stand-in for Amazon Athena: its JSON protocol over HTTP. Statements run on the embedded engine, or on a Trino, over
//! an S3 and a Glue that somebody else provides.

mod columns;
mod execution;
mod failure;
mod faults;
mod kind;
mod operations;
mod parameters;
mod results;
mod run;
mod server;
mod show;
mod tokens;
mod trino;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use aws_config::SdkConfig;
use meterlake_aws::{GlueCatalog, S3Store};
use meterlake_core::config::Config;
use meterlake_core::location::Location;
use meterlake_embedded::EmbeddedEngine;
use tokio::task::AbortHandle;

pub use self::execution::State;
pub use self::faults::{Cut, Fault, Faults};
pub use self::server::serve;
pub use self::trino::{Answer, Query, QueryFailed, Trino};

use self::execution::Execution;
use self::run::Machine;
use self::wire::Start;

/// The one workgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkGroup {
    /// Its name.
    pub name: String,
    /// `DISABLED` if false: no query starts.
    pub is_enabled: bool,
    /// Where results go, unless a query says.
    pub output: Option<Location>,
    /// Results go where the workgroup says, whatever a query says, and a CTAS may not say where its table lies.
    pub is_enforced: bool,
    /// A query that scans more bytes is cancelled, once it has scanned them.
    pub scan_cutoff: Option<u64>,
}

impl Default for WorkGroup {
    fn default() -> Self {
        Self { name: "primary".to_owned(), is_enabled: true, output: None, is_enforced: false, scan_cutoff: None }
    }
}

/// An execution, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// Its statement.
    pub sql: String,
    /// How far it is.
    pub state: State,
    /// How often `GetQueryExecution` asked for it.
    pub asked: u64,
}

/// The stand-in: a workgroup, and the executions of its queries.
pub struct AthenaLocal {
    workgroup: WorkGroup,
    faults: Faults,
    machine: Machine,
    executions: Mutex<Executions>,
}

/// All executions so far.
#[derive(Default)]
struct Executions {
    by_id: HashMap<String, Execution>,
    /// Their ids, in the order of their starts.
    ids: Vec<String>,
    /// What was asked for with a token, and the id of the execution that it became.
    tokens: HashMap<String, (Start, String)>,
    running: HashMap<String, AbortHandle>,
}

impl AthenaLocal {
    /// A stand-in that reads and writes the S3 of one configuration and the Glue of another.
    ///
    /// # Errors
    /// The engine does not start.
    pub fn new(s3: &SdkConfig, glue: &SdkConfig, workgroup: WorkGroup) -> Result<Self> {
        let store = Arc::new(S3Store::new(s3));
        let catalog = Arc::new(GlueCatalog::new(glue));
        let engine = EmbeddedEngine::on_aws(&Config::default(), store.clone(), catalog.clone(), s3)?;
        let machine = Machine { engine, trino: None, store, catalog };
        Ok(Self { workgroup, faults: Faults::default(), machine, executions: Mutex::default() })
    }

    /// The same, which hands queries and what they write to a Trino. Its catalog `awsdatacatalog` is the same Glue.
    #[must_use]
    pub fn with_trino(mut self, trino: Trino) -> Self {
        self.machine.trino = Some(trino);
        self
    }

    /// What it is told to do wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// All executions so far, the first first.
    #[must_use]
    pub fn executions(&self) -> Vec<Summary> {
        let executions = lock(&self.executions);
        let summary = |execution: &Execution| Summary {
            id: execution.id.clone(),
            sql: execution.request.query_string.clone(),
            state: execution.state,
            asked: execution.asked,
        };
        executions.ids.iter().filter_map(|id| executions.by_id.get(id)).map(summary).collect()
    }
}

/// A lock. Nothing here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
