//! What is left when a job is done: what it was to make, and nothing else.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use bytes::Bytes;
use meterlake_core::catalog::{Parameters, Partition, PartitionFilter, Table};
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::log;
use meterlake_core::names::TableName;
use meterlake_core::store::visible_objects;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

/// The files of a month's invoices that say the same whenever they are made.
const EXPORTS: [&str; 3] = ["invoices.csv", "line_items.csv", "focus.csv"];

/// What a job made, without what differs from run to run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct State {
    /// What the database remembers of the SQL files that were applied.
    applied: Parameters,
    tables: BTreeMap<String, Made>,
    /// By month and name.
    exports: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Made {
    table: Table,
    /// The notes of each partition, by its values.
    partitions: BTreeMap<String, Parameters>,
    /// None where the objects are not Parquet.
    rows: Vec<String>,
}

impl State {
    /// Reads what some tables hold. Checks that beside raw objects, what is published, and what is documented to stay,
    /// nothing is in the lake.
    pub(super) async fn of(lake: &Lake, s3: &Client, tables: &[&TableName], place: &str) -> Self {
        let layout = &lake.layout;
        let names = lake.catalog.tables(&lake.config.database).await.unwrap();
        assert!(names.iter().all(|name| !name.as_str().contains("staging")), "{place}: {names:?}");
        let mut published = BTreeMap::new();
        let (raw, merged) = ([&layout.raw, &layout.lines], [&layout.merged, &layout.copies, &layout.malformed]);
        let later = [&layout.usage_daily, &layout.invoices, &layout.line_items];
        for name in raw.into_iter().chain(merged).chain(later) {
            if names.contains(&name.name.table) {
                let partitions = lake.catalog.partitions(&name.name, &PartitionFilter::default()).await.unwrap();
                published.insert(&name.name, partitions);
            }
        }
        assert_no_stray(lake, &published, place).await;
        let (bucket, key) = lake.config.lake.bucket_and_key().unwrap();
        let uploads = s3.list_multipart_uploads().bucket(bucket).prefix(format!("{key}/")).send().await.unwrap();
        assert!(uploads.uploads().is_empty(), "{place}: {:?}", uploads.uploads());

        let (mut made, mut exports) = (BTreeMap::new(), BTreeMap::new());
        for name in tables {
            let partitions = &published[name];
            if **name == layout.invoices.name {
                exports = exports_of(lake, partitions).await;
            }
            let mut table = lake.catalog.table(name).await.unwrap().unwrap();
            table.location = in_lake(lake, &table.location);
            table.name = TableName::new("the_database".parse().unwrap(), name.table.clone());
            let is_parquet = ![&layout.raw.name, &layout.lines.name].contains(name);
            let rows = if is_parquet { rows(lake, partitions).await } else { Vec::new() };
            let noted = |partition: &Partition| (partition.values.join("/"), notes(lake, partition));
            let partitions = partitions.iter().map(noted).collect();
            made.insert(name.table.to_string(), Made { table, partitions, rows });
        }
        let mut applied = lake.catalog.database(&lake.config.database).await.unwrap().unwrap().parameters;
        applied.retain(|key, _| key.starts_with("meterlake.tables.v"));
        Self { applied, tables: made, exports }
    }
}

/// What a partition says of itself: its place only where it is no generation's. Into how many files rows go, and of which
/// sizes, is a matter of time, and so is when a month was claimed.
fn notes(lake: &Lake, partition: &Partition) -> Parameters {
    match partition.parameters.get("meterlake.notes") {
        Some(notes) => {
            let notes: BTreeMap<String, Value> = serde_json::from_str(notes).unwrap();
            let is_chance = |key: &str| key.starts_with("output_") || key == "adjusted_since";
            let notes = notes.into_iter().filter(|(key, _)| !is_chance(key)).map(|(key, note)| (key, note.to_string()));
            let others = ["sql", "fingerprint"].map(|key| {
                let value = partition.parameters.get(&format!("meterlake.{key}"));
                (key.to_owned(), value.cloned().unwrap())
            });
            notes.chain(others).collect()
        }
        None => {
            let location = &partition.location;
            // A generation's name is left to chance; what lies in it is not.
            let generation = Generation::folder_around(location);
            let place =
                location.relative_to(&generation).map_or_else(|| in_lake(lake, location).to_string(), str::to_owned);
            [("location".to_owned(), place)].into()
        }
    }
}

/// The same place in a lake of another name.
fn in_lake(lake: &Lake, location: &Location) -> Location {
    let root: Location = "s3://the-lake".parse().unwrap();
    root.join(location.relative_to(&lake.config.lake).unwrap())
}

/// The rows of some partitions: records of their Parquet files, as text, each with its partition's values.
async fn rows(lake: &Lake, partitions: &[Partition]) -> Vec<String> {
    let mut rows = Vec::new();
    for partition in partitions {
        for object in visible_objects(&*lake.store, &partition.location).await.unwrap() {
            let content = lake.store.read(&object.location).await.unwrap().unwrap();
            let file = SerializedFileReader::new(Bytes::from(content)).unwrap();
            let records = file.get_row_iter(None).unwrap();
            rows.extend(records.map(|record| format!("{} {}", partition.values.join("/"), record.unwrap())));
        }
    }
    rows.sort();
    rows
}

async fn exports_of(lake: &Lake, partitions: &[Partition]) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for partition in partitions {
        for name in EXPORTS {
            let object = generation_of_invoices(partition).join(name);
            let content = lake.store.read(&object).await.unwrap().unwrap();
            exports.insert(format!("{} {name}", partition.values.join("/")), String::from_utf8(content).unwrap());
        }
    }
    exports
}

/// The folder of all that a published month's run wrote: …/run=…, of which the partition names …/tables/invoices.
fn generation_of_invoices(partition: &Partition) -> Location {
    partition.location.parent().parent()
}

async fn assert_no_stray(lake: &Lake, published: &BTreeMap<&TableName, Vec<Partition>>, place: &str) {
    let layout = &lake.layout;
    let mut kept = vec![layout.raw.folder.clone(), lake.config.lake.join(log::FOLDER)];
    for (name, partitions) in published {
        kept.extend(partitions.iter().map(|partition| {
            let is_of_invoices = **name == layout.invoices.name || **name == layout.line_items.name;
            if is_of_invoices {
                generation_of_invoices(partition)
            } else {
                Generation::folder_around(&partition.location)
            }
        }));
    }
    let is_kept = |object: &Location| kept.iter().any(|folder| object.relative_to(folder).is_some());
    let objects = lake.store.list(&lake.config.lake).await.unwrap();
    let stray: Vec<_> = objects.iter().map(|object| &object.location).filter(|object| !is_kept(object)).collect();
    assert!(stray.is_empty(), "{place}: {stray:?}");
}
