//! Glue in memory, below the SDK: strict about its limits, and as unreliable as a test wants it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_glue::config::http::{HttpRequest, HttpResponse};
use aws_sdk_glue::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_glue::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use serde_json::{Value, json};

use super::GlueCatalog;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// It is refused with this code.
    Refuse(&'static str),
    /// It is done, and its answer is lost.
    Lose,
    /// It is under way when its sender dies, and arrives only when it is delivered.
    Hold,
    /// All but its first item are done; that one fails with this code.
    FailFirst(&'static str),
    /// Only its first item is answered.
    AnswerFirst,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FakeGlue(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) databases: BTreeMap<String, Value>,
    /// By `database.table`, as are the partitions.
    pub(super) tables: BTreeMap<String, Value>,
    pub(super) partitions: BTreeMap<String, Vec<Value>>,
    /// Each call with what it was given.
    pub(super) calls: Vec<(String, Value)>,
    pub(super) faults: VecDeque<(&'static str, Fault)>,
    /// One in this many updates of partitions is held.
    pub(super) hold_one_in: Option<u32>,
    held: Vec<(String, Value)>,
    clock: i64,
}

type Answer = Result<Value, (&'static str, String)>;

impl FakeGlue {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The next call of this operation goes wrong.
    pub(super) fn fault(&self, operation: &'static str, fault: Fault) {
        self.state().faults.push_back((operation, fault));
    }

    /// The inputs of the calls of an operation.
    pub(super) fn calls(&self, operation: &str) -> Vec<Value> {
        let state = self.state();
        state.calls.iter().filter(|(called, _)| called == operation).map(|(_, input)| input.clone()).collect()
    }

    /// Lets the held calls arrive, and keeps them to arrive again.
    pub(super) fn deliver(&self) {
        let mut state = self.state();
        for (operation, input) in state.held.clone() {
            let _ = state.answer(&operation, &input);
        }
    }

    /// A catalog as a process of its own has it.
    pub(super) fn catalog(&self) -> GlueCatalog {
        self.catalog_with(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
    }

    pub(super) fn catalog_with(&self, retry: RetryConfig) -> GlueCatalog {
        let connector = SharedHttpConnector::new(self.clone());
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "")))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(retry)
            .build();
        GlueCatalog::new(&config)
    }
}

impl HttpConnector for FakeGlue {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let glue = self.clone();
        HttpConnectorFuture::new(async move {
            // So that calls made at once come in another order each time.
            for _ in 0..rand::random_range(0..8) {
                tokio::task::yield_now().await;
            }
            let target = request.headers().get("x-amz-target").unwrap();
            let operation = target.rsplit('.').next().unwrap().to_owned();
            let input: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            glue.state().respond(&operation, &input)
        })
    }
}

