//! What the statements over days of usage mean, of which each row is a call.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, NaiveDate};
use meterlake_core::catalog::{Catalog, PartitionFilter};
use meterlake_core::layout::period_of_values;
use meterlake_core::location::Location;
use meterlake_core::period::{Day, Period};
use meterlake_core::store::Store;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use super::Process;
use super::statements::{Given, line_of};

/// A call as usage knows it.
struct Used {
    user: String,
    date: NaiveDate,
    /// The day of arrival, as 20230131.
    arrival: i64,
}

impl Process {
    /// The calls of those generations that arrived from a day on.
    async fn used(&self, given: &Given) -> Result<Vec<Used>> {
        let generations = given.texts("generations")?;
        let first = given.number("first_arrival")?;
        let since = PartitionFilter::default().and("year", given.number("first_year")?, i64::MAX);
        let mut used = Vec::new();
        for partition in Catalog::partitions(self, &given.table("usage_daily_table")?, &since).await? {
            let day: Day = period_of_values(&partition.values).context("a day")?;
            let arrival = day.numbers().into_iter().fold(0, |number, part| number * 100 + i64::from(part));
            if arrival < first {
                continue;
            }
            for (path, row) in self.rows_in(&partition.location).await? {
                if generations.iter().any(|one| path.as_str().contains(&format!("/run={one}/"))) {
                    let (user, date) = read(line_of(&row))?;
                    used.push(Used { user, date, arrival });
                }
            }
        }
        Ok(used)
    }

    pub(super) async fn usage_month(&self, given: &Given) -> Result<u64> {
        let columns = given.texts("columns")?;
        if columns != ["\"requests\""] || given.number("bucket_digits")? != 0 {
            bail!("nobody knows what the columns {columns:?} mean in buckets");
        }
        let (first, last) = (date(given, "first_date")?, date(given, "last_date")?);
        let mut requests: BTreeMap<String, i64> = BTreeMap::new();
        for one in self.used(given).await?.into_iter().filter(|one| (first..=last).contains(&one.date)) {
            *requests.entry(one.user).or_default() += 1;
        }
        if !requests.is_empty() {
            let location: Location = given.text("location")?.parse()?;
            self.write(&location.join("bucket=b/part.parquet"), &file(&requests)?).await?;
        }
        Ok(requests.len() as u64)
    }

    pub(super) async fn usage_too_late(&self, given: &Given) -> Result<Vec<String>> {
        let last = given.number("last_arrival")?;
        let (first, next, after_next) =
            (date(given, "first_date")?, date(given, "next_date")?, date(given, "after_next_date")?);
        let used = self.used(given).await?;
        let arrived = || used.iter().filter(|one| one.arrival <= last);
        let too_late = arrived().filter(|one| one.date < first);
        let future = arrived()
            .filter(|one| one.date >= after_next || (one.date >= next && one.arrival < last))
            .map(|one| one.date);
        let text = |date: Option<NaiveDate>| date.map(|date| date.to_string()).unwrap_or_default();
        let earliest = text(too_late.clone().map(|one| one.date).min());
        Ok(vec![too_late.count().to_string(), earliest, future.clone().count().to_string(), text(future.max())])
    }
}

fn date(given: &Given, key: &str) -> Result<NaiveDate> {
    Ok(given.text(key)?.parse()?)
}

/// The user and the day of a call.
fn read(line: &str) -> Result<(String, NaiveDate)> {
    let call: Value = serde_json::from_str(line)?;
    let text = |key: &str| call[key].as_str().with_context(|| format!("{key} of a call"));
    let time = DateTime::from_timestamp_millis(text("requestTime")?.parse()?).context("a time")?;
    Ok((text("user")?.to_owned(), time.date_naive()))
}

/// A Parquet file with the requests of each user.
fn file(requests: &BTreeMap<String, i64>) -> Result<Vec<u8>> {
    let schema = parse_message_type("message usage { REQUIRED BYTE_ARRAY user (UTF8); REQUIRED INT64 requests; }")?;
    let users: Vec<ByteArray> = requests.keys().map(|user| user.as_str().into()).collect();
    let requests: Vec<i64> = requests.values().copied().collect();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Default::default())?;
    let mut group = writer.next_row_group()?;
    let mut column = group.next_column()?.context("a column of users")?;
    column.typed::<ByteArrayType>().write_batch(&users, None, None)?;
    column.close()?;
    let mut column = group.next_column()?.context("a column of requests")?;
    column.typed::<Int64Type>().write_batch(&requests, None, None)?;
    column.close()?;
    group.close()?;
    Ok(writer.into_inner()?)
}
