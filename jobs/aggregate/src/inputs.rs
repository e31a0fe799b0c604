//! What a day is made from: the published generations of its merged hours.

use anyhow::{Result, bail};
use meterlake_core::generation::Fingerprint;
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_values;
use meterlake_core::period::{Day, Hour};
use meterlake_core::publish::Publication;
use meterlake_core::sql::SqlFile;

/// The hours of a day, each with what is published of it.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    hours: Vec<(Hour, Option<Publication>)>,
}

impl Inputs {
    pub(crate) async fn look(lake: &Lake, day: Day) -> Result<Self> {
        let hours: Vec<Hour> = day.hours().collect();
        let values: Vec<Vec<String>> = hours.iter().map(|hour| period_values(*hour)).collect();
        let partitions = lake.catalog.get_partitions(&lake.layout.merged.name, &values).await?;
        let published = partitions.iter().map(|partition| partition.as_ref().and_then(Publication::of));
        Ok(Self { hours: hours.into_iter().zip(published).collect() })
    }

    /// A hash over everything that the day's partition depends on.
    pub(crate) fn fingerprint(&self, lake: &Lake, sql: &SqlFile) -> String {
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
    pub(crate) fn missing(&self) -> Vec<Hour> {
        self.hours.iter().filter(|(_, published)| published.is_none()).map(|(hour, _)| *hour).collect()
    }

    /// Refuses a day with hours that were never merged.
    pub(crate) fn require_all(&self, day: Day) -> Result<()> {
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
    pub(crate) fn sum(&self, key: &str) -> u64 {
        self.hours.iter().filter_map(|(_, published)| published.as_ref()).map(|published| published.number(key)).sum()
    }
}
