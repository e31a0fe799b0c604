//! Tables that tell of tables, as Trino has them: `information_schema`, and `"t$partitions"`.

use std::sync::Arc;

use anyhow::Result;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::plan_err;
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result as PlanResult};
use meterlake_core::catalog::{Catalog, Column, PartitionFilter, Table};
use meterlake_core::names::TableName;

use super::filter::values;
use crate::CATALOG;
use crate::dialect::INFORMATION_SCHEMA;
use crate::functions::trino_name;
use crate::statement::type_to_arrow;

/// The tables of `information_schema` with their columns, as Trino 476 lists them. All but `ordinal_position` are texts.
const TABLES: [(&str, &[&str]); 8] = [
    ("applicable_roles", &["grantee", "grantee_type", "role_name", "is_grantable"]),
    (
        "columns",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "column_default",
            "is_nullable",
            "data_type",
        ],
    ),
    ("enabled_roles", &["role_name"]),
    ("roles", &["role_name"]),
    ("schemata", &["catalog_name", "schema_name"]),
    (
        "table_privileges",
        &[
            "grantor",
            "grantor_type",
            "grantee",
            "grantee_type",
            "table_catalog",
            "table_schema",
            "table_name",
            "privilege_type",
            "is_grantable",
            "with_hierarchy",
        ],
    ),
    ("tables", &["table_catalog", "table_schema", "table_name", "table_type"]),
    ("views", &["table_catalog", "table_schema", "table_name", "view_definition"]),
];

/// A table of `information_schema`; `None` if there is none of that name.
///
/// # Errors
/// The catalog cannot be read, or the embedded engine does not have what the table tells.
pub(super) async fn information_schema(
    catalog: &dyn Catalog,
    name: &str,
) -> PlanResult<Option<Arc<dyn TableProvider>>> {
    let Some((_, columns)) = TABLES.iter().find(|(known, _)| *known == name) else { return Ok(None) };
    let rows = match name {
        "schemata" => schemata(catalog).await,
        "tables" => tables(catalog).await,
        "columns" => columns_of_all(catalog).await,
        _ => return plan_err!("the embedded engine does not have {INFORMATION_SCHEMA}.{name}"),
    };
    let rows = rows.map_err(|error| DataFusionError::External(error.into()))?;
    let column = |(at, name): (usize, &&str)| -> (String, ArrayRef) {
        let texts = rows.iter().map(|row| row[at].as_deref());
        let array: ArrayRef = match *name {
            "ordinal_position" => Arc::new(texts.map(|text| text?.parse().ok()).collect::<Int64Array>()),
            _ => Arc::new(texts.collect::<StringArray>()),
        };
        ((*name).to_owned(), array)
    };
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.iter().enumerate().map(column).map(|(name, array)| (name, array, true)),
    )?;
    of_batch(batch).map(Some)
}

/// The partitions of a table, a row each with the values of its keys; `None` if there is no such table, or it has no keys.
///
/// # Errors
/// The catalog cannot be read.
pub(super) async fn partitions(catalog: &dyn Catalog, name: &TableName) -> PlanResult<Option<Arc<dyn TableProvider>>> {
    let external = |error: anyhow::Error| DataFusionError::External(error.into());
    let Some(table) = catalog.table(name).await.map_err(external)? else { return Ok(None) };
    if table.partition_keys.is_empty() {
        return Ok(None);
    }
    let field = |key: &Column| Ok(Field::new(&key.name, type_to_arrow(&key.data_type)?, true));
    let keys = table.partition_keys.iter().map(field).collect::<Result<Vec<_>>>().map_err(external)?;
    let partitions = catalog.partitions(name, &PartitionFilter::default()).await.map_err(external)?;
    of_batch(values(&partitions, &Arc::new(Schema::new(keys)))?).map(Some)
}

fn of_batch(batch: RecordBatch) -> PlanResult<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

type Rows = Vec<Vec<Option<String>>>;

fn row<const N: usize>(cells: [&str; N]) -> Vec<Option<String>> {
    cells.map(|cell| Some(cell.to_owned())).to_vec()
}

async fn schemata(catalog: &dyn Catalog) -> Result<Rows> {
    let names = catalog.databases().await?;
    let names = names.iter().map(|name| name.as_str()).chain([INFORMATION_SCHEMA]);
    Ok(names.map(|name| row([CATALOG, name])).collect())
}

/// All tables but those of `information_schema`.
async fn all(catalog: &dyn Catalog) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for database in catalog.databases().await? {
        for name in catalog.tables(&database).await? {
            // One that is gone by now is none.
            tables.extend(catalog.table(&TableName::new(database.clone(), name)).await?);
        }
    }
    Ok(tables)
}

async fn tables(catalog: &dyn Catalog) -> Result<Rows> {
    let own = TABLES.iter().map(|(name, _)| row([CATALOG, INFORMATION_SCHEMA, name, "BASE TABLE"]));
    let tables = all(catalog).await?;
    let others = tables
        .iter()
        .map(|Table { name, .. }| row([CATALOG, name.database.as_str(), name.table.as_str(), "BASE TABLE"]));
    Ok(others.chain(own).collect())
}

async fn columns_of_all(catalog: &dyn Catalog) -> Result<Rows> {
    let mut rows = Rows::new();
    let mut add = |database: &str, table: &str, columns: Vec<(&str, String)>| {
        for (at, (column, data_type)) in columns.into_iter().enumerate() {
            let position = (at + 1).to_string();
            let mut row = row([CATALOG, database, table, column, &position, "", "YES", &data_type]);
            // No column has a default.
            row[5] = None;
            rows.push(row);
        }
    };
    for table in all(catalog).await? {
        let columns = table.columns.iter().chain(&table.partition_keys);
        let columns = columns.map(|column| Ok((&*column.name, trino_name(&type_to_arrow(&column.data_type)?))));
        add(table.name.database.as_str(), table.name.table.as_str(), columns.collect::<Result<_>>()?);
    }
    for (name, columns) in TABLES {
        let data_type = |column: &str| if column == "ordinal_position" { "bigint" } else { "varchar" };
        add(INFORMATION_SCHEMA, name, columns.iter().map(|column| (*column, data_type(column).to_owned())).collect());
    }
    Ok(rows)
}
