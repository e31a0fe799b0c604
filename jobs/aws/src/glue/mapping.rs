//! What our tables and partitions are in Glue.

use std::collections::HashMap;

use anyhow::{Context, Result};
use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types;
use meterlake_core::catalog::{Column, Database, Parameters, Partition, StorageFormat, Table};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};

/// The parameter by which Hive tells tables that own their data from those that do not.
const EXTERNAL: &str = "EXTERNAL";

/// A partition as we see it.
///
/// # Errors
/// Its location is none that a lake can have. To pass it over would be to lose its calls.
pub(super) fn partition(found: types::Partition) -> Result<Partition> {
    let values = found.values.unwrap_or_default();
    let location = location(found.storage_descriptor.as_ref())
        .with_context(|| format!("the partition {values:?} has no location in S3: drop it, or add it anew"))?;
    Ok(Partition { values, location, parameters: parameters(found.parameters) })
}

/// What Glue is told of a partition: read as its table is, but from its own location.
pub(super) fn partition_input(partition: &Partition, of_table: &types::StorageDescriptor) -> types::PartitionInput {
    let mut descriptor = of_table.clone();
    descriptor.location = Some(folder(&partition.location));
    types::PartitionInput::builder()
        .set_values(Some(partition.values.clone()))
        .storage_descriptor(descriptor)
        .set_parameters(Some(map(&partition.parameters)))
        .build()
}

/// A table as we see it; `None` for what is none to us: a view, or a table whose objects do not lie in one folder.
pub(super) fn table(name: &TableName, found: &types::Table) -> Option<Table> {
    let descriptor = found.storage_descriptor.as_ref()?;
    if found.table_type.as_deref().is_some_and(|table_type| table_type.contains("VIEW")) {
        return None;
    }
    let serde = descriptor.serde_info.as_ref();
    let mut parameters = parameters(found.parameters.clone());
    parameters.remove(EXTERNAL);
    Some(Table {
        name: name.clone(),
        columns: descriptor.columns().iter().map(column).collect(),
        partition_keys: found.partition_keys().iter().map(column).collect(),
        location: location(Some(descriptor))?,
        format: StorageFormat {
            input_format: descriptor.input_format.clone().unwrap_or_default(),
            output_format: descriptor.output_format.clone().unwrap_or_default(),
            serde: serde.and_then(|serde| serde.serialization_library.clone()).unwrap_or_default(),
            serde_parameters: serde_parameters(serde),
        },
        parameters,
    })
}

/// What Glue is told of a table. An update replaces all that Glue knows, so what `old` has and our tables do not is
/// carried over.
pub(super) fn table_input(table: &Table, old: Option<&types::Table>) -> Result<types::TableInput, BuildError> {
    let mut descriptor = old
        .and_then(|old| old.storage_descriptor.clone())
        .unwrap_or_else(|| types::StorageDescriptor::builder().build());
    descriptor.columns = Some(columns(&table.columns, descriptor.columns())?);
    descriptor.location = Some(folder(&table.location));
    descriptor.input_format = some(&table.format.input_format);
    descriptor.output_format = some(&table.format.output_format);
    let serde = types::SerDeInfo::builder()
        .set_name(descriptor.serde_info.and_then(|serde| serde.name))
        .set_serialization_library(some(&table.format.serde))
        .set_parameters(Some(map(&table.format.serde_parameters)));
    descriptor.serde_info = Some(serde.build());

    let keys = columns(&table.partition_keys, old.map(|old| old.partition_keys()).unwrap_or_default())?;
    let input = types::TableInput::builder()
        .name(table.name.table.as_str())
        .storage_descriptor(descriptor)
        .set_partition_keys(Some(keys))
        .set_parameters(Some(map(&table.parameters)))
        .parameters(EXTERNAL, "TRUE")
        .table_type("EXTERNAL_TABLE");
    let Some(old) = old.cloned() else { return input.build() };
    let input = match old.table_type {
        Some(table_type) => input.table_type(table_type),
        None => input,
    };
    input
        .retention(old.retention)
        .set_description(old.description)
        .set_owner(old.owner)
        .set_last_access_time(old.last_access_time)
        .set_last_analyzed_time(old.last_analyzed_time)
        .set_target_table(old.target_table)
        .build()
}

pub(super) fn database(name: &Name, found: &types::Database) -> Database {
    Database { name: name.clone(), parameters: parameters(found.parameters.clone()) }
}

/// What Glue is told of a database to set one parameter: all that it knows, and that.
pub(super) fn database_input(
    found: types::Database,
    key: &str,
    value: &str,
) -> Result<types::DatabaseInput, BuildError> {
    types::DatabaseInput::builder()
        .name(found.name)
        .set_description(found.description)
        .set_location_uri(found.location_uri)
        .set_parameters(found.parameters)
        .parameters(key, value)
        .set_create_table_default_permissions(found.create_table_default_permissions)
        .set_target_database(found.target_database)
        .set_federated_database(found.federated_database)
        .build()
}

fn column(found: &types::Column) -> Column {
    Column {
        name: found.name.to_lowercase(),
        data_type: found.r#type.as_deref().unwrap_or_default().to_lowercase(),
        comment: found.comment.clone(),
    }
}

fn columns(columns: &[Column], old: &[types::Column]) -> Result<Vec<types::Column>, BuildError> {
    let input = |column: &Column| {
        let old = old.iter().find(|old| old.name.to_lowercase() == column.name);
        types::Column::builder()
            .name(&column.name)
            .r#type(&column.data_type)
            .set_comment(column.comment.clone())
            .set_parameters(old.and_then(|old| old.parameters.clone()))
            .build()
    };
    columns.iter().map(input).collect()
}

/// Glue keeps any text as a location; only URIs are read as one.
fn location(descriptor: Option<&types::StorageDescriptor>) -> Option<Location> {
    descriptor?.location.as_deref().filter(|text| text.contains("://"))?.parse().ok()
}

/// A folder with its trailing slash, lest `hour=1` is taken for a prefix of `hour=10`.
fn folder(location: &Location) -> String {
    format!("{location}/")
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn serde_parameters(serde: Option<&types::SerDeInfo>) -> Parameters {
    parameters(serde.and_then(|serde| serde.parameters.clone()))
}

fn parameters(found: Option<HashMap<String, String>>) -> Parameters {
    found.unwrap_or_default().into_iter().collect()
}

fn map(parameters: &Parameters) -> HashMap<String, String> {
    parameters.clone().into_iter().collect()
}
