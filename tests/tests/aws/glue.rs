//! The catalog on Glue. It must do what the SQLite catalog does, whose tests these are.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_glue::Client;
use aws_sdk_glue::types::TableInput;
use meterlake_aws::GlueCatalog;
use meterlake_core::catalog::{Catalog, Column, KeyRange, Partition, PartitionFilter, StorageFormat, Table};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_tests::ministack::{bucket, sdk_config};

const HOUR: [&str; 4] = ["2023", "1", "31", "6"];

/// A lake of its own: a bucket and a database with the table `raw`, keyed by year, month, day and hour.
struct Lake {
    root: Location,
    database: Name,
    catalog: GlueCatalog,
}

impl Lake {
    async fn new() -> Self {
        static LAKES: AtomicU32 = AtomicU32::new(0);
        let database = name(&format!("lake_{}", LAKES.fetch_add(1, Ordering::Relaxed)));
        let root = bucket().await.join("lake");
        let lake = Self { catalog: GlueCatalog::new(&sdk_config()), root, database };
        assert!(lake.catalog.create_database(&lake.database).await.unwrap());
        assert!(lake.catalog.create_table(&lake.table("raw")).await.unwrap());
        lake
    }

    fn table(&self, table: &str) -> Table {
        let column = |name: &str, data_type: &str| Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            comment: Some(format!("the {name}")),
        };
        Table {
            name: TableName::new(self.database.clone(), name(table)),
            columns: vec![column("request_id", "string")],
            partition_keys: ["year", "month", "day", "hour"].map(|key| column(key, "int")).to_vec(),
            location: self.root.join("json-data"),
            format: StorageFormat { serde: "org.openx.data.jsonserde.JsonSerDe".to_owned(), ..Default::default() },
            parameters: [("classification".to_owned(), "json".to_owned())].into(),
        }
    }

    fn raw(&self) -> TableName {
        self.table("raw").name
    }

    async fn values(&self, filter: &PartitionFilter) -> Vec<String> {
        let partitions = self.catalog.partitions(&self.raw(), filter).await.unwrap();
        partitions.iter().map(|partition| partition.values.join(" ")).collect()
    }

    async fn add(&self, partitions: &[Partition]) -> usize {
        self.catalog.add_partitions(&self.raw(), partitions).await.unwrap()
    }
}

fn partition<const N: usize>(values: [&str; N], run: &str) -> Partition {
    let location = format!("s3://lake/사용자 'x'/{}/run={run}", values.join("/")).parse().unwrap();
    let parameters = [("fingerprint".to_owned(), format!("\"{run}\""))].into();
    Partition { values: values.map(str::to_owned).to_vec(), location, parameters }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn error<T: std::fmt::Debug>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.unwrap_err())
}

fn everything() -> PartitionFilter {
    PartitionFilter::default()
}

#[tokio::test]
async fn a_database_keeps_its_parameters() {
    let lake = Lake::new().await;
    let (catalog, database) = (&lake.catalog, &lake.database);
    assert!(!catalog.create_database(database).await.unwrap());
    for (key, value) in [("V001", "a"), ("V002", "b"), ("V001", "\"c\"")] {
        catalog.set_database_parameter(database, key, value).await.unwrap();
    }
    let kept = catalog.database(database).await.unwrap().unwrap();
    assert_eq!(kept.parameters, [("V001", "\"c\""), ("V002", "b")].map(|(k, v)| (k.into(), v.into())).into());
    assert_eq!(catalog.database(&name("other")).await.unwrap(), None);
    assert!(error(catalog.set_database_parameter(&name("other"), "k", "v").await).contains("database other"));
}

