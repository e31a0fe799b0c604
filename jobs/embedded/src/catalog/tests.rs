use meterlake_core::catalog::{Column, KeyRange, StorageFormat};

use super::*;

/// A new lake with the table `metering.raw`, keyed by year, month, day and hour.
pub(super) async fn lake() -> (tempfile::TempDir, SqliteCatalog) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(folder.path()).unwrap();
    assert!(catalog.create_database(&name("metering")).await.unwrap());
    assert!(catalog.create_table(&table("raw")).await.unwrap());
    (folder, catalog)
}

pub(super) fn raw() -> TableName {
    table("raw").name
}

pub(super) fn partition<const N: usize>(values: [&str; N], run: &str) -> Partition {
    let location = format!("s3://lake/사용자 'x'/{}/run={run}", values.join("/")).parse().unwrap();
    let parameters = [("fingerprint".to_owned(), format!("\"{run}\""))].into();
    Partition { values: values.map(str::to_owned).to_vec(), location, parameters }
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
        columns: vec![column("request_id", "string")],
        partition_keys: ["year", "month", "day", "hour"].map(|key| column(key, "int")).to_vec(),
        location: "s3://lake/json-data".parse().unwrap(),
        format: StorageFormat { serde: "org.openx.data.jsonserde.JsonSerDe".to_owned(), ..Default::default() },
        parameters: [("classification".to_owned(), "json".to_owned())].into(),
    }
}

fn error<T: std::fmt::Debug>(result: Result<T>) -> String {
    format!("{:#}", result.unwrap_err())
}

async fn values(catalog: &SqliteCatalog, filter: &PartitionFilter) -> Vec<String> {
    catalog.partitions(&raw(), filter).await.unwrap().iter().map(|partition| partition.values.join(" ")).collect()
}

fn everything() -> PartitionFilter {
    PartitionFilter::default()
}

#[tokio::test]
async fn a_database_keeps_its_parameters() {
    let (_folder, catalog) = lake().await;
    let metering = name("metering");
    assert!(!catalog.create_database(&metering).await.unwrap());
    for (key, value) in [("V001", "a"), ("V002", "b"), ("V001", "\"c\"")] {
        catalog.set_database_parameter(&metering, key, value).await.unwrap();
    }
    let database = catalog.database(&metering).await.unwrap().unwrap();
    assert_eq!(database.parameters, [("V001", "\"c\""), ("V002", "b")].map(|(k, v)| (k.into(), v.into())).into());
    assert_eq!(catalog.database(&name("other")).await.unwrap(), None);
    assert!(error(catalog.set_database_parameter(&name("other"), "k", "v").await).contains("database other"));
}

#[tokio::test]
async fn a_table_comes_back_as_it_was_created_and_is_replaced_only_by_an_update() {
    let (_folder, catalog) = lake().await;
    let mut other = Table { columns: Vec::new(), ..table("raw") };
    assert!(!catalog.create_table(&other).await.unwrap());
    assert_eq!(catalog.table(&raw()).await.unwrap(), Some(table("raw")));

    catalog.add_partitions(&raw(), &[partition(["2023", "1", "31", "6"], "a")]).await.unwrap();
    catalog.update_table(&other).await.unwrap();
    assert_eq!(catalog.table(&raw()).await.unwrap(), Some(other.clone()));
    assert_eq!(values(&catalog, &everything()).await, ["2023 1 31 6"]);

    other.partition_keys.pop();
    assert!(error(catalog.update_table(&other).await).contains("partitions with 4 keys"));
    assert!(error(catalog.update_table(&table("none")).await).contains("metering.none"));
}

#[tokio::test]
async fn a_table_needs_its_database_and_eight_keys_at_most() {
    let (_folder, catalog) = lake().await;
    let mut homeless = table("raw");
    homeless.name.database = name("nowhere");
    assert!(error(catalog.create_table(&homeless).await).contains("the database nowhere does not exist"));
    let mut wide = table("wide");
    wide.partition_keys = [(); 3].map(|()| table("raw").partition_keys).concat();
    assert!(error(catalog.create_table(&wide).await).contains("12 partition keys"));
}

