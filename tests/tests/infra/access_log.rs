//! What API Gateway is told to log is what the raw table reads.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::templates::stack;

/// One record: the template's own format with the variables' values put in, as API Gateway does.
pub(crate) fn record(values: &dyn Fn(&str) -> String) -> String {
    let format = format();
    let mut pieces = format.split("$context.");
    let mut record = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap();
        record.push_str(&values(&piece[..end]));
        record.push_str(&piece[end..]);
    }
    record
}

fn format() -> String {
    let api = stack(&[]).part("Api").properties("Api");
    api["AccessLogSetting"]["Format"].as_str().unwrap().to_owned()
}

/// The variables in the format, in their order.
fn variables() -> Vec<String> {
    let names = RefCell::new(Vec::new());
    record(&|name| {
        names.borrow_mut().push(name.to_owned());
        String::new()
    });
    names.into_inner()
}

fn parsed(record: &str) -> Map<String, Value> {
    serde_json::from_str::<Value>(record).unwrap().as_object().unwrap().clone()
}

#[test]
fn a_record_is_one_line_of_json_that_ends_it() {
    let record = record(&|name| format!("value of {name}"));
    assert_eq!(record.find('\n'), Some(record.len() - 1), "{record}");
    let record = parsed(&record);
    assert_eq!(record["user"], "value of authorizer.claims.sub");
    assert_eq!(record["extendedRequestId"], "value of extendedRequestId");
}

#[test]
fn a_record_has_the_columns_of_the_raw_table() {
    let record = parsed(&record(&|_| "x".to_owned()));
    let columns: BTreeSet<String> = record.keys().map(|key| key.to_lowercase()).collect();
    let ddl = include_str!("../../../sql/tables/V001__access_log.sql");
    let raw = ddl.split("CREATE EXTERNAL TABLE").nth(1).unwrap().split("PARTITIONED BY").next().unwrap();
    let defined = raw.lines().filter_map(|line| line.trim().strip_prefix('`')?.split('`').next());
    assert_eq!(columns, defined.map(str::to_owned).collect());
}

#[test]
fn a_value_that_is_missing_leaves_a_record_that_can_be_read() {
    // API Gateway writes `-`, also where a number belongs.
    let record = parsed(&record(&|_| "-".to_owned()));
    assert!(record.values().all(|value| value.as_str() == Some("-")), "{record:?}");
}

#[test]
fn what_a_client_can_choose_is_the_request_id_alone_and_comes_last() {
    // Set by the gateway, by the network or by the user pool. Whatever else is logged must be looked at first: API Gateway
    // escapes nothing. `resourcePath` is the API's own template, not the path of a call.
    let own = [
        "requestTimeEpoch",
        "status",
        "responseLength",
        "identity.sourceIp",
        "authorizer.claims.sub",
        "httpMethod",
        "resourcePath",
        "protocol",
        "extendedRequestId",
    ];
    let variables = variables();
    let (last, before) = variables.split_last().unwrap();
    assert_eq!(last, "requestId");
    let others: Vec<_> = before.iter().filter(|name| !own.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "a client may choose {others:?}");
}

#[test]
fn whatever_the_request_id_is_all_other_values_stand_before_it() {
    let hostile = r#"x", "user": "somebody else", "status": "500"}"#;
    let record = record(&|name| if name == "requestId" { hostile.to_owned() } else { format!("value of {name}") });
    let (before, _) = record.split_once(r#", "requestId":"#).unwrap();
    let before = parsed(&format!("{before}}}"));
    assert_eq!(before.len(), variables().len() - 1);
    assert_eq!(
        (&before["user"], &before["status"]),
        (&"value of authorizer.claims.sub".into(), &"value of status".into())
    );
}