#[tokio::test]
async fn a_table_comes_back_as_it_was_created_and_is_replaced_only_by_an_update() {
    let lake = Lake::new().await;
    let catalog = &lake.catalog;
    let mut other = Table { columns: Vec::new(), ..lake.table("raw") };
    assert!(!catalog.create_table(&other).await.unwrap());
    assert_eq!(catalog.table(&lake.raw()).await.unwrap(), Some(lake.table("raw")));

    lake.add(&[partition(HOUR, "a")]).await;
    catalog.update_table(&other).await.unwrap();
    assert_eq!(catalog.table(&lake.raw()).await.unwrap(), Some(other.clone()));
    assert_eq!(lake.values(&everything()).await, ["2023 1 31 6"]);

    other.partition_keys.pop();
    assert!(error(catalog.update_table(&other).await).contains("partitions with 4 keys"));
    assert!(error(catalog.update_table(&lake.table("none")).await).contains("none does not exist"));
    other.name.database = name("nowhere");
    assert!(error(catalog.create_table(&other).await).contains("the database nowhere does not exist"));
}

#[tokio::test]
async fn a_dropped_table_takes_its_partitions_along() {
    let lake = Lake::new().await;
    let catalog = &lake.catalog;
    catalog.create_table(&lake.table("merged")).await.unwrap();
    lake.add(&[partition(HOUR, "a")]).await;
    assert_eq!(catalog.tables(&lake.database).await.unwrap(), [name("merged"), name("raw")]);
    // Other tests have databases in the same emulator.
    assert!(catalog.databases().await.unwrap().contains(&lake.database));

    assert!(catalog.drop_table(&lake.raw()).await.unwrap());
    assert!(!catalog.drop_table(&lake.raw()).await.unwrap());
    assert_eq!(catalog.tables(&lake.database).await.unwrap(), [name("merged")]);
    catalog.create_table(&lake.table("raw")).await.unwrap();
    assert_eq!(lake.values(&everything()).await, [""; 0]);
}

#[tokio::test]
async fn a_table_that_is_missing_is_named_with_the_way_to_create_it() {
    let lake = Lake::new().await;
    let (catalog, none, hour) = (&lake.catalog, lake.table("none").name, partition(HOUR, "a"));
    for error in [
        error(catalog.partitions(&none, &everything()).await),
        error(catalog.get_partitions(&none, &[]).await),
        error(catalog.add_partitions(&none, &[]).await),
        error(catalog.put_partitions(&none, std::slice::from_ref(&hour)).await),
        error(catalog.drop_partitions(&none, &[]).await),
    ] {
        assert!(
            error.contains(&format!("the table {none} does not exist")) && error.contains("--bin tables"),
            "{error}"
        );
    }
    assert_eq!(catalog.table(&none).await.unwrap(), None);
}

#[tokio::test]
async fn a_view_that_somebody_else_created_is_passed_over() {
    let lake = Lake::new().await;
    let view = TableInput::builder().name("a_view").table_type("VIRTUAL_VIEW").view_original_text("SELECT 1");
    let create = Client::new(&sdk_config()).create_table().database_name(lake.database.as_str());
    create.table_input(view.build().unwrap()).send().await.unwrap();
    assert_eq!(lake.catalog.tables(&lake.database).await.unwrap(), [name("raw")]);
    assert_eq!(lake.catalog.table(&lake.table("a_view").name).await.unwrap(), None);
}

#[tokio::test]
async fn partitions_are_added_once_and_found_in_the_order_asked() {
    let lake = Lake::new().await;
    let (six, seven) = (partition(HOUR, "a"), partition(["2023", "1", "31", "7"], "a"));
    assert_eq!(lake.add(std::slice::from_ref(&six)).await, 1);
    let again = partition(HOUR, "b");
    assert_eq!(lake.add(&[again.clone(), seven.clone(), seven.clone()]).await, 1);

    let missing = partition(["2023", "1", "31", "06"], "a").values;
    let asked = [seven.values.clone(), missing.clone(), six.values.clone()];
    let got = lake.catalog.get_partitions(&lake.raw(), &asked).await.unwrap();
    assert_eq!(got, [Some(seven), None, Some(six.clone())]);
    assert_eq!(lake.catalog.get_partitions(&lake.raw(), &[missing]).await.unwrap(), [None]);

    assert_eq!(lake.catalog.drop_partitions(&lake.raw(), &[six.values]).await.unwrap(), 1);
    assert_eq!(lake.values(&everything()).await, ["2023 1 31 7"]);
}