#[tokio::test]
async fn a_dropped_table_takes_its_partitions_along() {
    let (_folder, catalog) = lake().await;
    catalog.create_table(&table("merged")).await.unwrap();
    catalog.add_partitions(&raw(), &[partition(["2023", "1", "31", "6"], "a")]).await.unwrap();
    assert_eq!(catalog.tables(&name("metering")).await.unwrap(), [name("merged"), name("raw")]);

    assert!(catalog.drop_table(&raw()).await.unwrap());
    assert!(!catalog.drop_table(&raw()).await.unwrap());
    assert_eq!(catalog.tables(&name("metering")).await.unwrap(), [name("merged")]);
    catalog.create_table(&table("raw")).await.unwrap();
    assert_eq!(values(&catalog, &everything()).await, [""; 0]);
}

#[tokio::test]
async fn a_table_that_is_missing_is_named_with_the_way_to_create_it() {
    let (_folder, catalog) = lake().await;
    let (none, hour) = (table("none").name, partition(["2023", "1", "31", "6"], "a"));
    for error in [
        error(catalog.partitions(&none, &everything()).await),
        error(catalog.get_partitions(&none, &[]).await),
        error(catalog.add_partitions(&none, &[]).await),
        error(catalog.put_partitions(&none, std::slice::from_ref(&hour)).await),
        error(catalog.drop_partitions(&none, &[]).await),
    ] {
        assert!(error.contains("the table metering.none does not exist") && error.contains("--bin tables"), "{error}");
    }
}

#[tokio::test]
async fn partitions_are_added_once_and_found_in_the_order_asked() {
    let (_folder, catalog) = lake().await;
    let (six, seven) = (partition(["2023", "1", "31", "6"], "a"), partition(["2023", "1", "31", "7"], "a"));
    assert_eq!(catalog.add_partitions(&raw(), std::slice::from_ref(&six)).await.unwrap(), 1);
    let again = partition(["2023", "1", "31", "6"], "b");
    assert_eq!(catalog.add_partitions(&raw(), &[again.clone(), seven.clone(), seven.clone()]).await.unwrap(), 1);

    let missing = partition(["2023", "1", "31", "06"], "a").values;
    let asked = [seven.values.clone(), missing.clone(), six.values.clone()];
    assert_eq!(catalog.get_partitions(&raw(), &asked).await.unwrap(), [Some(seven), None, Some(six.clone())]);

    assert_eq!(catalog.drop_partitions(&raw(), &[missing, six.values]).await.unwrap(), 1);
    assert_eq!(values(&catalog, &everything()).await, ["2023 1 31 7"]);
}

#[tokio::test]
async fn a_partition_has_one_value_for_each_key_or_none_of_the_call_is_added() {
    let (_folder, catalog) = lake().await;
    let (good, bad) = (partition(["2023", "1", "31", "6"], "a"), partition(["2023", "1", "31"], "a"));
    let put = catalog.put_partitions(&raw(), &[good.clone(), bad.clone()]).await;
    assert!(error(put).contains("[\"year\", \"month\", \"day\", \"hour\"]"));
    assert!(error(catalog.add_partitions(&raw(), &[good, bad]).await).contains("[\"2023\", \"1\", \"31\"]"));
    assert_eq!(values(&catalog, &everything()).await, [""; 0]);
}

#[tokio::test]
async fn padded_and_plain_values_are_two_partitions_that_a_filter_both_finds() {
    let (_folder, catalog) = lake().await;
    let hours =
        [["2023", "1", "31", "10"], ["2023", "1", "31", "6"], ["2023", "01", "31", "06"], ["2023", "2", "1", "0"]];
    assert_eq!(catalog.add_partitions(&raw(), &hours.map(|hour| partition(hour, "a"))).await.unwrap(), 4);
    assert_eq!(
        values(&catalog, &everything().and("month", 1, 1)).await,
        ["2023 01 31 06", "2023 1 31 6", "2023 1 31 10"]
    );
}