impl State {
    fn respond(&mut self, operation: &str, input: &Value) -> Result<HttpResponse, ConnectorError> {
        self.calls.push((operation.to_owned(), input.clone()));
        let lost = || ConnectorError::io("the connection is gone".into());
        let at = self.faults.iter().position(|(of, _)| *of == operation);
        let mut fault = at.and_then(|at| self.faults.remove(at)).map(|(_, fault)| fault);
        if operation == "BatchUpdatePartition" && self.hold_one_in.is_some_and(|of| rand::random_range(0..of) == 0) {
            fault = Some(Fault::Hold);
        }
        let answer = match fault {
            Some(Fault::Refuse(code)) => Err((code, "as the test wants it".to_owned())),
            Some(Fault::Lose) => {
                let _ = self.answer(operation, input);
                return Err(lost());
            }
            Some(Fault::Hold) => {
                self.held.push((operation.to_owned(), input.clone()));
                return Err(lost());
            }
            Some(Fault::FailFirst(code)) => self.all_but_first(operation, input, code),
            Some(Fault::AnswerFirst) => self.answer(operation, input).map(|mut answer| {
                let values = |found: &Value| json!({"Values": found["Values"]});
                let rest = answer["Partitions"].as_array_mut().unwrap().split_off(1);
                answer["UnprocessedKeys"] = rest.iter().map(values).collect();
                answer
            }),
            None => self.answer(operation, input),
        };
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err((code, message)) => (400, json!({"__type": code, "Message": message})),
        };
        Ok(HttpResponse::new(status.try_into().unwrap(), body.to_string().into()))
    }

    fn all_but_first(&mut self, operation: &str, input: &Value, code: &str) -> Answer {
        let (list, values) = match operation {
            "BatchCreatePartition" => ("PartitionInputList", "Values"),
            "BatchDeletePartition" => ("PartitionsToDelete", "Values"),
            _ => ("Entries", "PartitionValueList"),
        };
        let mut input = input.clone();
        let first = input[list].as_array_mut().unwrap().remove(0);
        let mut answer = self.answer(operation, &input)?;
        answer["Errors"].as_array_mut().unwrap().push(failure(operation, first[values].clone(), code));
        Ok(answer)
    }

    fn answer(&mut self, operation: &str, input: &Value) -> Answer {
        self.clock += 1;
        let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (database, table) = (name(&input["DatabaseName"]), name(&input["TableName"]));
        match operation {
            "CreateDatabase" => match self.databases.entry(name(&input["DatabaseInput"]["Name"])) {
                std::collections::btree_map::Entry::Occupied(_) => exists("database"),
                entry => {
                    entry.or_insert_with(|| input["DatabaseInput"].clone());
                    Ok(json!({}))
                }
            },
            "GetDatabase" => Ok(json!({"Database": found(self.databases.get(&name(&input["Name"])))?})),
            "UpdateDatabase" => {
                *found(self.databases.get_mut(&name(&input["Name"])))? = input["DatabaseInput"].clone();
                Ok(json!({}))
            }
            "CreateTable" => {
                found(self.databases.get(&database))?;
                let key = format!("{database}.{}", name(&input["TableInput"]["Name"]));
                if self.tables.contains_key(&key) {
                    return exists("table");
                }
                self.tables.insert(key, versioned(&input["TableInput"], 1));
                Ok(json!({}))
            }
            "GetTable" => {
                Ok(json!({"Table": found(self.tables.get(&format!("{database}.{}", name(&input["Name"]))))?}))
            }
            "GetTables" => {
                found(self.databases.get(&database))?;
                let of_database = self.tables.iter().filter(|(key, _)| key.starts_with(&format!("{database}.")));
                Ok(page("TableList", of_database.map(|(_, table)| table.clone()).collect(), 2, input))
            }
            "UpdateTable" => {
                let key = format!("{database}.{}", name(&input["TableInput"]["Name"]));
                let table = found(self.tables.get_mut(&key))?;
                if input["VersionId"] != table["VersionId"] {
                    return Err(("ConcurrentModificationException", "another version".to_owned()));
                }
                let version: u32 = name(&table["VersionId"]).parse().unwrap();
                *table = versioned(&input["TableInput"], version + 1);
                Ok(json!({}))
            }
            "DeleteTable" => {
                let key = format!("{database}.{}", name(&input["Name"]));
                self.partitions.remove(&key);
                found(self.tables.remove(&key).as_ref()).map(|_| json!({}))
            }
            _ => self.answer_of_partitions(operation, input, &format!("{database}.{table}")),
        }
    }

    fn answer_of_partitions(&mut self, operation: &str, input: &Value, table: &str) -> Answer {
        let keys = found(self.tables.get(table))?["PartitionKeys"].as_array().cloned().unwrap_or_default();
        let clock = self.clock;
        let there = self.partitions.entry(table.to_owned()).or_default();
        let items = |list: &str, most: usize| match input[list].as_array() {
            Some(items) if items.len() <= most => Ok(items.clone()),
            _ => Err(("ValidationException", format!("{list} has more than {most} items"))),
        };
        let at = |there: &[Value], values: &Value| there.iter().position(|found| found["Values"] == *values);
        let created = |mut partition: Value| {
            partition["CreationTime"] = json!(clock);
            partition
        };
        let mut errors = Vec::new();
        match operation {
            "GetPartitions" => {
                let mut passing = Vec::new();
                for partition in there.iter() {
                    if passes(partition, &keys, input["Expression"].as_str().unwrap_or_default())? {
                        passing.push(partition.clone());
                    }
                }
                let size = input["MaxResults"].as_u64().unwrap_or(1000).min(100);
                return Ok(page("Partitions", passing, usize::try_from(size).unwrap(), input));
            }
            "GetPartition" => {
                let values = &input["PartitionValues"];
                return Ok(json!({"Partition": found(at(there, values).map(|at| &there[at]))?}));
            }
            "BatchGetPartition" => {
                let asked = items("PartitionsToGet", 1_000)?;
                let got: Vec<_> = asked.iter().filter_map(|key| Some(&there[at(there, &key["Values"])?])).collect();
                return Ok(json!({"Partitions": got}));
            }
            "BatchCreatePartition" => {
                for partition in items("PartitionInputList", 100)? {
                    match at(there, &partition["Values"]) {
                        Some(_) => {
                            let values = partition["Values"].clone();
                            errors.push(failure(operation, values, "AlreadyExistsException"));
                        }
                        None => there.push(created(partition)),
                    }
                }
            }
            "BatchUpdatePartition" => {
                for entry in items("Entries", 100)? {
                    let values = &entry["PartitionValueList"];
                    match at(there, values) {
                        Some(at) => there[at] = created(entry["PartitionInput"].clone()),
                        None => errors.push(failure(operation, values.clone(), "EntityNotFoundException")),
                    }
                }
            }
            "BatchDeletePartition" => {
                for key in items("PartitionsToDelete", 25)? {
                    match at(there, &key["Values"]) {
                        Some(at) => drop(there.remove(at)),
                        None => errors.push(failure(operation, key["Values"].clone(), "EntityNotFoundException")),
                    }
                }
            }
            "DeletePartition" => {
                let at = at(there, &input["PartitionValues"]);
                drop(there.remove(*found(at.as_ref())?));
            }
            _ => return Err(("InvalidAction", format!("unknown: {operation}"))),
        }
        Ok(json!({"Errors": errors}))
    }
}

