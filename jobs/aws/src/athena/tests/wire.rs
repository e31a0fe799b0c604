//! The SDK's side, against a server that answers as Athena's documentation shows.

use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_athena::config::{Credentials, SharedCredentialsProvider};
use meterlake_core::config::Config;
use meterlake_core::engine::{Engine, Rows, Scan};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::AthenaEngine;
use super::super::api::{Api, AthenaError, Column, Execution, Page, State, Workgroup};
use super::super::errors::ErrorKind;
use super::super::sdk::Sdk;
use super::fake::{execution, statement};

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that gives the answers in turn, and what it was asked.
async fn server(answers: Vec<(u16, Value)>) -> (SdkConfig, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (asked, answers) = (Asked::default(), Arc::new(Mutex::new(answers.into_iter())));
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (noted, answers) = (Arc::clone(&noted), Arc::clone(&answers));
            tokio::spawn(async move {
                let mut stream = stream;
                while let Some(request) = read(&mut stream).await {
                    noted.lock().unwrap().push(request);
                    let (status, body) = answers.lock().unwrap().next().unwrap();
                    let body = body.to_string();
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
            });
        }
    });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        // The SDK's own retries are not what is tried here, and take time.
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test")));
    (config.build(), asked)
}

/// The operation and the body of the next request.
async fn read(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
            };
            if body.len() >= header("content-length").unwrap().parse().unwrap() {
                let operation = header("x-amz-target").unwrap().replace("AmazonAthena.", "");
                return Some((operation, serde_json::from_str(body).unwrap()));
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return None;
        }
    }
}

#[tokio::test]
async fn a_statement_goes_over_the_wire_and_back() {
    let (sdk, asked) = server(vec![
        (
            200,
            json!({"WorkGroup": {"Name": "metering", "State": "ENABLED", "Configuration": {
            "EnforceWorkGroupConfiguration": false, "ResultConfiguration": {}}}}),
        ),
        (200, json!({"QueryExecutionId": "123e4567"})),
        (
            200,
            json!({"QueryExecution": {"StatementType": "DML", "Status": {"State": "SUCCEEDED"},
            "Statistics": {"DataScannedInBytes": 42}}}),
        ),
        (
            200,
            json!({"UpdateCount": 0, "NextToken": "2", "ResultSet": {
            "ResultSetMetadata": {"ColumnInfo": [{"Name": "n", "Label": "n", "Type": "bigint"}]},
            "Rows": [{"Data": [{"VarCharValue": "n"}]}, {"Data": [{"VarCharValue": "1"}]}]}}),
        ),
        (
            200,
            json!({"UpdateCount": 0, "ResultSet": {
            "ResultSetMetadata": {"ColumnInfo": [{"Name": "n", "Label": "n", "Type": "bigint"}]},
            "Rows": [{"Data": [{}]}]}}),
        ),
    ])
    .await;
    let mut config = Config::default();
    config.athena.workgroup = "metering".to_owned();
    config.athena.output = "s3://bucket/results".to_owned();
    let engine = AthenaEngine::open(&config, &sdk).await.unwrap();
    let rows = engine.query(&statement("SELECT n FROM t")).await.unwrap();
    let scan = Scan { bytes: 42, cost_usd: "0.00004768".parse().ok() };
    let wanted = Rows { columns: vec!["n".to_owned()], rows: vec![vec![Some("1".to_owned())], vec![None]], scan };
    assert_eq!(rows, wanted);

    let mut asked = asked.lock().unwrap().clone();
    let token = asked[1].1["ClientRequestToken"].take();
    assert_eq!(token.as_str().unwrap().len(), 64);
    let page = |more: Value| {
        let mut page = json!({"QueryExecutionId": "123e4567", "MaxResults": 1000});
        page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("GetQueryResults".to_owned(), page)
    };
    assert_eq!(
        asked,
        [
            ("GetWorkGroup".to_owned(), json!({"WorkGroup": "metering"})),
            (
                "StartQueryExecution".to_owned(),
                json!({
            "QueryString": "SELECT n FROM t", "ClientRequestToken": null, "WorkGroup": "metering",
            "QueryExecutionContext": {"Database": "metering"},
            "ResultConfiguration": {"OutputLocation": "s3://bucket/results"}})
            ),
            ("GetQueryExecution".to_owned(), json!({"QueryExecutionId": "123e4567"})),
            page(json!({})),
            page(json!({"NextToken": "2"})),
        ]
    );
}

