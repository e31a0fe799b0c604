//! Requests and errors, as they come and go over the wire.

use serde::{Deserialize, Serialize};

/// `StartQueryExecution`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Start {
    pub(crate) query_string: String,
    pub(crate) client_request_token: Option<String>,
    pub(crate) query_execution_context: Context,
    pub(crate) result_configuration: ResultConfiguration,
    pub(crate) work_group: Option<String>,
    pub(crate) execution_parameters: Vec<String>,
    pub(crate) result_reuse_configuration: ResultReuse,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Context {
    pub(crate) database: Option<String>,
    pub(crate) catalog: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ResultConfiguration {
    pub(crate) output_location: Option<String>,
}

/// A wish to be given the result of an earlier query. It is kept and never granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ResultReuse {
    pub(crate) result_reuse_by_age_configuration: ResultReuseByAge,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ResultReuseByAge {
    pub(crate) enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_age_in_minutes: Option<i32>,
}

/// `GetQueryExecution`, `StopQueryExecution`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct One {
    pub(crate) query_execution_id: String,
}

/// `BatchGetQueryExecution`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Many {
    pub(crate) query_execution_ids: Vec<String>,
}

/// `ListQueryExecutions`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct List {
    pub(crate) max_results: Option<usize>,
    pub(crate) next_token: Option<String>,
    pub(crate) work_group: Option<String>,
}

/// `GetQueryResults`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Results {
    pub(crate) query_execution_id: String,
    #[serde(default)]
    pub(crate) max_results: Option<usize>,
    #[serde(default)]
    pub(crate) next_token: Option<String>,
}

/// `GetWorkGroup`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetWorkGroup {
    pub(crate) work_group: String,
}

/// What a call is answered with that does not work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The call asks for what cannot be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidRequestException", message)
    }
}