fn found<T>(what: Option<T>) -> Result<T, (&'static str, String)> {
    what.ok_or_else(|| ("EntityNotFoundException", "there is none".to_owned()))
}

fn exists(what: &str) -> Answer {
    Err(("AlreadyExistsException", format!("the {what} exists")))
}

fn failure(operation: &str, values: Value, code: &str) -> Value {
    let key = if operation == "BatchUpdatePartition" { "PartitionValueList" } else { "PartitionValues" };
    json!({key: values, "ErrorDetail": {"ErrorCode": code, "ErrorMessage": "an item failed"}})
}

fn versioned(table: &Value, version: u32) -> Value {
    let mut table = table.clone();
    table["VersionId"] = json!(version.to_string());
    table
}

fn page(list: &str, all: Vec<Value>, size: usize, input: &Value) -> Value {
    let from: usize = input["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let next = (from + size < all.len()).then(|| (from + size).to_string());
    let items: Vec<_> = all.into_iter().skip(from).take(size).collect();
    json!({list: items, "NextToken": next})
}

/// Compares as Glue does, and refuses what is no number.
fn passes(partition: &Value, keys: &[Value], expression: &str) -> Result<bool, (&'static str, String)> {
    let invalid = |what: &str| ("InvalidInputException", format!("{what} cannot be read"));
    for term in expression.split(" AND ").filter(|term| !term.is_empty()) {
        let [key, operator, number] = term.split(' ').collect::<Vec<_>>()[..] else { return Err(invalid(term)) };
        let at = keys.iter().position(|known| known["Name"] == key).ok_or_else(|| invalid(key))?;
        let number: i64 = number.parse().map_err(|_| invalid(number))?;
        let value = partition["Values"][at].as_str().unwrap();
        let value: i64 = value.parse().map_err(|_| ("InvalidStateException", format!("{value} is no integer")))?;
        let passes = match operator {
            "=" => value == number,
            ">=" => value >= number,
            _ => value <= number,
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}
