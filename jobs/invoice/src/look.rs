//! What an invoice run works from: the usage of the month, the months that are final, the plans, and what is published.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use meterlake_core::catalog::{Partition, PartitionFilter, required_table};
use meterlake_core::generation::Fingerprint;
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_of_values;
use meterlake_core::location::Location;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::publish::Publication;
use meterlake_core::slot::Slot;
use meterlake_core::sql::SqlFile;
use serde::Serialize;

use crate::plan_file::{PlanFile, meters};

/// Where a generation keeps the Parquet files of the table `invoices`, below its folder.
pub(crate) const INVOICES_FOLDER: &str = "tables/invoices";
/// And those of `line_items`.
pub(crate) const LINE_ITEMS_FOLDER: &str = "tables/line_items";
/// The plan file that a generation was made with.
pub(crate) const KEPT_PLANS: &str = "_plans.toml";
/// What a generation was made from.
pub(crate) const KEPT_INPUTS: &str = "_inputs.json";

/// The notes of a published month.
pub(crate) const STATUS: &str = "status";
pub(crate) const FINAL: &str = "final";
pub(crate) const DRAFT: &str = "draft";
/// On a final month: the later month that adjusts it and is final or being made final.
pub(crate) const ADJUSTED_BY: &str = "adjusted_by";

/// A day of arrival that has usage.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ArrivalDay {
    pub(crate) day: Day,
    /// The generation that was read; where no job published it, its folder.
    pub(crate) generation: String,
    #[serde(skip)]
    pub(crate) rows: u64,
}

/// A month whose invoices are final.
#[derive(Debug, Clone)]
pub(crate) struct FinalMonth {
    pub(crate) month: Month,
    /// As the catalog has it.
    pub(crate) partition: Partition,
    pub(crate) publication: Publication,
}

impl FinalMonth {
    /// The folder of its generation.
    pub(crate) fn folder(&self) -> Location {
        generation_folder(&self.partition)
    }
}

/// The folder of all that a published month's run wrote.
pub(crate) fn generation_folder(invoices: &Partition) -> Location {
    invoices.location.parent().parent()
}

/// Whether a published month never changes any more.
pub(crate) fn is_final(publication: &Publication) -> bool {
    publication.notes.get(STATUS).is_some_and(|status| status == FINAL)
}

/// A month and all that its invoices depend on.
pub(crate) struct Work<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) month: Month,
    pub(crate) sql: SqlFile,
    pub(crate) plan_file: PlanFile,
    pub(crate) meters: BTreeSet<String>,
    /// The days of arrival that may hold usage of the month, or of one that is adjusted.
    pub(crate) days: Vec<ArrivalDay>,
    /// The final months of the look-back and all later ones, this month not among them.
    pub(crate) finals: Vec<FinalMonth>,
    pub(crate) slot: Slot<'a>,
}

impl<'a> Work<'a> {
    pub(crate) async fn look(lake: &'a Lake, month: Month, plans: &Location) -> Result<Self> {
        let layout = &lake.layout;
        let usage = required_table(&*lake.catalog, &layout.usage_daily.name).await?;
        for table in [&layout.invoices, &layout.line_items] {
            required_table(&*lake.catalog, &table.name).await?;
        }
        let meters = meters(&usage);
        let plan_file = PlanFile::read(lake, plans, &meters).await?;
        let finals = finals(lake, month).await?;
        let earliest = finals.iter().map(|one| one.month).filter(|one| *one < month).min().unwrap_or(month);
        Ok(Self {
            lake,
            month,
            sql: lake.sql.query("usage_month")?,
            plan_file,
            meters,
            days: arrival_days(lake, first_arrival(earliest)).await?,
            finals,
            slot: Slot::look(lake, &layout.invoices, month).await?,
        })
    }

    /// The final months before this one, which it adjusts.
    pub(crate) fn adjusted(&self) -> impl Iterator<Item = &FinalMonth> {
        self.finals.iter().filter(|one| one.month < self.month)
    }

    /// The days of arrival that may hold usage of a month.
    pub(crate) fn days_of(&self, month: Month) -> impl Iterator<Item = &ArrivalDay> {
        let first = first_arrival(month);
        self.days.iter().filter(move |one| one.day >= first)
    }

    /// A hash over everything that the invoices depend on.
    pub(crate) fn fingerprint(&self, status: &str, html: bool) -> String {
        let billing = &self.lake.config.billing;
        let hash = Fingerprint::default()
            .text("status", status)
            .text("html", if html { "yes" } else { "no" })
            .text("sql", &self.sql.label())
            .text("checksum", &self.sql.checksum())
            .text("plans", &self.plan_file.sha256)
            .text("time_zone", &billing.time_zone)
            .text("provider", &billing.provider)
            .text("service", &billing.service);
        let hash = self.days.iter().fold(hash, |hash, one| hash.text(&one.day.to_string(), &one.generation));
        let finals = self.finals.iter();
        finals
            .fold(hash, |hash, one| hash.text(&one.month.to_string(), &one.publication.generation.to_string()))
            .finish()
    }
}

/// The first day of arrival that may hold usage of a month: its first day begins up to 14 hours earlier in UTC, and an
/// object lies under the hour of its oldest call.
pub(crate) fn first_arrival(month: Month) -> Day {
    Day::containing(month.start()).previous()
}

async fn arrival_days(lake: &Lake, first: Day) -> Result<Vec<ArrivalDay>> {
    let years = PartitionFilter::default().and("year", first.numbers()[0].into(), i64::MAX);
    let partitions = lake.catalog.partitions(&lake.layout.usage_daily.name, &years).await?;
    let mut days: Vec<ArrivalDay> = partitions
        .iter()
        .filter_map(|partition| {
            let day: Day = period_of_values(&partition.values).filter(|day| *day >= first)?;
            let publication = Publication::of(partition);
            let rows = publication.as_ref().map(|publication| publication.number("rows")).unwrap_or_default();
            let generation = publication.map(|publication| publication.generation.to_string());
            Some(ArrivalDay { day, generation: generation.unwrap_or_else(|| partition.location.to_string()), rows })
        })
        .collect();
    days.sort_by_key(|one| one.day);
    Ok(days)
}

/// The months that are final, from the look-back on, without `month` itself.
async fn finals(lake: &Lake, month: Month) -> Result<Vec<FinalMonth>> {
    let back =
        i32::try_from(lake.config.billing.adjust_months).context("the setting billing.adjust_months is too large")?;
    let earliest = month.offset(-back);
    let years = PartitionFilter::default().and("year", earliest.numbers()[0].into(), i64::MAX);
    let partitions = lake.catalog.partitions(&lake.layout.invoices.name, &years).await?;
    let finals = partitions.into_iter().filter_map(|partition| {
        let found: Month = period_of_values(&partition.values)?;
        let publication = Publication::of(&partition).filter(is_final)?;
        let counts = found >= earliest && found != month;
        counts.then_some(FinalMonth { month: found, partition, publication })
    });
    let mut finals: Vec<FinalMonth> = finals.collect();
    finals.sort_by_key(|one| one.month);
    Ok(finals)
}
