//! Databases and tables, as rows.

use anyhow::{Context, Result, bail, ensure};
use meterlake_core::catalog::{Database, Parameters, Table};
use meterlake_core::names::{Name, TableName};
use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use super::columns::{Json, Text};
use super::partitions;
use super::places::Db;

pub(super) fn create_database(db: &Db<'_>, name: &Name) -> Result<bool> {
    let sql = "INSERT INTO databases (name, parameters) VALUES (?, ?) ON CONFLICT DO NOTHING";
    Ok(db.prepare_cached(sql)?.execute(params![name.as_str(), Json(Parameters::new())])? == 1)
}

pub(super) fn database(db: &Db<'_>, name: &Name) -> Result<Option<Database>> {
    let mut query = db.prepare_cached("SELECT parameters FROM databases WHERE name = ?")?;
    let parameters = query.query_row([name.as_str()], |row| row.get(0)).optional()?;
    Ok(parameters.map(|Json(parameters)| Database { name: name.clone(), parameters }))
}

fn required_database(db: &Db<'_>, name: &Name) -> Result<Database> {
    match database(db, name)? {
        Some(database) => Ok(database),
        None => bail!("the database {name} does not exist: create it with `cargo run --bin tables`"),
    }
}

pub(super) fn set_database_parameter(db: &Db<'_>, name: &Name, key: &str, value: &str) -> Result<()> {
    let mut parameters = required_database(db, name)?.parameters;
    parameters.insert(key.to_owned(), value.to_owned());
    let sql = "UPDATE databases SET parameters = ? WHERE name = ?";
    db.prepare_cached(sql)?.execute(params![Json(parameters), name.as_str()])?;
    Ok(())
}

pub(super) fn create(db: &Db<'_>, table: &Table) -> Result<bool> {
    check_keys(table)?;
    required_database(db, &table.name.database)?;
    let sql = "INSERT INTO tables (database_name, name, definition) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    let row = params![table.name.database.as_str(), table.name.table.as_str(), Json(stored(db, table)?)];
    Ok(db.prepare_cached(sql)?.execute(row)? == 1)
}

pub(super) fn find(db: &Db<'_>, name: &TableName) -> Result<Option<Table>> {
    let mut query = db.prepare_cached("SELECT definition FROM tables WHERE database_name = ? AND name = ?")?;
    let definition = query.query_row([name.database.as_str(), name.table.as_str()], |row| row.get(0)).optional()?;
    definition.map(|Json(definition)| found(db, definition)).transpose()
}

/// A definition as it is stored: with its location relative to the lake.
fn stored(db: &Db<'_>, table: &Table) -> Result<Value> {
    let mut definition = serde_json::to_value(table)?;
    definition["location"] = db.stored(&table.location).into();
    Ok(definition)
}

fn found(db: &Db<'_>, mut definition: Value) -> Result<Table> {
    let location = definition["location"].as_str().unwrap_or_default();
    definition["location"] = db.found(location)?.to_string().into();
    serde_json::from_value(definition).context("the catalog has a table that it cannot have written")
}

/// The table, or the error that [`meterlake_core::catalog::required_table`] gives, inside a transaction.
pub(super) fn required(db: &Db<'_>, name: &TableName) -> Result<Table> {
    match find(db, name)? {
        Some(table) => Ok(table),
        None => bail!("the table {name} does not exist: create it with `cargo run --bin tables`"),
    }
}

pub(super) fn update(db: &Db<'_>, table: &Table) -> Result<()> {
    check_keys(table)?;
    let name = &table.name;
    let old = required(db, name)?;
    // The partitions stay, and theirs must still be one value per key.
    ensure!(
        old.partition_keys.len() == table.partition_keys.len() || !partitions::any(db, name)?,
        "the table {name} has partitions with {} keys and cannot get {}: drop the partitions first",
        old.partition_keys.len(),
        table.partition_keys.len(),
    );
    let sql = "UPDATE tables SET definition = ? WHERE database_name = ? AND name = ?";
    db.prepare_cached(sql)?.execute(params![Json(stored(db, table)?), name.database.as_str(), name.table.as_str()])?;
    Ok(())
}

/// The partitions go with their table, by `ON DELETE CASCADE`.
pub(super) fn drop(db: &Db<'_>, name: &TableName) -> Result<bool> {
    let sql = "DELETE FROM tables WHERE database_name = ? AND name = ?";
    Ok(db.prepare_cached(sql)?.execute([name.database.as_str(), name.table.as_str()])? == 1)
}

pub(super) fn database_names(db: &Db<'_>) -> Result<Vec<Name>> {
    let mut query = db.prepare_cached("SELECT name FROM databases ORDER BY name")?;
    let names = query.query_map([], |row| row.get(0).map(|Text(name)| name))?;
    Ok(names.collect::<Result<_, _>>()?)
}

pub(super) fn names(db: &Db<'_>, database: &Name) -> Result<Vec<Name>> {
    let mut query = db.prepare_cached("SELECT name FROM tables WHERE database_name = ? ORDER BY name")?;
    let names = query.query_map([database.as_str()], |row| row.get(0).map(|Text(name)| name))?;
    Ok(names.collect::<Result<_, _>>()?)
}

fn check_keys(table: &Table) -> Result<()> {
    let (count, most) = (table.partition_keys.len(), partitions::MOST_KEYS);
    ensure!(count <= most, "the table {} has {count} partition keys: a SQLite catalog takes {most}", table.name);
    Ok(())
}
