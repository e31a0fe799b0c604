//! What API Gateway is told to log is what the raw table reads.

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