#[tokio::test]
async fn the_filter_finds_what_the_core_filter_matches() {
    let (_folder, catalog) = lake().await;
    let odd = ["1", "01", "+1", "-1", "1.0", "1e0", " 1", "", "x", "__HIVE_DEFAULT_PARTITION__", "9223372036854775808"];
    let odd: Vec<_> = odd.iter().flat_map(|a| odd.map(|b| partition([a, b, "1", "1"], "a"))).collect();
    catalog.add_partitions(&raw(), &odd).await.unwrap();
    let all = catalog.partitions(&raw(), &everything()).await.unwrap();
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
        expected.retain(|partition| filter.matches(&table("raw").partition_keys, &partition.values));
        assert_eq!(catalog.partitions(&raw(), &filter).await.unwrap(), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_day_is_found_among_twenty_thousand_hours() {
    let (_folder, catalog) = lake().await;
    let hour = |n: usize| [2020 + n / 8064, n / 672 % 12 + 1, n / 24 % 28 + 1, n % 24].map(|n| n.to_string());
    let hours: Vec<_> = (0..20_000).map(|n| partition(hour(n).each_ref().map(String::as_str), "a")).collect();
    // In an order of no use: 7919 is prime to 20,000.
    let shuffled: Vec<_> = (0..20_000).map(|n| hours[n * 7919 % 20_000].clone()).collect();
    assert_eq!(catalog.add_partitions(&raw(), &shuffled).await.unwrap(), 20_000);
    assert_eq!(catalog.add_partitions(&raw(), &hours).await.unwrap(), 0);

    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), hours);
    let day = everything().and("year", 2021, 2021).and("month", 3, 3).and("day", 14, 14);
    let first = 8064 + 2 * 672 + 13 * 24;
    assert_eq!(catalog.partitions(&raw(), &day).await.unwrap(), hours[first..first + 24]);
    assert_eq!(values(&catalog, &everything().and("hour", 23, 99)).await.len(), 20_000 / 24);
}

#[tokio::test]
async fn partitions_take_the_place_of_others() {
    let (_folder, catalog) = lake().await;
    let [first, second] = ["1", "2"].map(|run| partition(["2023", "1", "31", "6"], run));
    let other = partition(["2023", "1", "31", "7"], "1");
    catalog.put_partitions(&raw(), std::slice::from_ref(&first)).await.unwrap();
    catalog.put_partitions(&raw(), &[first, other.clone(), second.clone()]).await.unwrap();
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), [second, other]);
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let (folder, catalog) = lake().await;
    let hour = partition(["2023", "1", "31", "6"], "a");
    catalog.add_partitions(&raw(), std::slice::from_ref(&hour)).await.unwrap();
    drop(catalog);
    let catalog = SqliteCatalog::open(folder.path()).unwrap();
    assert_eq!(catalog.table(&raw()).await.unwrap(), Some(table("raw")));
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), [hour]);
}

#[tokio::test]
async fn a_lake_that_was_moved_is_read_where_it_is() {
    let parent = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| parent.path().join(name));
    std::fs::create_dir(&here).unwrap();
    let catalog = SqliteCatalog::open(&here).unwrap();
    let root = |path: &Path| Location::from_path(path).unwrap();
    let inside = |lake: &Path, table: &Table| Table { location: root(lake).join("json-data"), ..table.clone() };
    let hour = |lake: &Path| Partition {
        location: root(lake).join("json-data/사용자"),
        ..partition(["1", "1", "1", "1"], "a")
    };
    let outside = partition(["1", "1", "1", "2"], "a");
    catalog.create_database(&name("metering")).await.unwrap();
    catalog.create_table(&inside(&here, &table("raw"))).await.unwrap();
    catalog.create_table(&Table { location: root(&here), ..table("lake") }).await.unwrap();
    catalog.put_partitions(&raw(), &[hour(&here), outside.clone()]).await.unwrap();
    drop(catalog);
    std::fs::rename(&here, &there).unwrap();

    let catalog = SqliteCatalog::open(&there).unwrap();
    assert_eq!(catalog.table(&raw()).await.unwrap(), Some(inside(&there, &table("raw"))));
    assert_eq!(catalog.table(&table("lake").name).await.unwrap().unwrap().location, root(&there));
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), [hour(&there), outside]);
}

#[tokio::test]
async fn an_error_of_the_file_names_it() {
    let (folder, catalog) = lake().await;
    let file = folder.path().join(".meterlake/catalog.sqlite");
    Connection::open(&file).unwrap().execute("UPDATE tables SET definition = '{'", []).unwrap();
    let error = error(catalog.table(&raw()).await);
    assert!(error.starts_with(&format!("cannot read the catalog {}: ", file.display())), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn a_lake_that_is_not_there_is_named_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    assert!(error(SqliteCatalog::open(&lake)).contains(&format!("no lake folder {}", lake.display())));
    assert!(!lake.exists());
}
