//! Gets the usage of a month out of the lake, as Parquet files in buckets that fit into memory.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use meterlake_core::engine::{Scan, Statement};
use meterlake_core::location::Location;
use meterlake_core::names::UNATTRIBUTED;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::slot::Draft;
use meterlake_core::sql::{SqlFile, SqlValue, SqlValues};
use meterlake_core::store::visible_objects;
use xxhash_rust::xxh64::xxh64;

use crate::look::{Work, first_arrival};
use crate::plans::Plans;

/// The meter that every table of usage has; charts and the count of unattributed calls use it.
pub(crate) const REQUESTS: &str = "requests";

/// Rows beyond which a month is worked on in sixteen buckets: a million rows take some 100 MB.
const ROWS_IN_ONE_BUCKET: u64 = 1_000_000;

/// How a month is cut into buckets: each has all rows of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buckets {
    digits: u32,
}

impl Buckets {
    /// For so many rows.
    pub(crate) fn for_rows(rows: u64) -> Self {
        Self { digits: u32::from(rows > ROWS_IN_ONE_BUCKET) }
    }

    /// The names of all buckets, in order.
    pub(crate) fn names(self) -> Vec<String> {
        if self.digits == 0 { vec!["b".to_owned()] } else { (0..16).map(|digit| format!("b{digit:X}")).collect() }
    }

    /// The bucket of a user, as usage_month.sql tells it.
    pub(crate) fn of(self, user: &str) -> String {
        if self.digits == 0 { "b".to_owned() } else { format!("b{:X}", xxh64(user.as_bytes(), 0) >> 60) }
    }
}

/// The extracted usage of a month: the files of each bucket, and what reading the lake took.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    pub(crate) files: BTreeMap<String, Vec<Location>>,
    pub(crate) scan: Scan,
}

/// The meters to extract for whatever of these plans may price the usage.
pub(crate) fn meters(plans: &[&Plans]) -> Vec<String> {
    let meters = plans.iter().flat_map(|plans| plans.meters()).chain([REQUESTS]);
    meters.collect::<BTreeSet<&str>>().into_iter().map(str::to_owned).collect()
}

/// The folder of a month's extracted usage. It lies in a generation of its own, which is never published: a run that joins
/// the extraction of another must find it whole, also when that one has published and is gone.
pub(crate) fn usage_folder(usage: &Draft, month: Month) -> Location {
    usage.folder.join(&format!("_usage/month={month}"))
}

/// Runs usage_month.sql for a month into the folder of a draft.
///
/// # Errors
/// The engine or the store failed.
pub(crate) async fn extract(
    work: &Work<'_>,
    month: Month,
    columns: Vec<String>,
    buckets: Buckets,
    usage: &Draft,
) -> Result<Extract> {
    let to = &usage_folder(usage, month);
    let statement = statement(work, usage, &work.sql, render(work, month, columns, buckets, to)?);
    let outcome = work.lake.engine.execute(&statement).await?;
    let names = buckets.names();
    let mut extract = Extract { scan: outcome.scan, ..Extract::default() };
    for object in visible_objects(&*work.lake.store, to).await? {
        let folder = object.location.parent();
        let bucket = folder.name().strip_prefix("bucket=").unwrap_or_default().to_owned();
        if !names.contains(&bucket) {
            bail!("{} unloaded rows into {folder}, where nobody looks for them", work.sql.label());
        }
        extract.files.entry(bucket).or_default().push(object.location);
    }
    Ok(extract)
}

/// The statement that extracts a month.
pub(crate) fn render(
    work: &Work<'_>,
    month: Month,
    columns: Vec<String>,
    buckets: Buckets,
    to: &Location,
) -> Result<String> {
    let last = Day::containing(month.end()).previous();
    work.sql.render_one(&SqlValues::from([
        ("location", to.into()),
        ("usage_daily_table", (&work.lake.layout.usage_daily.name).into()),
        ("generations", generations(work)),
        ("columns", SqlValue::Names(columns)),
        ("unattributed", UNATTRIBUTED.into()),
        ("first_date", month.first_date().to_string().as_str().into()),
        ("last_date", last.to_string().as_str().into()),
        ("first_arrival", day_number(first_arrival(month)).into()),
        ("first_year", year(first_arrival(month)).into()),
        ("bucket_digits", buckets.digits.into()),
    ]))
}

