//! What Glue is told and what it answers: its limits, its pages, its failures.

use aws_sdk_glue::types;
use meterlake_core::catalog::{Catalog, Column, Partition, PartitionFilter, StorageFormat, Table};
use meterlake_core::names::{Name, TableName};
use serde_json::json;

use super::fake::{FakeGlue, Fault};
use super::{GlueCatalog, mapping};

/// A new Glue with the table `metering.raw`, keyed by year, month, day and hour.
pub(super) async fn lake() -> (FakeGlue, GlueCatalog) {
    let glue = FakeGlue::default();
    let catalog = glue.catalog();
    assert!(catalog.create_database(&name("metering")).await.unwrap());
    assert!(catalog.create_table(&table("raw")).await.unwrap());
    (glue, catalog)
}

pub(super) fn raw() -> TableName {
    table("raw").name
}

pub(super) fn partition<const N: usize>(values: [&str; N], run: &str) -> Partition {
    let location = format!("s3://lake/사용자 'x'/{}/run={run}", values.join("/")).parse().unwrap();
    let parameters = [("fingerprint".to_owned(), format!("\"{run}\""))].into();
    Partition { values: values.map(str::to_owned).to_vec(), location, parameters }
}

pub(super) fn error<T: std::fmt::Debug>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.unwrap_err())
}

