//! Firehose delivers at least once: a copy is counted once, and only a copy is left out.

use meterlake_core::period::Period;
use meterlake_tests::calls::{call, calls, gzip, legacy_call, lines, with};
use meterlake_tests::lake::{TestLake, counts, hour, one, range};
use serde_json::{Value, json};

const HOUR: &str = "2023-01-31T06";

/// Rows, duplicates and malformed lines of one object's merged hour.
async fn merged(object: impl AsRef<[u8]>) -> (u64, u64, u64) {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "object", object);
    let report = lake.merge_hour(hour(HOUR)).await;
    assert_eq!(lake.calls().await, counts(&report).0);
    counts(&report)
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_within_an_object_and_across_objects_count_once() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a", calls(&["1", "2", "1"]));
    lake.put(hour(HOUR), "b", calls(&["2", "3"]));
    lake.put(hour(HOUR), "c.gz", gzip(calls(&["3", "1"])));
    assert_eq!(counts(&lake.merge_hour(hour(HOUR)).await), (3, 4, 0));
    assert_eq!(lake.calls().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_across_the_hours_edge_counts_in_the_earlier_hour_in_whatever_order_they_are_merged() {
    let (first, second) = (hour(HOUR), hour(HOUR).next());
    for order in [[first, second], [second, first]] {
        let lake = TestLake::new().await;
        lake.put(first, "a", calls(&["1", "2"]));
        lake.put(second, "a", calls(&["2", "3"]));
        for hour in order {
            lake.merge_hour(hour).await;
        }
        assert_eq!((lake.calls_in(first).await, lake.calls_in(second).await), (2, 1), "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hours_edge_may_be_that_of_a_year() {
    let (first, second) = (hour("2022-12-31T23"), hour("2023-01-01T00"));
    let lake = TestLake::new().await;
    lake.put(first, "a", calls(&["1"]));
    lake.put(second, "a", calls(&["1", "2"]));
    lake.merge(&range(first, second)).await;
    assert_eq!((lake.calls_in(first).await, lake.calls_in(second).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_copies_over_three_hours_counts_once() {
    let hours = [hour(HOUR), hour(HOUR).next(), hour(HOUR).offset(2)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let lake = TestLake::new().await;
        for hour in hours {
            lake.put(hour, "a", calls(&["chain"]));
        }
        for at in order {
            lake.merge_hour(hours[at]).await;
        }
        assert_eq!((lake.calls_in(hours[0]).await, lake.calls().await), (1, 1), "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_that_a_client_set_makes_no_copy() {
    // Both have the same requestId, which a client may set, and are alike in all else but what the gateway sets.
    assert_eq!(merged(calls(&["1", "2"])).await, (2, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_extended_id_on_records_that_differ_makes_no_copy() {
    // As a transform writes it that knows no id: wallarm/api-firewall#80.
    let records = (0..50).map(|at| with(call("undefined"), "user", &format!("cust-{at}")));
    assert_eq!(merged(lines(&records.collect::<Vec<_>>())).await, (50, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_an_equal_line_and_only_that() {
    let legacy = legacy_call("1");
    let mut quoted = call("-");
    quoted["requestId"] = json!("1");
    let mut empty = quoted.clone();
    empty["extendedRequestId"] = json!("");
    let mut with_null = legacy.clone();
    with_null["extendedRequestId"] = Value::Null;
    let mut with_more = legacy.clone();
    with_more["stage"] = json!("prod");
    // The columns of all are equal.
    assert_eq!(merged(lines([&legacy, &legacy, &quoted, &empty, &with_null, &with_more])).await, (5, 1, 0));
    // Blanks around a line and the form of its end are no part of it.
    let text = legacy.to_string();
    assert_eq!(merged(format!("{text}\n  {text}\t\r\n\u{feff}{text},\r\n{text}")).await, (1, 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_an_extended_id_are_two_where_one_column_differs() {
    let keys = [
        "requestId",
        "ip",
        "user",
        "requestTime",
        "httpMethod",
        "resourcePath",
        "status",
        "protocol",
        "responseLength",
    ];
    let mut records = vec![legacy_call("1")];
    records.extend(keys.iter().map(|key| with(legacy_call("1"), key, "77")));
    // A column that is missing differs from one that says `null`.
    let mut without = legacy_call("1");
    without.as_object_mut().unwrap().remove("user");
    records.push(without);
    records.push(with(legacy_call("1"), "user", "null"));
    // What stands in one column is not what stands in the next.
    records.push(with(with(legacy_call("1"), "ip", "a\",\"b"), "user", "c"));
    records.push(with(with(legacy_call("1"), "ip", "a"), "user", "b\",\"c"));
    assert_eq!(merged(lines(&records)).await, (records.len() as u64, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_record_across_the_hours_edge_counts_once() {
    let lake = TestLake::new().await;
    let (first, second) = (hour(HOUR), hour(HOUR).next());
    lake.put(first, "a", lines([&legacy_call("1")]));
    lake.put(second, "a", lines([&legacy_call("1"), &with(legacy_call("1"), "status", "500")]));
    let reports = lake.merge(&range(first, second)).await;
    assert_eq!((counts(&reports[0]), counts(&reports[1])), ((1, 0, 0), (1, 1, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_comes_twice_as_a_whole_changes_nothing() {
    let lake = TestLake::new().await;
    let text = calls(&["1", "2", "3"]);
    lake.put(hour(HOUR), "a", &text);
    lake.merge_hour(hour(HOUR)).await;
    let before = lake.merged().await;
    lake.put(hour(HOUR), "a-again.gz", gzip(&text));
    let report = lake.merge(&one(hour(HOUR))).await.remove(0);
    assert_eq!((counts(&report), lake.merged().await), ((3, 3, 0), before));
}
