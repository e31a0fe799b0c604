//! Metrics in CloudWatch's embedded metric format: lines of JSON in a Lambda's log, of which CloudWatch makes metrics.
//!
//! The format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::period::{Day, Hour, Month, Period};

/// The namespace of all metrics. Their one dimension is `job`.
const NAMESPACE: &str = "meterlake";
/// What was done: not told of a period of which nothing was done, whose calls were told of before.
const DONE: [&str; 7] =
    ["rows", "rows_added", "duplicates", "malformed", "unsplit", "unreadable_values", "unreadable_objects"];
/// What is so, and not what was done: told each time.
const STATE: [&str; 3] = ["customers_left_out", "scanned_bytes", "duration_ms"];
const LAG: &str = "lag_seconds";

/// The statuses of such periods.
const NOTHING_DONE: [&str; 3] = ["unchanged", "already final", "waiting"];

/// The lines for the reports of an invocation. `is_scheduled`: it works on what is due now, and so tells how late the
/// newest period is; a backfill does not.
pub(super) fn lines(reports: &[Value], is_scheduled: bool, now: DateTime<Utc>) -> Vec<Value> {
    let ends: Vec<Option<DateTime<Utc>>> = reports.iter().map(end).collect();
    let newest = ends.iter().flatten().max().copied();
    let mut lines = Vec::new();
    for (report, end) in reports.iter().zip(ends) {
        let mut values = values(report);
        if let Some(end) = end.filter(|end| is_scheduled && Some(*end) == newest) {
            values.insert(LAG.to_owned(), json!((now - end).num_seconds().max(0)));
        }
        if let (Some(job), false) = (report["job"].as_str(), values.is_empty()) {
            lines.push(line(job, report, values, now));
        }
    }
    lines
}

fn values(report: &Value) -> Map<String, Value> {
    let is_done = !report["status"].as_str().is_some_and(|status| NOTHING_DONE.contains(&status));
    let done = DONE.into_iter().filter(|_| is_done);
    let number = |key: &str| Some((key.to_owned(), report.get(key).filter(|value| value.is_number())?.clone()));
    // Nothing is known yet of a month that waits, and an alarm must not end for that.
    let state = STATE.into_iter().filter(|key| *key != "customers_left_out" || report["status"] != "waiting");
    done.chain(state).filter_map(number).collect()
}

fn line(job: &str, report: &Value, values: Map<String, Value>, now: DateTime<Utc>) -> Value {
    let metrics: Vec<Value> = values.keys().map(|name| json!({"Name": name, "Unit": unit(name)})).collect();
    let metrics = json!([{"Namespace": NAMESPACE, "Dimensions": [["job"]], "Metrics": metrics}]);
    let mut line = json!({
        "_aws": {"Timestamp": now.timestamp_millis(), "CloudWatchMetrics": metrics},
        "job": job,
        "period": report["period"],
        "status": report["status"],
    });
    if let Value::Object(line) = &mut line {
        line.extend(values);
    }
    line
}

fn unit(name: &str) -> &'static str {
    match name {
        "scanned_bytes" => "Bytes",
        "duration_ms" => "Milliseconds",
        LAG => "Seconds",
        _ => "Count",
    }
}

/// When a report's period ended; `None` where it has no single one.
fn end(report: &Value) -> Option<DateTime<Utc>> {
    let text = report["period"].as_str()?;
    let hour = text.parse().map(|hour: Hour| hour.end());
    let day = || text.parse().map(|day: Day| day.end());
    let month = || text.parse().map(|month: Month| month.end());
    hour.or_else(|_| day()).or_else(|_| month()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(period: &str, status: &str) -> Value {
        json!({"job": "merge", "period": period, "status": status, "rows": 7, "rows_added": -1, "duplicates": 1,
            "malformed": 2, "scanned_bytes": 2714, "duration_ms": 125, "sql": "merge_hour@1"})
    }

    fn now() -> DateTime<Utc> {
        "2023-01-31T07:10:00Z".parse().unwrap()
    }

    #[test]
    fn a_report_becomes_a_line_that_cloudwatch_reads() {
        let lines = lines(&[merged("2023-01-31T06", "published")], true, now());
        let metric = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
        let metrics = json!([
            metric("duplicates", "Count"),
            metric("duration_ms", "Milliseconds"),
            metric("lag_seconds", "Seconds"),
            metric("malformed", "Count"),
            metric("rows", "Count"),
            metric("rows_added", "Count"),
            metric("scanned_bytes", "Bytes"),
        ]);
        let cloudwatch = json!([{"Namespace": "meterlake", "Dimensions": [["job"]], "Metrics": metrics}]);
        assert_eq!(
            lines,
            [json!({
                "_aws": {"Timestamp": 1_675_149_000_000_i64, "CloudWatchMetrics": cloudwatch},
                "job": "merge", "period": "2023-01-31T06", "status": "published", "rows": 7, "rows_added": -1,
                "duplicates": 1, "malformed": 2, "scanned_bytes": 2714, "duration_ms": 125, "lag_seconds": 600
            })]
        );
    }

    #[test]
    fn calls_that_were_counted_before_are_not_counted_again() {
        let lines = lines(&[merged("2023-01-31T06", "unchanged")], false, now());
        assert_eq!((lines[0].get("rows"), lines[0].get("rows_added")), (None, None));
        assert_eq!(lines[0]["duration_ms"], 125);
        let month =
            json!({"job": "invoice", "period": "2023-01", "status": "already final", "malformed": 2, "duration_ms": 5});
        assert_eq!(super::lines(&[month], false, now())[0].get("malformed"), None);
    }

    #[test]
    fn who_is_left_out_is_told_each_time_so_that_an_alarm_ends_when_nobody_is_any_more() {
        for (status, left_out) in [("draft", 2), ("final", 2), ("already final", 2), ("unchanged", 2), ("draft", 0)] {
            let report =
                json!({"job": "invoice", "period": "2023-01", "status": status, "customers_left_out": left_out});
            let line = lines(&[report], true, now()).remove(0);
            assert_eq!((&line["job"], &line["customers_left_out"]), (&json!("invoice"), &json!(left_out)), "{status}");
        }
    }

    #[test]
    fn only_the_newest_period_of_a_scheduled_run_tells_the_lag() {
        let reports = [merged("2023-01-30T06", "published"), merged("2023-01-31T05", "published")];
        let lags = |is_scheduled| lines(&reports, is_scheduled, now()).iter().map(|line| line[LAG].as_i64()).collect();
        let (scheduled, by_hand): (Vec<_>, Vec<_>) = (lags(true), lags(false));
        assert_eq!((scheduled, by_hand), (vec![None, Some(4200)], vec![None, None]));
        let day = json!({"job": "aggregate", "period": "2023-01-30", "status": "published"});
        assert_eq!(lines(&[day], true, now())[0][LAG], 7 * 3600 + 600);
    }

    #[test]
    fn what_has_no_numbers_has_no_line() {
        let reports = [json!({"job": "tables", "sql": "V001", "status": "applied"}), json!({"plan": "x"})];
        assert!(lines(&reports, true, now()).is_empty());
    }
}