pub(super) fn everything() -> PartitionFilter {
    PartitionFilter::default()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn table(table: &str) -> Table {
    let column = |name: &str, data_type: &str| Column {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        comment: Some(format!("the {name}")),
    };
    Table {
        name: TableName::new(name("metering"), name(table)),
        columns: vec![column("request_id", "string"), column("price", "decimal(10,2)")],
        partition_keys: ["year", "month", "day", "hour"].map(|key| column(key, "int")).to_vec(),
        location: "s3://lake/json-data".parse().unwrap(),
        format: StorageFormat {
            input_format: "org.apache.hadoop.mapred.TextInputFormat".to_owned(),
            serde: "org.openx.data.jsonserde.JsonSerDe".to_owned(),
            serde_parameters: [("ignore.malformed.json".to_owned(), "true".to_owned())].into(),
            ..Default::default()
        },
        parameters: [("classification".to_owned(), "json".to_owned())].into(),
    }
}

fn hour(number: usize) -> Partition {
    let parts = [2020 + number / 8064, number / 672 % 12 + 1, number / 24 % 28 + 1, number % 24];
    partition(parts.map(|part| part.to_string()).each_ref().map(String::as_str), "a")
}

fn sizes(glue: &FakeGlue, operation: &str, list: &str) -> Vec<usize> {
    glue.calls(operation).iter().map(|input| input[list].as_array().unwrap().len()).collect()
}

#[tokio::test]
async fn a_table_is_an_external_table_and_comes_back_as_it_was_created() {
    let (glue, catalog) = lake().await;
    assert_eq!(catalog.table(&raw()).await.unwrap(), Some(table("raw")));
    let told = glue.state().tables["metering.raw"].clone();
    assert_eq!(told["TableType"], "EXTERNAL_TABLE");
    assert_eq!(told["Parameters"], json!({"EXTERNAL": "TRUE", "classification": "json"}));
    assert_eq!(told["StorageDescriptor"]["Location"], "s3://lake/json-data/");
    assert_eq!(told["StorageDescriptor"]["Columns"][1]["Type"], "decimal(10,2)");

    let mut other = Table { columns: Vec::new(), ..table("raw") };
    assert!(!catalog.create_table(&other).await.unwrap());
    other.name.database = name("nowhere");
    assert!(error(catalog.create_table(&other).await).contains("the database nowhere does not exist"));
    assert_eq!(catalog.table(&other.name).await.unwrap(), None);
}

#[tokio::test]
async fn an_update_of_a_table_keeps_what_only_glue_knows() {
    let (glue, catalog) = lake().await;
    {
        let mut state = glue.state();
        let told = state.tables.get_mut("metering.raw").unwrap();
        told["Description"] = json!("the log");
        told["Owner"] = json!("someone");
        told["Retention"] = json!(7);
        told["StorageDescriptor"]["Compressed"] = json!(true);
        told["StorageDescriptor"]["Columns"][0]["Parameters"] = json!({"tag": "id"});
        told["StorageDescriptor"]["SerdeInfo"]["Name"] = json!("serde");
    }
    let mut wanted = table("raw");
    wanted.columns.push(Column { name: "more".to_owned(), data_type: "bigint".to_owned(), comment: None });
    wanted.parameters.clear();
    // Somebody else changes it at the same time.
    glue.fault("UpdateTable", Fault::Refuse("ConcurrentModificationException"));
    catalog.update_table(&wanted).await.unwrap();
    assert_eq!(catalog.table(&raw()).await.unwrap(), Some(wanted.clone()));
    let told = glue.state().tables["metering.raw"].clone();
    assert_eq!(
        (&told["Description"], &told["Owner"], &told["Retention"]),
        (&json!("the log"), &json!("someone"), &json!(7))
    );
    assert_eq!(told["StorageDescriptor"]["Compressed"], true);
    assert_eq!(told["StorageDescriptor"]["Columns"][0]["Parameters"]["tag"], "id");
    assert_eq!(told["StorageDescriptor"]["SerdeInfo"]["Name"], "serde");
    assert_eq!((glue.calls("UpdateTable").len(), glue.calls("GetTable").len()), (2, 3));

    catalog.add_partitions(&raw(), &[hour(0)]).await.unwrap();
    wanted.partition_keys.pop();
    assert!(error(catalog.update_table(&wanted).await).contains("partitions with 4 keys"));
    assert!(error(catalog.update_table(&table("none")).await).contains("the table metering.none does not exist"));
}

#[tokio::test]
async fn what_others_keep_in_glue_is_passed_over() {
    let (glue, catalog) = lake().await;
    for (name, definition) in [
        ("a_view", json!({"TableType": "VIRTUAL_VIEW", "StorageDescriptor": {"Location": "s3://lake/x"}})),
        ("bare", json!({})),
        ("stream", json!({"StorageDescriptor": {"Location": "a-kinesis-stream"}})),
        ("nowhere", json!({"StorageDescriptor": {"Location": ""}})),
        ("far away", json!({"StorageDescriptor": {"Location": "s3://lake/far"}})),
        (
            "crawled",
            json!({"StorageDescriptor": {"Location": "s3a://lake/c/", "Columns": [{"Name": "Id", "Type": "INT"}]}}),
        ),
    ] {
        let mut definition = definition;
        definition["Name"] = json!(name);
        glue.state().tables.insert(format!("metering.{name}"), definition);
    }
    assert_eq!(catalog.tables(&name("metering")).await.unwrap(), [name("crawled"), name("raw")]);
    assert_eq!(catalog.tables(&name("other")).await.unwrap(), []);
    assert!(glue.calls("GetTables").len() > 3, "pages of two");
    let crawled = catalog.table(&table("crawled").name).await.unwrap().unwrap();
    assert_eq!((crawled.location.as_str(), crawled.columns[0].name.as_str()), ("s3://lake/c", "id"));
    assert_eq!((crawled.columns[0].data_type.as_str(), crawled.partition_keys.len()), ("int", 0));
    for other in ["a_view", "bare", "stream", "nowhere"] {
        assert_eq!(catalog.table(&table(other).name).await.unwrap(), None, "{other}");
        assert!(!catalog.create_table(&table(other)).await.unwrap(), "{other}");
    }
}

#[tokio::test]
async fn a_database_keeps_its_other_parameters_and_what_only_glue_knows() {
    let (glue, catalog) = lake().await;
    let metering = name("metering");
    glue.state().databases.get_mut("metering").unwrap()["Description"] = json!("usage");
    for (key, value) in [("V001", "a"), ("V002", "b"), ("V001", "\"c\"")] {
        catalog.set_database_parameter(&metering, key, value).await.unwrap();
    }
    let database = catalog.database(&metering).await.unwrap().unwrap();
    assert_eq!(database.parameters, [("V001", "\"c\""), ("V002", "b")].map(|(k, v)| (k.into(), v.into())).into());
    assert_eq!(glue.state().databases["metering"]["Description"], "usage");
    assert!(!glue.catalog().create_database(&metering).await.unwrap());
    assert_eq!(catalog.database(&name("other")).await.unwrap(), None);
    assert!(error(catalog.set_database_parameter(&name("other"), "k", "v").await).contains("database other"));

    // Nothing to do is no call, and an update that Glue does not keep is done again.
    let updates = glue.calls("UpdateDatabase").len();
    catalog.set_database_parameter(&metering, "V002", "b").await.unwrap();
    assert_eq!(glue.calls("UpdateDatabase").len(), updates);
    glue.fault("UpdateDatabase", Fault::Refuse("ConcurrentModificationException"));
    catalog.set_database_parameter(&metering, "V003", "d").await.unwrap();
    assert_eq!(glue.calls("UpdateDatabase").len(), updates + 2);
}

#[tokio::test]
async fn partitions_go_in_batches_that_glue_takes_and_come_back_in_pages() {
    let (glue, catalog) = lake().await;
    let hours: Vec<_> = (0..2_345).map(hour).collect();
    let shuffled: Vec<_> = (0..2_345).map(|n| hours[n * 7919 % 2_345].clone()).collect();
    assert_eq!(catalog.add_partitions(&raw(), &shuffled).await.unwrap(), 2_345);
    assert_eq!(sizes(&glue, "BatchCreatePartition", "PartitionInputList"), [vec![100; 23], vec![45]].concat());
    assert_eq!(catalog.add_partitions(&raw(), &hours[2_300..]).await.unwrap(), 0);
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), hours);
    assert_eq!(glue.calls("GetPartitions").len(), 24);

    let mut wanted: Vec<Vec<String>> = hours.iter().map(|hour| hour.values.clone()).collect();
    wanted.push(hour(9_999).values);
    wanted.push(vec!["2020".to_owned()]);
    let got = catalog.get_partitions(&raw(), &wanted).await.unwrap();
    assert_eq!(got[..2_345], hours.iter().cloned().map(Some).collect::<Vec<_>>());
    assert_eq!(got[2_345..], [None, None]);
    assert_eq!(sizes(&glue, "BatchGetPartition", "PartitionsToGet"), [1_000, 1_000, 346]);

    let dropped = [&wanted[..60], &wanted[2_345..], &wanted[..1]].concat();
    assert_eq!(catalog.drop_partitions(&raw(), &dropped).await.unwrap(), 60);
    assert_eq!(sizes(&glue, "BatchDeletePartition", "PartitionsToDelete"), [25, 25, 11]);
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), hours[60..]);
}