#[tokio::test]
async fn a_partition_has_one_value_for_each_key_or_none_of_the_call_is_added() {
    let lake = Lake::new().await;
    let (good, bad) = (partition(HOUR, "a"), partition(["2023", "1", "31"], "a"));
    let put = error(lake.catalog.put_partitions(&lake.raw(), std::slice::from_ref(&bad)).await);
    assert!(put.contains("[\"year\", \"month\", \"day\", \"hour\"]"), "{put}");
    let added = error(lake.catalog.add_partitions(&lake.raw(), &[good, bad]).await);
    assert!(added.contains("[\"2023\", \"1\", \"31\"]"), "{added}");
    assert_eq!(lake.values(&everything()).await, [""; 0]);
}

#[tokio::test]
async fn padded_and_plain_values_are_two_partitions_that_a_filter_both_finds() {
    let lake = Lake::new().await;
    let hours = [["2023", "1", "31", "10"], HOUR, ["2023", "01", "31", "06"], ["2023", "2", "1", "0"]];
    assert_eq!(lake.add(&hours.map(|hour| partition(hour, "a"))).await, 4);
    let january = everything().and("month", 1, 1);
    assert_eq!(lake.values(&january).await, ["2023 01 31 06", "2023 1 31 6", "2023 1 31 10"]);
}

#[tokio::test]
async fn the_filter_finds_what_the_core_filter_matches() {
    let lake = Lake::new().await;
    let odd = ["1", "01", "+1", "-1", "1.0", "1e0", " 1", "", "x", "__HIVE_DEFAULT_PARTITION__", "9223372036854775808"];
    let odd: Vec<_> = odd.iter().flat_map(|a| odd.map(|b| partition([a, b, "1", "1"], "a"))).collect();
    lake.add(&odd).await;
    let all = lake.catalog.partitions(&lake.raw(), &everything()).await.unwrap();
    assert_eq!(all.len(), odd.len());

    let range = |key: &str, min, max| KeyRange { key: key.to_owned(), min, max };
    for ranges in [
        vec![range("year", 1, 1)],
        vec![range("year", i64::MIN, i64::MAX)],
        vec![range("month", 0, 1), range("year", -1, 0)],
        vec![range("year", -5, 5), range("year", 1, 9)],
        vec![range("year", 1, 0)],
        vec![range("minute", 1, 1)],
    ] {
        let filter = PartitionFilter(ranges);
        let mut expected = all.clone();
        expected.retain(|partition| filter.matches(&lake.table("raw").partition_keys, &partition.values));
        assert_eq!(lake.catalog.partitions(&lake.raw(), &filter).await.unwrap(), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_day_is_found_among_two_thousand_hours() {
    let lake = Lake::new().await;
    let hour = |n: usize| [2020 + n / 672 / 12, n / 672 % 12 + 1, n / 24 % 28 + 1, n % 24].map(|n| n.to_string());
    let hours: Vec<_> = (0..2_000).map(|n| partition(hour(n).each_ref().map(String::as_str), "a")).collect();
    // In an order of no use: 7919 is prime to 2,000.
    let shuffled: Vec<_> = (0..2_000).map(|n| hours[n * 7919 % 2_000].clone()).collect();
    assert_eq!(lake.add(&shuffled).await, 2_000);
    assert_eq!(lake.add(&hours).await, 0);

    assert_eq!(lake.catalog.partitions(&lake.raw(), &everything()).await.unwrap(), hours);
    let day = everything().and("year", 2020, 2020).and("month", 3, 3).and("day", 14, 14);
    let first = 2 * 672 + 13 * 24;
    assert_eq!(lake.catalog.partitions(&lake.raw(), &day).await.unwrap(), hours[first..first + 24]);
}

#[tokio::test]
async fn partitions_take_the_place_of_others() {
    let lake = Lake::new().await;
    let (catalog, raw) = (&lake.catalog, lake.raw());
    let [first, second] = ["1", "2"].map(|run| partition(HOUR, run));
    let other = partition(["2023", "1", "31", "7"], "1");
    catalog.put_partitions(&raw, std::slice::from_ref(&first)).await.unwrap();
    catalog.put_partitions(&raw, &[second.clone(), other.clone()]).await.unwrap();
    assert_eq!(catalog.partitions(&raw, &everything()).await.unwrap(), [second, other]);
}
