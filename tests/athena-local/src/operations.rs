//! What each operation does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::execution::{Execution, Gave, State};
use crate::failure::Failure;
use crate::faults::Fault;
use crate::kind::{Kind, target};
use crate::parameters::only_statement;
use crate::wire::{GetWorkGroup, List, Many, One, Refusal, Results, Start};
use crate::{AthenaLocal, lock, results};

/// Athena takes no longer statement, in bytes.
const LONGEST_STATEMENT: usize = 262_144;
/// The most executions that one call names.
const PAGE: usize = 50;

type Answer = Result<Value, Refusal>;

impl AthenaLocal {
    pub(crate) fn start(self: &Arc<Self>, mut request: Start) -> Answer {
        let name = request.work_group.get_or_insert_with(|| self.workgroup.name.clone()).clone();
        self.require_workgroup(&name)?;
        if !self.workgroup.is_enabled {
            return Err(Refusal::invalid(format!("WorkGroup {name} is disabled.")));
        }
        let length = request.query_string.len();
        if !(1..=LONGEST_STATEMENT).contains(&length) {
            return Err(Refusal::invalid(format!(
                "1 validation error detected: Value at 'queryString' failed to satisfy constraint: Member must have \
                 length between 1 and {LONGEST_STATEMENT}, it has {length}"
            )));
        }
        if only_statement(&request.query_string).is_none() {
            let sql = &request.query_string;
            return Err(Refusal::invalid(format!("Only one sql statement is allowed. Got: {sql}")));
        }
        let token = request.client_request_token.take();
        if let Some(token) = &token
            && !(32..=128).contains(&token.chars().count())
        {
            return Err(Refusal::invalid(
                "1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must \
                 have length between 32 and 128",
            ));
        }
        let workgroup_output = self.workgroup.output.as_ref().map(ToString::to_string);
        let output = &mut request.result_configuration.output_location;
        if output.is_none() || self.workgroup.is_enforced && workgroup_output.is_some() {
            *output = workgroup_output;
        }
        if !output.as_ref().is_some_and(|output| output.starts_with("s3://")) {
            return Err(Refusal::invalid(
                "No output location provided. An output location is required either through the Workgroup result \
                 configuration setting or as an API input.",
            ));
        }

        let kind = Kind::of(&request.query_string);
        let mut executions = lock(&self.executions);
        if let Some(token) = &token
            && let Some((before, id)) = executions.tokens.get(token)
        {
            if *before == request {
                return Ok(json!({ "QueryExecutionId": id }));
            }
            return Err(Refusal::invalid("Idempotent parameters do not match"));
        }
        let id = Uuid::new_v4().to_string();
        if let Some(token) = token {
            executions.tokens.insert(token, (request.clone(), id.clone()));
        }
        executions.by_id.insert(id.clone(), Execution::new(id.clone(), kind, request));
        executions.ids.push(id.clone());
        // Its first look at the execution waits for the lock, which is held until all of this is done.
        let task = tokio::spawn(Arc::clone(self).run(id.clone(), self.faults.of_query()));
        executions.running.insert(id.clone(), task.abort_handle());
        Ok(json!({ "QueryExecutionId": id }))
    }

    /// Takes an execution through its states.
    async fn run(self: Arc<Self>, id: String, (queue_for, fault): (Duration, Option<Fault>)) {
        sleep(queue_for).await;
        let started = self.change(&id, Execution::start);
        let Some(execution) = started.filter(|execution| execution.state == State::Running) else { return };
        let end = match fault {
            Some(Fault::IsCancelled) => None,
            Some(Fault::FailsBefore { retryable }) => Some(Err(Failure::asked_for(retryable))),
            Some(Fault::FailsAfter { retryable }) => {
                Some(self.work(&execution).await.and(Err(Failure::asked_for(retryable))))
            }
            None => Some(self.work(&execution).await),
        };
        self.change(&id, |execution| match end {
            None => execution.end(State::Cancelled, Some("Query cancelled by user".to_owned())),
            Some(Ok(gave)) if self.workgroup.scan_cutoff.is_some_and(|most| gave.scanned_bytes > most) => {
                execution.cut_off(gave.scanned_bytes);
            }
            Some(Ok(gave)) => execution.succeed(gave),
            Some(Err(failure)) => execution.fail(failure),
        });
        lock(&self.executions).running.remove(&id);
    }

    async fn work(&self, execution: &Execution) -> Result<Gave, Failure> {
        let is_placed = target(execution.kind, &execution.request.query_string).is_some();
        if self.workgroup.is_enforced && execution.kind == Kind::CreateTableAs && is_placed {
            let message = "The Create Table As Select query failed because it was submitted with an \
                           'external_location' property to an Athena Workgroup that enforces a centralized output \
                           location for all queries. Please remove the 'external_location' property and resubmit the \
                           query.";
            return Err(Failure::user(message));
        }
        self.machine.run(execution).await
    }

