//! The functions get the settings that the programs know, and the programs read what Firehose writes.

use std::collections::BTreeMap;

use meterlake_core::config::{Config, EngineKind, Override};
use meterlake_core::layout::{Layout, TableLayout};
use meterlake_core::period::Hour;
use serde_json::{Value, json};

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

/// One table of each folder.
fn tables(layout: &Layout) -> [&TableLayout; 6] {
    let Layout { raw, merged, copies, malformed, usage_daily, invoices, .. } = layout;
    [raw, merged, copies, malformed, usage_daily, invoices]
}

#[test]
fn the_functions_work_on_the_lake_of_the_stack() {
    let stack = stack(&[
        ("BucketName", "a-bucket"),
        ("DatabaseName", "a_database"),
        ("RawTable", "raw"),
        ("LinesTable", "lines"),
        ("CopiesTable", "copies"),
        ("MalformedTable", "malformed"),
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
    for (table, name) in [(&layout.raw, "raw"), (&layout.lines, "lines"), (&layout.copies, "copies")] {
        assert_eq!(table.name.to_string(), format!("a_database.{name}"));
    }
    assert_eq!(layout.malformed.name.to_string(), "a_database.malformed");
    assert_eq!(layout.merged.folder.as_str(), "s3://a-bucket/merged");
}

#[test]
fn a_second_record_on_a_line_is_a_client_s_unless_the_stack_is_told_that_the_log_has_no_line_ends() {
    // The format of the stack's own API ends every record with a line end: access_log.rs.
    assert_eq!(config(&stack(&[])).raw.glued.as_str(), "malformed");
    assert_eq!(config(&stack(&[("GluedRecords", "split")])).raw.glued.as_str(), "split");
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
    for table in tables(&layout) {
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
    assert_eq!(expiring, ["athena-results/"]);
    for table in tables(&layout) {
        let folder = format!("{}/", table.folder.bucket_and_key().unwrap().1);
        assert!(expiring.iter().all(|prefix| !folder.starts_with(prefix)), "{folder}");
    }
    let cold = rules.iter().find(|rule| rule["Id"] == "raw-gets-cold").unwrap();
    assert_eq!(cold["Prefix"], "json-data/");
    // Athena reads this class as it reads STANDARD. The other two of Glacier it leaves out without a word.
    assert_eq!(cold["Transitions"], json!([{"StorageClass": "GLACIER_IR", "TransitionInDays": "90"}]));
    let never = crate::templates::stack(&[("RawToColdAfterDays", "0")]).part("Lake").properties("Bucket");
    assert!(!never.to_string().contains("GLACIER"), "{never}");
}
