//! Gets the usage of a month out of the lake, as Parquet files in parts that fit into memory.

use std::collections::BTreeMap;

use anyhow::Result;
use meterlake_core::engine::Statement;
use meterlake_core::location::Location;
use meterlake_core::names::UNATTRIBUTED;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::sql::{SqlFile, SqlValue, SqlValues};
use meterlake_core::store::visible_objects;
use xxhash_rust::xxh64::xxh64;

use crate::look::{Work, first_arrival};
use crate::plans::Plans;

/// The meter that every table of usage has; charts and the count of unattributed calls use it.
pub(crate) const REQUESTS: &str = "requests";

/// Rows beyond which a month is worked on in sixteen parts: a million rows take some 100 MB.
const ROWS_IN_ONE_PART: u64 = 1_000_000;

/// How a month is cut into parts: each has all rows of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    digits: u32,
}

impl Parts {
    /// For so many rows.
    pub(crate) fn for_rows(rows: u64) -> Self {
        Self { digits: u32::from(rows > ROWS_IN_ONE_PART) }
    }

    /// The names of all parts, in order.
    pub(crate) fn names(self) -> Vec<String> {
        if self.digits == 0 { vec!["p".to_owned()] } else { (0..16).map(|digit| format!("p{digit:X}")).collect() }
    }

    /// The part of a user, as usage_month.sql tells it.
    pub(crate) fn of(self, user: &str) -> String {
        if self.digits == 0 { "p".to_owned() } else { format!("p{:X}", xxh64(user.as_bytes(), 0) >> 60) }
    }
}

/// The extracted usage of a month: the files of each part, and what reading the lake took.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    pub(crate) files: BTreeMap<String, Vec<Location>>,
    pub(crate) scanned_bytes: u64,
}

/// The columns to extract for plans.
pub(crate) fn columns(plans: &Plans) -> Vec<String> {
    let mut columns: Vec<String> = plans.meters().into_iter().map(str::to_owned).collect();
    if !columns.iter().any(|column| column == REQUESTS) {
        columns.push(REQUESTS.to_owned());
    }
    columns
}

/// Runs usage_month.sql for a month into a new folder.
///
/// # Errors
/// The engine or the store failed.
pub(crate) async fn extract(
    work: &Work<'_>,
    month: Month,
    plans: &Plans,
    parts: Parts,
    to: &Location,
) -> Result<Extract> {
    let statement = statement(work, &work.sql, render(work, month, plans, parts, to)?);
    let outcome = work.lake.engine.execute(&statement).await?;
    let mut extract = Extract { scanned_bytes: outcome.scanned_bytes, ..Extract::default() };
    for object in visible_objects(&*work.lake.store, to).await? {
        let folder = object.location.parent();
        let part = folder.name().strip_prefix("part=").unwrap_or_default().to_owned();
        extract.files.entry(part).or_default().push(object.location);
    }
    Ok(extract)
}

/// The statement that extracts a month.
pub(crate) fn render(work: &Work<'_>, month: Month, plans: &Plans, parts: Parts, to: &Location) -> Result<String> {
    let last = Day::containing(month.end()).previous();
    work.sql.render_one(&SqlValues::from([
        ("location", to.into()),
        ("usage_daily_table", (&work.lake.layout.usage_daily.name).into()),
        ("meters", SqlValue::Names(columns(plans))),
        ("first_date", month.first_date().to_string().as_str().into()),
        ("last_date", last.to_string().as_str().into()),
        ("first_arrival", day_number(first_arrival(month)).into()),
        ("part_digits", parts.digits.into()),
    ]))
}

/// Warns of calls that arrived in the month and belong to one that is not adjusted any more.
pub(crate) async fn warn_of_too_late(work: &Work<'_>) -> Result<u64> {
    let file = work.lake.sql.query("usage_too_late")?;
    let earliest = work.month.offset(-i32::try_from(work.lake.config.billing.adjust_months)?);
    let sql = file.render_one(&SqlValues::from([
        ("usage_daily_table", (&work.lake.layout.usage_daily.name).into()),
        ("unattributed", UNATTRIBUTED.into()),
        ("first_date", earliest.first_date().to_string().as_str().into()),
        ("first_arrival", day_number(Day::containing(work.month.start())).into()),
        ("last_arrival", day_number(Day::containing(work.month.end()).previous()).into()),
    ]))?;
    let rows = work.lake.engine.query(&statement(work, &file, sql)).await?;
    let cells = rows.rows.into_iter().next().unwrap_or_default();
    let text = |at: usize| cells.get(at).cloned().flatten().unwrap_or_default();
    let requests: u64 = text(0).parse().unwrap_or_default();
    if requests > 0 {
        tracing::warn!(
            month = %work.month,
            requests,
            earliest_use = text(1),
            adjusted_from = %earliest,
            "calls arrived too late to be billed: raise billing.adjust_months and make the invoices again"
        );
    }
    Ok(rows.scanned_bytes)
}

fn statement(work: &Work<'_>, file: &SqlFile, sql: String) -> Statement {
    Statement { label: file.label(), sql, database: work.lake.config.database.clone(), malformed: None, token: None }
}

/// 2023-01-31 as 20230131.
fn day_number(day: Day) -> u32 {
    day.numbers().into_iter().fold(0, |number, part| number * 100 + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_in_the_part_that_the_sql_puts_it_in() {
        // to_hex(xxhash64(to_utf8('abc'))) is 44BC2CF5AD770999.
        assert_eq!(Parts::for_rows(2_000_000).of("abc"), "p4");
        assert_eq!(Parts::for_rows(1_000_000).of("abc"), "p");
        assert_eq!(Parts::for_rows(2_000_000).names().len(), 16);
    }

    #[test]
    fn a_day_is_a_number_that_grows_with_it() {
        assert_eq!(day_number("2023-01-31".parse().unwrap()), 20_230_131);
    }
}
