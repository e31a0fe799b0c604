//! What a day of usage is made from: the published generations of its merged hours. `aggregate` builds from them, and
//! whoever uses the day can tell whether they have changed since.

use anyhow::{Result, bail};

use crate::generation::Fingerprint;
use crate::lake::Lake;
use crate::layout::period_values;
use crate::period::{Day, Hour};
use crate::publish::Publication;
use crate::sql::SqlFile;

/// The hours of a day, each with what is published of it.
#[derive(Debug, Clone)]
pub struct DayInputs {
    hours: Vec<(Hour, Option<Publication>)>,
}

impl DayInputs {
    /// Looks up what is published of each hour of a day.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn look(lake: &Lake, day: Day) -> Result<Self> {
        Ok(Self { hours: published(lake, day.hours().collect()).await? })
    }

    /// The same for several days, with one question to the catalog.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn look_at_all(lake: &Lake, days: &[Day]) -> Result<Vec<Self>> {
        let hours = published(lake, days.iter().flat_map(|day| day.hours()).collect()).await?;
        Ok(hours.chunk_by(|(a, _), (b, _)| a.day() == b.day()).map(|hours| Self { hours: hours.to_vec() }).collect())
    }

    /// A hash over everything that the day's partition depends on; `sql` is `usage_daily.sql`.
    #[must_use]
    pub fn fingerprint(&self, lake: &Lake, sql: &SqlFile) -> String {
        let hash = Fingerprint::default()
            .text("sql", &sql.label())
            .text("checksum", &sql.checksum())
            .text("time_zone", &lake.config.billing.time_zone);
        let hash = self.hours.iter().fold(hash, |hash, (hour, published)| {
            let generation = published.as_ref().map(|published| published.generation.to_string());
            hash.text(&hour.to_string(), &generation.unwrap_or_default())
        });
        hash.finish()
    }

    /// The hours that were never merged.
    #[must_use]
    pub fn missing(&self) -> Vec<Hour> {
        self.hours.iter().filter(|(_, published)| published.is_none()).map(|(hour, _)| *hour).collect()
    }

    /// Refuses a day with hours that were never merged.
    ///
    /// # Errors
    /// There are some; the error names them and the command that mends it.
    pub fn require_all(&self, day: Day) -> Result<()> {
        let missing = self.missing();
        let (Some(from), Some(to)) = (missing.first(), missing.last()) else { return Ok(()) };
        let names: Vec<String> = missing.iter().map(Hour::to_string).collect();
        bail!(
            "{} hours of {day} were never merged ({}): run `merge --from {from} --to {to}`, or go on without them with \
             --allow-missing",
            missing.len(),
            names.join(", ")
        )
    }

    /// The sum of a number that merge noted with each hour.
    #[must_use]
    pub fn sum(&self, key: &str) -> u64 {
        self.hours.iter().filter_map(|(_, published)| published.as_ref()).map(|published| published.number(key)).sum()
    }
}

async fn published(lake: &Lake, hours: Vec<Hour>) -> Result<Vec<(Hour, Option<Publication>)>> {
    let values: Vec<Vec<String>> = hours.iter().map(|hour| period_values(*hour)).collect();
    let partitions = lake.catalog.get_partitions(&lake.layout.merged.name, &values).await?;
    let published = partitions.iter().map(|partition| partition.as_ref().and_then(Publication::of));
    Ok(hours.into_iter().zip(published).collect())
}