#[tokio::test]
async fn keys_that_glue_leaves_unanswered_are_asked_for_again() {
    let (glue, catalog) = lake().await;
    let hours: Vec<_> = (0..5).map(hour).collect();
    catalog.add_partitions(&raw(), &hours).await.unwrap();
    glue.fault("BatchGetPartition", Fault::AnswerFirst);
    glue.fault("BatchGetPartition", Fault::AnswerFirst);
    let wanted: Vec<_> = hours.iter().map(|hour| hour.values.clone()).collect();
    let got = catalog.get_partitions(&raw(), &wanted).await.unwrap();
    assert_eq!(got, hours.into_iter().map(Some).collect::<Vec<_>>());
    assert_eq!(sizes(&glue, "BatchGetPartition", "PartitionsToGet"), [5, 4, 3]);
}

#[tokio::test]
async fn a_failed_item_of_a_batch_is_tried_again_or_named() {
    let (glue, catalog) = lake().await;
    glue.fault("BatchCreatePartition", Fault::FailFirst("InternalServiceException"));
    assert_eq!(catalog.add_partitions(&raw(), &[hour(0), hour(1), hour(2)]).await.unwrap(), 3);
    assert_eq!(sizes(&glue, "BatchCreatePartition", "PartitionInputList"), [3, 1]);

    glue.fault("BatchCreatePartition", Fault::FailFirst("ResourceNumberLimitExceededException"));
    let failed = error(catalog.add_partitions(&raw(), &[hour(3), hour(4)]).await);
    let item =
        "the partition [\"2020\", \"1\", \"1\", \"3\"] failed: ResourceNumberLimitExceededException: an item failed";
    assert!(failed.contains(item), "{failed}");
    assert_eq!(catalog.add_partitions(&raw(), &[hour(3), hour(4)]).await.unwrap(), 1);

    glue.fault("BatchDeletePartition", Fault::FailFirst("InvalidInputException"));
    let dropped = error(catalog.drop_partitions(&raw(), &[hour(3).values, hour(4).values]).await);
    assert!(dropped.contains("InvalidInputException"), "{dropped}");
    assert_eq!(catalog.drop_partitions(&raw(), &[hour(3).values, hour(4).values]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_filter_goes_to_glue_and_is_done_here_where_glue_cannot() {
    let (glue, catalog) = lake().await;
    let padded = partition(["2020", "01", "01", "06"], "a");
    catalog.add_partitions(&raw(), &[padded.clone(), hour(6), hour(7), hour(700)]).await.unwrap();
    let january = everything().and("year", 2020, 2020).and("month", 1, 1).and("hour", 0, 6);
    assert_eq!(catalog.partitions(&raw(), &january).await.unwrap(), [padded.clone(), hour(6)]);
    let expression = "year = 2020 AND month = 1 AND hour >= 0 AND hour <= 6";
    assert_eq!(glue.calls("GetPartitions")[0]["Expression"], expression);

    // Glue refuses the whole call for one value that is no number.
    let odd = partition(["2020", "1", "__HIVE_DEFAULT_PARTITION__", "6"], "a");
    catalog.add_partitions(&raw(), std::slice::from_ref(&odd)).await.unwrap();
    let day = january.clone().and("day", 1, 31);
    assert_eq!(catalog.partitions(&raw(), &day).await.unwrap(), [padded, hour(6)]);
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap().len(), 5);

    let calls = glue.calls("GetPartitions").len();
    assert_eq!(catalog.partitions(&raw(), &everything().and("minute", 1, 1)).await.unwrap(), []);
    assert_eq!(glue.calls("GetPartitions").len(), calls);
}

#[tokio::test]
async fn a_catalog_without_batched_deletes_deletes_one_by_one() {
    let (glue, catalog) = lake().await;
    catalog.add_partitions(&raw(), &[hour(0), hour(1), hour(2)]).await.unwrap();
    glue.fault("BatchDeletePartition", Fault::Refuse("InvalidAction"));
    let dropped = [hour(0), hour(1), hour(9)].map(|hour| hour.values);
    assert_eq!(catalog.drop_partitions(&raw(), &dropped).await.unwrap(), 2);
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), [hour(2)]);
}

