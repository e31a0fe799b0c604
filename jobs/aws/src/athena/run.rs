//! Running a statement: started once, watched to its end, and tried again only where that is safe and Athena advises it.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use meterlake_core::engine::{Scan, Statement, StatementFailed};

use super::api::{Api, AthenaError, Execution, Start, State};
use super::errors::{Maybe, one_line};
use super::kind::Kind;
use super::patience::{Pauses, patiently};
use super::price::Price;
use super::stop::Watched;
use super::token::Tokens;

/// Athena takes no longer statement, in bytes.
const LONGEST_STATEMENT: usize = 262_144;
/// How often a statement is run. Each run is paid for.
const ATTEMPTS: u32 = 3;

/// Runs statements in a workgroup.
pub(super) struct Runner {
    pub(super) api: Arc<dyn Api>,
    pub(super) workgroup: String,
    /// Where results go; `None`: where the workgroup says.
    pub(super) output: Option<String>,
    pub(super) price: Price,
    pub(super) stop_on_exit: bool,
}

/// An execution that succeeded.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Athena counts it among those whose result begins with a heading.
    pub(super) is_dml: bool,
    /// What it took.
    pub(super) scan: Scan,
}

impl Runner {
    /// Runs a statement to its end.
    pub(super) async fn run(&self, statement: &Statement) -> Result<Finished> {
        if statement.sql.len() > LONGEST_STATEMENT {
            bail!(
                "{} is too long for Athena: it has {} bytes, at most {LONGEST_STATEMENT} are allowed",
                statement.label,
                statement.sql.len()
            );
        }
        let kind = Kind::of(&statement.sql);
        let tokens = Tokens::of(statement);
        let mut pauses = Pauses::of_retries();
        let mut attempt = 1;
        loop {
            let id = self.start(statement, kind, &tokens.token(attempt)).await?;
            let execution = self.watch(statement, &id).await?;
            self.log(statement, kind, &id, &execution);
            match execution.state {
                State::Succeeded => {
                    let cost_usd = Some(self.price.cost(kind, &execution));
                    let scan = Scan { bytes: execution.scanned_bytes, cost_usd };
                    return Ok(Finished { id, kind, is_dml: execution.is_dml, scan });
                }
                State::Failed => {}
                _ => return Err(self.cancelled(statement, &id, &execution)),
            }
            let failed = failed(statement, &id, &execution);
            if !execution.error.as_ref().is_some_and(|error| error.is_retryable) {
                return Err(over(failed, false));
            }
            if !kind.is_repeatable() {
                return Err(over(format!("{failed}; Athena says that it may work if it is run again"), true));
            }
            if attempt == ATTEMPTS {
                return Err(over(format!("{failed}; it was tried {ATTEMPTS} times"), false));
            }
            tracing::warn!(attempt, "{failed}; Athena says to try again");
            attempt += 1;
            pauses.pause().await;
        }
    }

    async fn start(&self, statement: &Statement, kind: Kind, token: &str) -> Result<String> {
        let request = Start {
            sql: &statement.sql,
            token,
            // Hive looks the database up before it runs anything, also the statement that would create it.
            database: (kind != Kind::CreateDatabase).then(|| statement.database.as_str()),
            workgroup: &self.workgroup,
            output: self.output.as_deref(),
        };
        let id = patiently(|| self.api.start(&request)).await;
        let id = id.map_err(|error| anyhow!("{} cannot be started on Athena: {error}", statement.label))?;
        tracing::debug!(label = statement.label, execution_id = id, token, "started a statement on Athena");
        Ok(id)
    }

    /// Looks at an execution until it is over.
    async fn watch(&self, statement: &Statement, id: &str) -> Result<Execution> {
        let label = &statement.label;
        let watched = Watched::new(&self.api, id, self.stop_on_exit);
        let mut pauses = Pauses::of_polling();
        loop {
            pauses.pause().await;
            let execution = patiently(|| self.api.get(id)).await.map_err(|error| {
                anyhow!(
                    "{label} was started on Athena (execution {id}) and may still run, but was lost sight of: {error}"
                )
            })?;
            match &execution.state {
                State::Queued | State::Running => {}
                State::Succeeded | State::Failed | State::Cancelled => {
                    watched.ended();
                    return Ok(execution);
                }
                State::Other(name) => bail!(
                    "{label} is in the state `{name}` on Athena (execution {id}), which this program does not know: use a \
                     newer one"
                ),
            }
        }
    }

    fn log(&self, statement: &Statement, kind: Kind, id: &str, execution: &Execution) {
        tracing::info!(
            label = statement.label,
            execution_id = id,
            state = execution.state.as_str(),
            queued_ms = execution.queued_ms,
            running_ms = execution.running_ms,
            scanned_bytes = execution.scanned_bytes,
            estimated_cost_usd = %self.price.cost(kind, execution),
            "a statement on Athena is over"
        );
    }

    fn cancelled(&self, statement: &Statement, id: &str, execution: &Execution) -> anyhow::Error {
        let reason = execution.reason.as_deref().map(one_line).filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or_else(|| {
            "Athena does not say why; somebody stopped it, or it scanned more than the workgroup allows".to_owned()
        });
        let message = format!(
            "{} was cancelled in the Athena workgroup `{}` (execution {id}, {} bytes scanned): {reason}",
            statement.label, self.workgroup, execution.scanned_bytes
        );
        over(message, false)
    }
}

/// The error of a statement that is over.
fn over(message: String, is_retryable: bool) -> anyhow::Error {
    anyhow!(StatementFailed { message, is_retryable })
}

/// What is to say of an execution that failed.
fn failed(statement: &Statement, id: &str, execution: &Execution) -> String {
    let unknown = AthenaError::default();
    let error = execution.error.as_ref().unwrap_or(&unknown);
    let reason = execution.reason.as_ref().or(error.message.as_ref());
    let reason = reason.map_or_else(|| "Athena does not say why".to_owned(), |reason| one_line(reason));
    let category = error.category.map(|category| match category {
        1 => "system error".to_owned(),
        2 => "user error".to_owned(),
        3 => "other error".to_owned(),
        number => format!("error of category {number}"),
    });
    format!(
        "{} failed on Athena (execution {id}, {} bytes scanned{}{}): {reason}",
        statement.label,
        execution.scanned_bytes,
        Maybe(", ", category),
        Maybe(", type ", error.number),
    )
}