#[tokio::test]
async fn what_athena_tells_of_an_execution_is_read_in_full() {
    let failed = json!({"QueryExecution": {"StatementType": "DDL", "Status": {"State": "FAILED",
        "StateChangeReason": "no", "AthenaError": {"ErrorCategory": 2, "ErrorType": 1100, "Retryable": true,
        "ErrorMessage": "not so"}}, "Statistics": {"DataScannedInBytes": 1, "QueryQueueTimeInMillis": 2,
        "EngineExecutionTimeInMillis": 3}}});
    let states = ["QUEUED", "RUNNING", "CANCELLED", "PAUSED"];
    let plain = states.map(|state| (200, json!({"QueryExecution": {"Status": {"State": state}}})));
    let (sdk, _) = server([vec![(200, failed)], plain.to_vec()].concat()).await;
    let sdk = Sdk::new(&sdk);
    let error =
        AthenaError { category: Some(2), number: Some(1100), is_retryable: true, message: Some("not so".to_owned()) };
    let wanted = Execution {
        state: State::Failed,
        is_dml: false,
        reason: Some("no".to_owned()),
        error: Some(error),
        queued_ms: 2,
        running_ms: 3,
        scanned_bytes: 1,
    };
    assert_eq!(sdk.get("1").await.unwrap(), wanted);
    for state in [State::Queued, State::Running, State::Cancelled, State::Other("PAUSED".to_owned())] {
        assert_eq!(sdk.get("1").await.unwrap(), execution(state));
    }
}

#[tokio::test]
async fn a_workgroup_and_a_count_are_read_in_full() {
    let (sdk, _) = server(vec![
        (
            200,
            json!({"WorkGroup": {"Name": "a", "State": "DISABLED", "Configuration": {
            "EnforceWorkGroupConfiguration": true, "ResultConfiguration": {"OutputLocation": "s3://b/r"},
            "ManagedQueryResultsConfiguration": {"Enabled": true}}}}),
        ),
        (200, json!({"WorkGroup": {"Name": "a"}})),
        (
            200,
            json!({"UpdateCount": 12, "ResultSet": {"Rows": [], "ResultSetMetadata": {
            "ColumnInfo": [{"Name": "rows", "Label": "rows", "Type": "bigint"}]}}}),
        ),
        (200, json!({"NextToken": ""})),
        (200, json!({})),
    ])
    .await;
    let sdk = Sdk::new(&sdk);
    let output = Some("s3://b/r".to_owned());
    let wanted = Workgroup { is_disabled: true, is_enforced: true, output, keeps_results: true };
    assert_eq!(sdk.workgroup("a").await.unwrap(), wanted);
    assert_eq!(sdk.workgroup("a").await.unwrap(), Workgroup::default());
    let columns = vec![Column { name: "rows".to_owned(), label: "rows".to_owned() }];
    let wanted = Page { columns, update_count: Some(12), ..Page::default() };
    assert_eq!(sdk.results("1", None).await.unwrap(), wanted);
    assert_eq!(sdk.results("1", None).await.unwrap(), Page::default());
    sdk.stop("1").await.unwrap();
}

#[tokio::test]
async fn errors_of_the_service_are_told_apart() {
    for (status, code, kind) in [
        (400, "TooManyRequestsException", ErrorKind::Throttled),
        (400, "ThrottlingException", ErrorKind::Throttled),
        (500, "InternalServerException", ErrorKind::Passing),
        (503, "ServiceUnavailable", ErrorKind::Passing),
        (400, "InvalidRequestException", ErrorKind::Final),
        (400, "AccessDeniedException", ErrorKind::Final),
    ] {
        let answer = json!({"__type": code, "Message": "because\nof this", "AthenaErrorCode": "INVALID_INPUT"});
        let (sdk, _) = server(vec![(status, answer)]).await;
        let error = Sdk::new(&sdk).get("1").await.unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
        assert_eq!(error.to_string(), format!("GetQueryExecution: {code}: because of this"));
    }
}

#[tokio::test]
async fn a_lost_connection_may_come_back_but_missing_credentials_stay_missing() {
    let nowhere = || {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        config.region(Region::new("eu-central-1")).endpoint_url("http://127.0.0.1:9")
    };
    let credentials = Credentials::new("id", "secret", None, None, "test");
    let known = nowhere().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
    let error = Sdk::new(&known).get("1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Passing, "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    let error = Sdk::new(&nowhere().build()).get("1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Final, "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}