#[tokio::test]
async fn a_partition_is_read_as_its_table_is() {
    let (glue, catalog) = lake().await;
    catalog.put_partitions(&raw(), &[hour(0)]).await.unwrap();
    let mut wider = table("raw");
    wider.columns.push(Column { name: "more".to_owned(), data_type: "bigint".to_owned(), comment: None });
    catalog.update_table(&wider).await.unwrap();
    let next = Partition { location: "s3://lake/next".parse().unwrap(), ..hour(0) };
    catalog.put_partitions(&raw(), &[next]).await.unwrap();

    let state = glue.state();
    let (of_table, of_partition) = (&state.tables["metering.raw"], &state.partitions["metering.raw"][0]);
    let mut expected = of_table["StorageDescriptor"].clone();
    expected["Location"] = json!("s3://lake/next/");
    assert_eq!(of_partition["StorageDescriptor"], expected);
    assert_eq!(expected["Columns"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_partition_that_lies_nowhere_is_an_error_and_not_passed_over() {
    let (glue, catalog) = lake().await;
    let nowhere = json!({"Values": ["2020", "1", "1", "1"], "StorageDescriptor": {}});
    glue.state().partitions.insert("metering.raw".to_owned(), vec![nowhere]);
    let error = error(catalog.partitions(&raw(), &everything()).await);
    assert!(error.contains("[\"2020\", \"1\", \"1\", \"1\"] has no location in S3"), "{error}");
}

#[tokio::test]
async fn values_that_do_not_fit_the_keys_and_tables_that_are_missing_are_named() {
    let (_, catalog) = lake().await;
    let bad = partition(["2023", "1", "31"], "a");
    let keys = "[\"year\", \"month\", \"day\", \"hour\"]";
    assert!(error(catalog.put_partitions(&raw(), std::slice::from_ref(&bad)).await).contains(keys));
    assert!(error(catalog.add_partitions(&raw(), &[hour(0), bad]).await).contains("[\"2023\", \"1\", \"31\"]"));
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), []);

    let none = table("none").name;
    for error in [
        error(catalog.partitions(&none, &everything()).await),
        error(catalog.get_partitions(&none, &[]).await),
        error(catalog.add_partitions(&none, &[]).await),
        error(catalog.put_partitions(&none, &[hour(0)]).await),
        error(catalog.drop_partitions(&none, &[]).await),
    ] {
        assert!(error.contains("the table metering.none does not exist") && error.contains("--bin tables"), "{error}");
    }
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_and_an_error_says_what_failed() {
    let (glue, catalog) = lake().await;
    glue.fault("GetTable", Fault::Refuse("ThrottlingException"));
    assert!(catalog.table(&raw()).await.unwrap().is_some());
    glue.fault("GetTable", Fault::Refuse("AccessDeniedException"));
    let error = error(catalog.table(&raw()).await);
    let expected = "Glue's GetTable failed for metering.raw: AccessDeniedException: as the test wants it";
    assert!(error.starts_with(expected), "{error}");
    glue.fault("DeleteTable", Fault::Refuse("ConcurrentModificationException"));
    assert!(catalog.drop_table(&raw()).await.unwrap());
    assert!(!catalog.drop_table(&raw()).await.unwrap());
}

#[test]
fn a_partition_goes_to_glue_and_back() {
    let input = mapping::partition_input(&hour(5), &types::StorageDescriptor::builder().build());
    let found = types::Partition::builder()
        .set_values(input.values)
        .set_storage_descriptor(input.storage_descriptor)
        .set_parameters(input.parameters)
        .build();
    assert_eq!(mapping::partition(found).unwrap(), hour(5));
}

#[tokio::test]
async fn partitions_take_the_place_of_others_whoever_is_there() {
    let (glue, catalog) = lake().await;
    let hours: Vec<_> = (0..250).map(hour).collect();
    catalog.add_partitions(&raw(), &hours[..150]).await.unwrap();
    let moved: Vec<_> =
        hours.iter().map(|hour| Partition { location: hour.location.join("moved"), ..hour.clone() }).collect();
    // An update whose answer is lost is done again, which does no harm.
    glue.fault("BatchUpdatePartition", Fault::Lose);
    catalog.put_partitions(&raw(), &moved).await.unwrap();
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), moved);
    assert_eq!(sizes(&glue, "BatchUpdatePartition", "Entries"), [100, 100, 50]);

    // One that is dropped between the two calls is created again.
    glue.fault("BatchUpdatePartition", Fault::FailFirst("EntityNotFoundException"));
    glue.state().partitions.get_mut("metering.raw").unwrap().truncate(1);
    let error = catalog.put_partitions(&raw(), &hours[..1]).await;
    assert!(error.is_ok(), "{error:?}");
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), hours[..1]);
}
