//! A lake as a job finds it, prepared once and copied for each try.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::SdkConfig;
use aws_sdk_glue::types::DatabaseInput;
use meterlake_aws::{GlueCatalog, S3Store};
use meterlake_core::catalog::{Catalog, Parameters, Partition, PartitionFilter, Table};
use meterlake_core::config::Config;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::names::TableName;
use meterlake_core::store::Store;
use meterlake_tests::ministack::{bucket, sdk_config};

/// Everything in a lake: its objects, its tables and their partitions.
pub(super) struct Template {
    /// Settings of clients that call the emulator. They share their connections.
    pub(super) sdk: SdkConfig,
    root: Location,
    /// The bucket of all copies.
    pub(super) bucket: Location,
    /// Of the database; `None`: there is none.
    parameters: Option<Parameters>,
    tables: Vec<(Table, Vec<Partition>)>,
    /// By their paths in the lake.
    objects: Vec<(String, Vec<u8>)>,
}

impl Template {
    /// Takes a lake down.
    pub(super) async fn of(lake: &Lake) -> Self {
        let root = lake.config.lake.clone();
        let database = lake.catalog.database(&lake.config.database).await.unwrap();
        let mut tables = Vec::new();
        for name in lake.catalog.tables(&lake.config.database).await.unwrap() {
            let name = TableName::new(lake.config.database.clone(), name);
            let partitions = lake.catalog.partitions(&name, &PartitionFilter::default()).await.unwrap();
            tables.push((lake.catalog.table(&name).await.unwrap().unwrap(), partitions));
        }
        let mut objects = Vec::new();
        for object in lake.store.list(&root).await.unwrap() {
            let path = object.location.relative_to(&root).unwrap().to_owned();
            objects.push((path, lake.store.read(&object.location).await.unwrap().unwrap()));
        }
        let parameters = database.map(|database| database.parameters);
        // Each client would load the certificates of the world, for nothing, if it might need them.
        let plain = aws_smithy_http_client::Builder::new().build_http();
        let sdk = sdk_config().into_builder().http_client(plain).build();
        Self { sdk, root, bucket: bucket().await, parameters, tables, objects }
    }

    /// Makes a lake like it, with a folder and a database of its own; gives the settings that name it.
    pub(super) async fn copy(&self, like: &Config) -> Config {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let name = format!("cut_{:04}", COPIES.fetch_add(1, Ordering::Relaxed));
        let config = Config { lake: self.bucket.join(&name), database: name.parse().unwrap(), ..like.clone() };
        let store = Arc::new(S3Store::new(&self.sdk));
        let catalog = GlueCatalog::new(&self.sdk);
        for (path, content) in &self.objects {
            store.write(&config.lake.join(path), content).await.unwrap();
        }
        if let Some(parameters) = &self.parameters {
            let database =
                DatabaseInput::builder().name(name).set_parameters(Some(parameters.clone().into_iter().collect()));
            let glue = aws_sdk_glue::Client::new(&self.sdk);
            glue.create_database().database_input(database.build().unwrap()).send().await.unwrap();
        }
        let moved = |location: &Location| match location.relative_to(&self.root) {
            Some(path) => config.lake.join(path),
            None => location.clone(),
        };
        for (table, partitions) in &self.tables {
            let name = TableName::new(config.database.clone(), table.name.table.clone());
            let copy = Table { name, location: moved(&table.location), ..table.clone() };
            assert!(catalog.create_table(&copy).await.unwrap());
            let partition = |one: &Partition| Partition { location: moved(&one.location), ..one.clone() };
            catalog.add_partitions(&copy.name, &partitions.iter().map(partition).collect::<Vec<_>>()).await.unwrap();
        }
        config
    }
}