/// Calls of a month's arrival days that no invoice bills, and what telling took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Untimely {
    /// They belong to a month that is not adjusted any more.
    pub(crate) too_late: u64,
    /// They are dated so long after their arrival that the month of their date does not look so far back.
    pub(crate) future: u64,
    pub(crate) scan: Scan,
}

/// Counts the calls that arrived in the month and that no invoice bills, now or later, and warns of them.
///
/// # Errors
/// The engine failed.
pub(crate) async fn untimely(work: &Work<'_>, usage: &Draft) -> Result<Untimely> {
    let file = work.lake.sql.query("usage_too_late")?;
    let [next, after_next] = [1, 2].map(|months| work.month.offset(months).first_date().to_string());
    let earliest = work.month.offset(-i32::try_from(work.lake.config.billing.adjust_months)?);
    let sql = file.render_one(&SqlValues::from([
        ("usage_daily_table", (&work.lake.layout.usage_daily.name).into()),
        ("generations", generations(work)),
        ("unattributed", UNATTRIBUTED.into()),
        ("first_date", earliest.first_date().to_string().as_str().into()),
        ("next_date", next.as_str().into()),
        ("after_next_date", after_next.as_str().into()),
        ("first_arrival", day_number(Day::containing(work.month.start())).into()),
        ("first_year", year(Day::containing(work.month.start())).into()),
        ("last_arrival", day_number(Day::containing(work.month.end()).previous()).into()),
    ]))?;
    let rows = work.lake.engine.query(&statement(work, usage, &file, sql)).await?;
    let cells = rows.rows.into_iter().next().unwrap_or_default();
    let text = |at: usize| cells.get(at).cloned().flatten().unwrap_or_default();
    let number =
        |at: usize| -> Result<u64> { text(at).parse().with_context(|| format!("{} gave no number", file.label())) };
    let (too_late, future) = (number(0)?, number(2)?);
    if too_late > 0 {
        tracing::warn!(
            month = %work.month,
            requests = too_late,
            earliest_use = text(1),
            adjusted_from = %earliest,
            "calls arrived too late to be billed: raise billing.adjust_months and make the invoices again"
        );
    }
    if future > 0 {
        tracing::warn!(
            month = %work.month,
            requests = future,
            latest_use = text(3),
            "calls are dated after the month in which they arrived, where no invoice looks for them: look at the clock that \
             wrote their time"
        );
    }
    Ok(Untimely { too_late, future, scan: rows.scan })
}

fn statement(work: &Work<'_>, usage: &Draft, file: &SqlFile, sql: String) -> Statement {
    let (label, database) = (file.label(), work.lake.config.database.clone());
    Statement { label, sql, database, token: usage.token() }
}

/// The generations of all days that have usage: each statement picks its days by their dates.
fn generations(work: &Work<'_>) -> SqlValue {
    let with_rows = work.days.iter().filter(|one| one.rows > 0);
    SqlValue::Texts(with_rows.map(|one| one.generation.clone()).collect())
}

fn year(day: Day) -> u32 {
    day.numbers().first().copied().unwrap_or_default()
}

/// 2023-01-31 as 20230131.
fn day_number(day: Day) -> u32 {
    day.numbers().into_iter().fold(0, |number, part| number * 100 + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_in_the_bucket_that_the_sql_puts_it_in() {
        // to_hex(xxhash64(to_utf8('abc'))) is 44BC2CF5AD770999.
        assert_eq!(Buckets::for_rows(2_000_000).of("abc"), "b4");
        assert_eq!(Buckets::for_rows(1_000_000).of("abc"), "b");
        assert_eq!(Buckets::for_rows(2_000_000).names().len(), 16);
    }

    #[test]
    fn a_day_is_a_number_that_grows_with_it() {
        assert_eq!(day_number("2023-01-31".parse().unwrap()), 20_230_131);
    }
}
