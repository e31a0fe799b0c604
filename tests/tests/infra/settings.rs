//! The functions get the settings that the programs know, and the programs read what Firehose writes.

use std::collections::BTreeMap;

use meterlake_core::config::{Config, EngineKind, Override};
use meterlake_core::period::Hour;
use serde_json::Value;

use crate::templates::{Stack, stack};

/// The configuration of a function of the stack.
pub(crate) fn config(stack: &Stack) -> Config {
    let variables = stack.part("Jobs").globals()["Environment"]["Variables"].as_object().unwrap().clone();
    let known = settings();
    let set = variables.iter().map(|(variable, value)| {
        let key = known.get(variable).unwrap_or_else(|| panic!("{variable} is no setting"));
        (key.clone(), value.as_str().unwrap().to_owned())
    });
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("meterlake.toml");
    std::fs::write(&empty, "").unwrap();
    Config::load(Some(&empty), &set.collect::<Vec<Override>>()).unwrap()
}

/// Every setting's key by its environment variable.
fn settings() -> BTreeMap<String, String> {
    fn collect(prefix: &str, value: &Value, keys: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| collect(&format!("{prefix}{key}."), value, keys)),
            _ => keys.push(prefix.trim_end_matches('.').to_owned()),
        }
    }
    let mut keys = Vec::new();
    collect("", &serde_json::to_value(Config::default()).unwrap(), &mut keys);
    let variable = |key: &String| format!("METERLAKE_{}", key.replace('.', "_").to_uppercase());
    keys.into_iter().map(|key| (variable(&key), key)).collect()
}

#[test]
fn the_functions_work_on_the_lake_of_the_stack() {
    let stack = stack(&[
        ("BucketName", "a-bucket"),
        ("DatabaseName", "a_database"),
        ("RawTable", "raw"),
        ("MergedFolder", "merged"),
        ("WorkgroupName", "a-workgroup"),
        ("BillingTimeZone", "Asia/Seoul"),
    ]);
    let config = config(&stack);
    assert_eq!(config.engine, EngineKind::Athena);
    assert_eq!(config.lake.as_str(), "s3://a-bucket");
    assert_eq!(config.athena.workgroup, "a-workgroup");
    assert_eq!(config.billing.plans.as_str(), "s3://a-bucket/plans/plans.toml");
    assert_eq!(config.billing.time_zone, "Asia/Seoul");
    let layout = config.layout();
    assert_eq!(layout.raw.name.to_string(), "a_database.raw");
    assert_eq!(layout.merged.folder.as_str(), "s3://a-bucket/merged");
}

#[test]
fn the_original_s_names_are_the_defaults() {
    let stack = stack(&[]);
    let config = config(&stack);
    assert_eq!(config.lake.as_str(), "s3://apigw-access-log-to-firehose-eu-central-1-123456789012");
    assert_eq!(config.athena.workgroup, "SaaSMeteringDemo");
    assert_eq!(config.layout().raw.name.to_string(), "mydatabase.restapi_access_log_json");
    assert_eq!(config.layout().merged.name.to_string(), "mydatabase.restapi_access_log_parquet");
    let stream = stack.part("Lake").properties("Stream");
    assert_eq!(stream["DeliveryStreamName"], "amazon-apigateway-random-gen");
    let buffer = &stream["ExtendedS3DestinationConfiguration"]["BufferingHints"];
    assert_eq!((&buffer["SizeInMBs"], &buffer["IntervalInSeconds"]), (&"128".into(), &"300".into()));
}

#[test]
fn firehose_writes_where_the_jobs_read_and_its_errors_outside_every_table() {
    let stack = stack(&[("RawFolder", "raw-lines"), ("ErrorFolder", "undelivered")]);
    let layout = config(&stack).layout();
    let stream = stack.part("Lake").properties("Stream");
    let to = &stream["ExtendedS3DestinationConfiguration"];
    assert_eq!(to["CompressionFormat"], "GZIP");
    let prefix = |key: &str| {
        let mut prefix = to[key].as_str().unwrap().to_owned();
        for (part, value) in [("yyyy", "2023"), ("MM", "01"), ("dd", "31"), ("HH", "06")] {
            prefix = prefix.replace(&format!("!{{timestamp:{part}}}"), value);
        }
        layout.root.join(prefix.trim_end_matches('/'))
    };
    let hour: Hour = "2023-01-31T06".parse().unwrap();
    assert!(to["Prefix"].as_str().unwrap().ends_with('/'));
    assert_eq!(prefix("Prefix"), layout.raw.folder_of(hour));
    for table in [&layout.raw, &layout.merged, &layout.usage_daily, &layout.invoices] {
        assert_eq!(prefix("ErrorOutputPrefix").relative_to(&table.folder), None, "{}", table.name);
    }
}

#[test]
fn what_expires_is_nothing_that_counts() {
    let stack = stack(&[]);
    let layout = config(&stack).layout();
    let bucket = stack.part("Lake").properties("Bucket");
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap().clone();
    let expiring = rules.iter().filter(|rule| rule.get("ExpirationInDays").is_some());
    let expiring: Vec<&str> = expiring.map(|rule| rule["Prefix"].as_str().unwrap()).collect();
    assert_eq!(expiring, ["athena-results/", ".meterlake/superseded/", ".meterlake/runs/"]);
    for table in [&layout.raw, &layout.merged, &layout.usage_daily, &layout.invoices] {
        let folder = format!("{}/", table.folder.bucket_and_key().unwrap().1);
        assert!(expiring.iter().all(|prefix| !folder.starts_with(prefix)), "{folder}");
    }
    let cold = rules.iter().find(|rule| rule["Id"] == "raw-gets-cold").unwrap();
    assert_eq!((&cold["Prefix"], &cold["Transitions"][0]["TransitionInDays"]), (&"json-data/".into(), &"90".into()));
    let never = crate::templates::stack(&[("RawToColdAfterDays", "0")]).part("Lake").properties("Bucket");
    assert!(!never.to_string().contains("GLACIER"), "{never}");
}
