//! Athena's JSON protocol: every call is a POST to `/`, and a header names the operation.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::post;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::AthenaLocal;
use crate::faults::Cut;
use crate::wire::Refusal;

/// The longest request: a statement of the longest kind, with every byte of it escaped, and some more.
const LONGEST_REQUEST: usize = 4 << 20;

/// Serves the stand-in for as long as the listener lives.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, athena: Arc<AthenaLocal>) -> Result<()> {
    let router = Router::new().route("/", post(call)).layer(DefaultBodyLimit::max(LONGEST_REQUEST)).with_state(athena);
    axum::serve(listener, router).await.context("cannot serve")
}

async fn call(State(athena): State<Arc<AthenaLocal>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("AmazonAthena.").unwrap_or_default();
    let cut = athena.faults.cut_of(operation);
    if cut == Some(Cut::BeforeTheCall) {
        return broken_off();
    }
    let answer = dispatch(&athena, operation, &body);
    if cut == Some(Cut::AfterTheCall) {
        return broken_off();
    }
    if let Err(refusal) = &answer {
        tracing::debug!(operation, code = refusal.code, "refused: {}", refusal.message);
    }
    respond(answer)
}

fn dispatch(athena: &Arc<AthenaLocal>, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
    if athena.faults.is_throttled(operation) {
        return Err(Refusal::new("ThrottlingException", "Rate exceeded"));
    }
    match operation {
        "StartQueryExecution" => athena.start(read(body)?),
        "GetQueryExecution" => athena.get(&read(body)?),
        "BatchGetQueryExecution" => athena.batch_get(&read(body)?),
        "ListQueryExecutions" => athena.list(&read(body)?),
        "StopQueryExecution" => athena.stop(&read(body)?),
        "GetQueryResults" => athena.results(&read(body)?),
        "GetWorkGroup" => athena.get_workgroup(&read(body)?),
        _ => Err(Refusal::new("UnknownOperationException", format!("the stand-in has no operation `{operation}`"))),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new("SerializationException", error.to_string()))
}

/// A response that ends the connection before the client has read a byte.
fn broken_off() -> Response<Body> {
    let error = std::io::Error::other("the connection breaks off, as it was told to");
    Response::new(Body::from_stream(futures::stream::iter([Err::<Bytes, _>(error)])))
}

fn respond(answer: Result<Value, Refusal>) -> Response<Body> {
    let (status, code, body) = match answer {
        Ok(body) => (StatusCode::OK, None, body),
        Err(Refusal { code, message }) => {
            (StatusCode::BAD_REQUEST, Some(code), json!({ "__type": code, "Message": message, "message": message }))
        }
    };
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/x-amz-json-1.1");
    response = response.header("x-amzn-requestid", uuid::Uuid::new_v4().to_string());
    if let Some(code) = code {
        response = response.header("x-amzn-errortype", code);
    }
    // None of the headers can be wrong.
    response.body(Body::from(body.to_string())).unwrap_or_default()
}
