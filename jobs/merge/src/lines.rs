//! What each raw object of an hour gave, asked of an engine that does not say so by itself.

use anyhow::{Context, Result};
use meterlake_core::engine::{ObjectRead, Scan, Statement};
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::sql::{SqlValue, SqlValues};

/// The lines of each object of an hour, and what counting them took. An object without a line is not among them.
///
/// # Errors
/// The engine failed, or did not answer in the form that `merge_hour_lines.sql` has.
pub(crate) async fn count(lake: &Lake, hour: Hour, token: Option<String>) -> Result<(Vec<ObjectRead>, Scan)> {
    let file = lake.sql.query("merge_hour_lines")?;
    let mut values = SqlValues::from([("raw_table", (&lake.layout.raw.name).into())]);
    values.extend(Hour::KEYS.iter().copied().zip(hour.numbers().into_iter().map(SqlValue::from)));
    let statement = Statement {
        label: file.label(),
        sql: file.render_one(&values)?,
        database: lake.config.database.clone(),
        malformed: None,
        token,
    };
    let answer = lake.engine.query(&statement).await?;
    let read = |row: &Vec<Option<String>>| -> Option<ObjectRead> {
        let [object, records, malformed] = row.as_slice() else { return None };
        let number = |cell: &Option<String>| cell.as_ref()?.parse().ok();
        let location = object.as_ref()?.parse().ok()?;
        Some(ObjectRead { location, records: number(records)?, malformed: number(malformed)? })
    };
    let reads: Option<Vec<ObjectRead>> = answer.rows.iter().map(read).collect();
    let reads = reads.with_context(|| format!("{} did not give an object and two numbers a row", file.label()))?;
    Ok((reads, answer.scan))
}
