//! A job as a Lambda: events in, reports out.

use std::time::Duration;

use chrono::Utc;
use meterlake_core::period::{Hour, Period};
use meterlake_loadgen::{Options, write_files};
use meterlake_tests::lake::{TestLake, counts, hour};
use meterlake_tests::runtime_api::Function;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

/// A lake with a day of traffic, and `merge` on it as a Lambda.
async fn merge_as_a_lambda() -> (TestLake, Function) {
    let lake = TestLake::new().await;
    let traffic = Options {
        from: hour("2023-01-31T00"),
        to: hour("2023-01-31T23"),
        calls_per_hour: 20,
        objects_per_hour: 1,
        ..Options::default()
    };
    write_files(&*lake.lake.store, &lake.lake.layout, &traffic).await.unwrap();
    let root = lake.folder().display().to_string();
    let function = Function::start("merge", lake.beside.path(), &[("METERLAKE_LAKE", &root)]);
    (lake, function)
}

fn logged(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_period_comes_from_the_event_and_the_answer_is_the_reports() {
    let (lake, function) = merge_as_a_lambda().await;
    let rule = json!({"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "1", "time": "2023-01-31T01:10:00Z", "region": "us-east-1", "resources": [], "detail": {}});
    let scheduler = json!({"scheduled_time": "2023-01-31T02:10:00Z", "lookback": 0});
    let by_hand = json!({"hour": "2023-01-31T03", "lookback": 0});
    for (event, period) in [(rule, "2023-01-31T00"), (scheduler, "2023-01-31T01"), (by_hand, "2023-01-31T03")] {
        let reports = function.invoke(event.clone(), MINUTE).unwrap();
        assert_eq!(reports.as_array().unwrap().len(), 1);
        assert_eq!((&reports[0]["period"], &reports[0]["status"]), (&json!(period), &json!("published")));
        // The same event again, as EventBridge may send it.
        let again = function.invoke(event, MINUTE).unwrap();
        assert_eq!(again[0]["generation"], reports[0]["generation"]);
        assert_eq!(again[0]["status"], "unchanged");
    }
    let dry = function.invoke(json!({"hour": "2023-01-31T10", "dry_run": true}), MINUTE).unwrap();
    assert!(dry[0]["plan"].as_str().unwrap().contains("for the first time"), "{dry}");
    assert_eq!(lake.published().await.len(), 3);

    let ran = function.stop();
    let metrics = logged(&ran.stdout);
    assert_eq!(metrics.len(), 6);
    let first = &metrics[0];
    assert_eq!(first["_aws"]["CloudWatchMetrics"][0]["Namespace"], "meterlake");
    assert_eq!((&first["job"], &first["period"]), (&json!("merge"), &json!("2023-01-31T00")));
    assert!(first["rows"].as_u64() > Some(0));
    let lag = (Utc::now() - "2023-01-31T00".parse::<Hour>().unwrap().end()).num_seconds();
    assert!((lag - first["lag_seconds"].as_i64().unwrap()).abs() < 60);
    // The same calls are not counted twice, and a period that a person asked for is not late.
    assert_eq!((metrics[1].get("rows"), metrics[4].get("lag_seconds")), (None, None));
    logged(&ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_an_error_to_lambda_and_the_function_lives_on() {
    let (_lake, function) = merge_as_a_lambda().await;
    for (event, said) in [
        (json!({}), "says no time"),
        (json!({"hour": "2023-01-31T24"}), "2023-01-31T24"),
        (json!({"month": "2023-01"}), "unknown field `month`"),
        (json!({"hour": "2999-01-01T00"}), "not over yet"),
        (json!({"from": "2023-01-31T05", "to": "2023-01-31T04"}), "ends"),
        (json!({"time": "yesterday"}), "yesterday"),
        (json!({"time": "2999-01-01T00:10:00Z"}), "2999-01-01T00:10:00Z has not come yet"),
        (json!({"hour": "2023-01-31T06", "lookback": 3_000_000_000_u32}), "give 0 to 8784 hours"),
        (json!({"hour": "2023-01-31T06", "dry_run": "yes"}), "dry_run"),
    ] {
        let error = function.invoke(event.clone(), MINUTE).unwrap_err();
        assert_eq!(error["errorType"], "mergeFailed");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(message.contains(said) && !message.contains('\n'), "{event}: {message}");
    }
    function.invoke(json!({"hour": "2023-01-31T06"}), MINUTE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_stops_in_time_and_says_where_to_go_on() {
    let (lake, function) = merge_as_a_lambda().await;
    let mut event = json!({"from": "2023-01-31T00", "to": "2023-01-31T23"});
    // Three seconds are kept for the end. How long the first hour takes depends on the machine, so the time for it is
    // doubled until it is enough: then it is not enough for all 24.
    let reports = (0..8).find_map(|doubled| {
        let limit = Duration::from_millis(3_000 + (200 << doubled));
        match function.invoke(event.clone(), limit) {
            Ok(reports) => Some(reports),
            Err(error) => {
                assert!(error.to_string().contains("time of this invocation is up"), "{error}");
                None
            }
        }
    });
    let reports = reports.expect("an hour within 25 seconds");
    let reports = reports.as_array().unwrap();
    let (last, done) = reports.split_last().unwrap();
    assert_eq!((&last["job"], &last["status"]), (&json!("merge"), &json!("stopped")));
    assert!((1..24).contains(&done.len()) && done.iter().all(|report| counts(report).0 > 0));
    let next: Hour = done.last().unwrap()["period"].as_str().unwrap().parse::<Hour>().unwrap().next();
    assert_eq!(last["go_on"], json!({"from": next.to_string(), "to": "2023-01-31T23"}));

    event = last["go_on"].clone();
    let rest = function.invoke(event, MINUTE).unwrap();
    assert_eq!(rest.as_array().unwrap().len() + done.len(), 24);
    assert_eq!(lake.published().await.len(), 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_time_is_up_says_so_and_leaves_nothing_half_written() {
    let (lake, function) = merge_as_a_lambda().await;
    let error = function.invoke(json!({"hour": "2023-01-31T06"}), Duration::from_millis(3_001)).unwrap_err();
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("time of this invocation is up"), "{message}");
    let reports = function.invoke(json!({"hour": "2023-01-31T06"}), MINUTE).unwrap();
    assert_eq!(reports[0]["status"], "published");
    let _ = function.stop();
    lake.assert_no_stray("run out of time, and run again").await;
}
