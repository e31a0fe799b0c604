//! What is watched is what the jobs say, and the dashboard shows all of it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::templates::{Stack, stack};

const METRICS: &str = "meterlake";

fn watch() -> Stack {
    stack(&[]).part("Watch")
}

fn dashboard() -> Value {
    let properties = watch().properties("Dashboard");
    serde_json::from_str(properties["DashboardBody"].as_str().unwrap()).unwrap()
}

/// The metrics of the jobs in a list of a widget.
fn metrics(widget: &Value) -> impl Iterator<Item = &str> {
    let all = widget["properties"]["metrics"].as_array().into_iter().flatten();
    all.filter(|metric| metric[0] == METRICS).map(|metric| metric[1].as_str().unwrap())
}

/// The metrics that the program's own description has.
fn described() -> BTreeSet<&'static str> {
    let readme = include_str!("../../../README.md");
    let (_, described) = readme.split_once("metrics (").unwrap();
    let (described, _) = described.split_once(';').unwrap();
    described.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_metric_of_the_jobs_is_on_the_dashboard() {
    let dashboard = dashboard();
    let shown: BTreeSet<&str> = dashboard["widgets"].as_array().unwrap().iter().flat_map(metrics).collect();
    assert_eq!(shown, described());
}

#[test]
fn each_alarm_is_on_the_dashboard_and_tells_somebody() {
    let (watch, dashboard) = (watch(), dashboard());
    let shown = dashboard["widgets"][0]["properties"]["alarms"].as_array().unwrap();
    let alarms = watch.resources("AWS::CloudWatch::Alarm");
    assert_eq!(shown.len(), alarms.len());
    for name in alarms {
        assert!(shown.iter().any(|arn| arn.as_str().unwrap().ends_with(&format!(":{name}"))), "{name}: {shown:?}");
        let alarm = watch.properties(&name);
        assert_eq!(alarm["AlarmActions"], alarm["OKActions"], "{name}");
        if alarm["Namespace"] == METRICS {
            assert!(described().contains(alarm["MetricName"].as_str().unwrap()), "{alarm}");
        }
    }
}

#[test]
fn what_is_not_billed_raises_an_alarm() {
    let watch = watch();
    for (name, metric) in [
        ("CustomersLeftOut", "customers_left_out"),
        ("MalformedLines", "malformed"),
        ("UnreadableObjects", "unreadable_objects"),
        ("UnreadableValues", "unreadable_values"),
    ] {
        let alarm = watch.properties(name);
        assert_eq!((&alarm["Namespace"], &alarm["MetricName"]), (&METRICS.into(), &metric.into()));
        assert_eq!((&alarm["ComparisonOperator"], &alarm["Threshold"]), (&"GreaterThanThreshold".into(), &0.into()));
    }
}

#[test]
fn widgets_lie_beside_each_other() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for widget in dashboard["widgets"].as_array().unwrap() {
        let number = |key: &str| widget[key].as_u64().unwrap();
        assert!(number("x") + number("width") <= 24, "{widget}");
        for x in number("x")..number("x") + number("width") {
            for y in number("y")..number("y") + number("height") {
                assert!(taken.insert((x, y)), "{widget}");
            }
        }
    }
}
