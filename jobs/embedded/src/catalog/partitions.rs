//! Partitions, as rows.

use anyhow::{Result, ensure};
use meterlake_core::catalog::{Column, Parameters, Partition, PartitionFilter, Table};
use meterlake_core::names::TableName;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

use super::columns::Json;
use super::places::Db;
use super::tables;

/// As many keys as the schema has columns `k1`, `k2`, …
pub(super) const MOST_KEYS: usize = 8;

pub(super) fn list(db: &Db<'_>, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
    let keys = tables::required(db, table)?.partition_keys;
    let Some((conditions, bounds)) = conditions(&keys, filter) else { return Ok(Vec::new()) };
    let mut query = db.prepare_cached(&format!(
        "SELECT key_values, location, parameters FROM partitions \
         WHERE database_name = ? AND table_name = ?{conditions} \
         ORDER BY k1, k2, k3, k4, k5, k6, k7, k8, key_values"
    ))?;
    let of_table = [&table.database, &table.table].map(|name| Value::Text(name.to_string()));
    let rows = query.query_map(params_from_iter(of_table.into_iter().chain(bounds)), row)?;
    rows.map(|row| partition(db, row?)).collect()
}

/// The filter in SQL and its parameters; `None` where a range is of no key of the table, which no partition passes.
fn conditions(keys: &[Column], filter: &PartitionFilter) -> Option<(String, Vec<Value>)> {
    let mut conditions = String::new();
    let mut bounds = Vec::new();
    for range in &filter.0 {
        let number = keys.iter().position(|key| key.name == range.key)? + 1;
        bounds.push(Value::Integer(range.min));
        // An index is searched by equal keys and at most one range after them, so a range of one value is written `=`.
        if range.min == range.max {
            conditions.push_str(&format!(" AND k{number} = ?"));
        } else {
            conditions.push_str(&format!(" AND k{number} BETWEEN ? AND ?"));
            bounds.push(Value::Integer(range.max));
        }
    }
    Some((conditions, bounds))
}

pub(super) fn get(db: &Db<'_>, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
    tables::required(db, table)?;
    values.iter().map(|values| find(db, table, values)).collect()
}

pub(super) fn add(db: &Db<'_>, table: &TableName, partitions: &[Partition]) -> Result<usize> {
    let definition = tables::required(db, table)?;
    let mut added = 0;
    for partition in partitions {
        check_values(&definition, partition)?;
        added += insert(db, table, partition)?;
    }
    Ok(added)
}

pub(super) fn put(db: &Db<'_>, table: &TableName, partitions: &[Partition]) -> Result<()> {
    let definition = tables::required(db, table)?;
    for partition in partitions {
        check_values(&definition, partition)?;
        if insert(db, table, partition)? == 0 {
            update(db, table, partition)?;
        }
    }
    Ok(())
}

pub(super) fn drop(db: &Db<'_>, table: &TableName, values: &[Vec<String>]) -> Result<usize> {
    tables::required(db, table)?;
    let sql = "DELETE FROM partitions WHERE database_name = ? AND table_name = ? AND key_values = ?";
    let mut delete = db.prepare_cached(sql)?;
    let mut dropped = 0;
    for values in values {
        dropped += delete.execute(params![table.database.as_str(), table.table.as_str(), Json(values)])?;
    }
    Ok(dropped)
}

/// Whether the table has a partition.
pub(super) fn any(db: &Db<'_>, table: &TableName) -> Result<bool> {
    let mut query = db.prepare_cached("SELECT 1 FROM partitions WHERE database_name = ? AND table_name = ? LIMIT 1")?;
    Ok(query.exists([table.database.as_str(), table.table.as_str()])?)
}

fn find(db: &Db<'_>, table: &TableName, values: &[String]) -> Result<Option<Partition>> {
    let mut query = db.prepare_cached(
        "SELECT key_values, location, parameters FROM partitions \
         WHERE database_name = ? AND table_name = ? AND key_values = ?",
    )?;
    let of_partition = params![table.database.as_str(), table.table.as_str(), Json(values)];
    query.query_row(of_partition, row).optional()?.map(|row| partition(db, row)).transpose()
}

/// 1, or 0 if a partition with these values is there, which then stays as it is.
fn insert(db: &Db<'_>, table: &TableName, partition: &Partition) -> Result<usize> {
    let mut insert = db.prepare_cached(
        "INSERT INTO partitions (database_name, table_name, key_values, location, parameters, \
         k1, k2, k3, k4, k5, k6, k7, k8) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )?;
    let [k1, k2, k3, k4, k5, k6, k7, k8] = sortable(&partition.values);
    let (location, parameters) = (db.stored(&partition.location), Json(&partition.parameters));
    let (database, table, values) = (table.database.as_str(), table.table.as_str(), Json(&partition.values));
    Ok(insert.execute(params![database, table, values, location, parameters, k1, k2, k3, k4, k5, k6, k7, k8])?)
}

fn update(db: &Db<'_>, table: &TableName, partition: &Partition) -> Result<usize> {
    let mut update = db.prepare_cached(
        "UPDATE partitions SET location = ?, parameters = ? \
         WHERE database_name = ? AND table_name = ? AND key_values = ?",
    )?;
    let (location, parameters) = (db.stored(&partition.location), Json(&partition.parameters));
    let (database, table, values) = (table.database.as_str(), table.table.as_str(), Json(&partition.values));
    Ok(update.execute(params![location, parameters, database, table, values])?)
}

/// The columns `k1`, `k2`, …: what is an integer to [`PartitionFilter::matches`] is a number, all else is text.
fn sortable(values: &[String]) -> [Value; MOST_KEYS] {
    std::array::from_fn(|at| match values.get(at) {
        Some(value) => value.parse().map_or_else(|_| Value::Text(value.clone()), Value::Integer),
        None => Value::Null,
    })
}

/// Values, location and parameters as they are stored.
type Stored = (Vec<String>, String, Parameters);

fn row(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let (Json(values), location, Json(parameters)) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok((values, location, parameters))
}

fn partition(db: &Db<'_>, (values, location, parameters): Stored) -> Result<Partition> {
    Ok(Partition { values, location: db.found(&location)?, parameters })
}

fn check_values(table: &Table, partition: &Partition) -> Result<()> {
    let keys: Vec<_> = table.partition_keys.iter().map(|key| key.name.as_str()).collect();
    ensure!(
        partition.values.len() == keys.len(),
        "the partition {:?} does not have one value for each key of {}, which are {keys:?}",
        partition.values,
        table.name,
    );
    Ok(())
}