    /// Changes an execution; gives it as it then is.
    fn change(&self, id: &str, change: impl FnOnce(&mut Execution)) -> Option<Execution> {
        let mut executions = lock(&self.executions);
        let execution = executions.by_id.get_mut(id)?;
        change(execution);
        Some(execution.clone())
    }

    pub(crate) fn get(&self, request: &One) -> Answer {
        let execution = self.execution(&request.query_execution_id)?;
        self.change(&execution.id, |execution| execution.asked += 1);
        Ok(json!({ "QueryExecution": execution.to_json() }))
    }

    pub(crate) fn batch_get(&self, request: &Many) -> Answer {
        let count = request.query_execution_ids.len();
        if !(1..=PAGE).contains(&count) {
            return Err(Refusal::invalid(format!("{count} ids are named: at least 1 and at most {PAGE} can be")));
        }
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for id in &request.query_execution_ids {
            let execution = match self.faults.is_unprocessed() {
                true => Err(Refusal::new("INTERNAL_FAILURE", "It was not looked up, as it was told to")),
                false => self.execution(id),
            };
            match execution {
                Ok(execution) => found.push(execution.to_json()),
                Err(refusal) => missing.push(json!({
                    "QueryExecutionId": id, "ErrorCode": refusal.code, "ErrorMessage": refusal.message,
                })),
            }
        }
        Ok(json!({ "QueryExecutions": found, "UnprocessedQueryExecutionIds": missing }))
    }

    /// The last first.
    pub(crate) fn list(&self, request: &List) -> Answer {
        self.require_workgroup(request.work_group.as_deref().unwrap_or(&self.workgroup.name))?;
        let size = request.max_results.unwrap_or(PAGE);
        if size > PAGE {
            return Err(Refusal::invalid(format!("MaxResults is {size}: at most {PAGE} ids come in a page")));
        }
        let executions = lock(&self.executions);
        // The token counts executions from the first one: those that start meanwhile do not shift the pages.
        let before = match &request.next_token {
            None => executions.ids.len(),
            Some(token) => token.parse::<usize>().map_err(|_| Refusal::invalid("Invalid NextToken"))?,
        };
        let before = executions.ids.len().min(before);
        let from = before.saturating_sub(size.max(1));
        let mut answer = json!({ "QueryExecutionIds": executions.ids[from..before].iter().rev().collect::<Vec<_>>() });
        if from > 0 {
            answer["NextToken"] = json!(from.to_string());
        }
        Ok(answer)
    }

    /// Stops an execution. One that is over stays as it is, and Athena does not complain.
    pub(crate) fn stop(&self, request: &One) -> Answer {
        let id = &request.query_execution_id;
        self.execution(id)?;
        self.change(id, |execution| execution.end(State::Cancelled, Some("Query cancelled by user".to_owned())));
        if let Some(task) = lock(&self.executions).running.remove(id) {
            task.abort();
        }
        Ok(json!({}))
    }

    pub(crate) fn results(&self, request: &Results) -> Answer {
        results::page(&self.execution(&request.query_execution_id)?, request)
    }

    pub(crate) fn get_workgroup(&self, request: &GetWorkGroup) -> Answer {
        self.require_workgroup(&request.work_group)?;
        let workgroup = &self.workgroup;
        let results = match &workgroup.output {
            Some(output) => json!({ "OutputLocation": output.to_string() }),
            None => json!({}),
        };
        let mut configuration = json!({
            "ResultConfiguration": results,
            "EnforceWorkGroupConfiguration": workgroup.is_enforced,
            "PublishCloudWatchMetricsEnabled": false,
            "RequesterPaysEnabled": false,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        });
        if let Some(bytes) = workgroup.scan_cutoff {
            configuration["BytesScannedCutoffPerQuery"] = json!(bytes);
        }
        Ok(json!({ "WorkGroup": {
            "Name": workgroup.name,
            "State": if workgroup.is_enabled { "ENABLED" } else { "DISABLED" },
            "Configuration": configuration,
        } }))
    }

    fn require_workgroup(&self, name: &str) -> Result<(), Refusal> {
        if name == self.workgroup.name { Ok(()) } else { Err(Refusal::invalid("WorkGroup is not found.")) }
    }

    fn execution(&self, id: &str) -> Result<Execution, Refusal> {
        let found = lock(&self.executions).by_id.get(id).cloned();
        found.ok_or_else(|| Refusal::invalid(format!("QueryExecution {id} was not found")))
    }
}
