//! What an invoice run works from: the usage of the month, the months that are final, the plans, and what is published.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use meterlake_core::catalog::{Partition, PartitionFilter, required_table};
use meterlake_core::generation::Fingerprint;
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_of_values;
use meterlake_core::location::Location;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::publications::{self, Head};
use meterlake_core::publish::Publication;
use meterlake_core::slot::Slot;
use meterlake_core::sql::SqlFile;
use serde::Serialize;

use crate::accepted::Accepted;
use crate::plan_file::{PlanFile, meters};

pub(crate) use meterlake_core::layout::{INVOICES_FOLDER, LINE_ITEMS_FOLDER};

/// The plan file that a generation was made with.
pub(crate) const KEPT_PLANS: &str = "_plans.toml";
/// What a generation was made from.
pub(crate) const KEPT_INPUTS: &str = "_inputs.json";

/// What the rows of invoices say of their month.
pub(crate) const FINAL: &str = "final";
pub(crate) const DRAFT: &str = "draft";

/// A day of arrival that has usage.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ArrivalDay {
    pub(crate) day: Day,
    /// The generation that is published.
    pub(crate) generation: String,
    #[serde(skip)]
    pub(crate) rows: u64,
    #[serde(skip)]
    head: Head<Day>,
}

/// A month whose invoices are final.
#[derive(Debug, Clone)]
pub(crate) struct FinalMonth {
    pub(crate) month: Month,
    /// The number of the entry that says so.
    pub(crate) number: u64,
    pub(crate) partition: Partition,
    pub(crate) publication: Publication<Month>,
}

impl FinalMonth {
    /// The folder of its generation.
    pub(crate) fn folder(&self) -> Location {
        generation_folder(&self.partition)
    }
}

/// Whether a generation's folder is still there: it has what only a run that wrote it whole leaves.
///
/// # Errors
/// The store failed.
pub(crate) async fn is_there(lake: &Lake, folder: &Location) -> Result<bool> {
    Ok(lake.store.read_part(&folder.join(KEPT_INPUTS), 0, 1).await?.is_some())
}

/// The folder of all that a published month's run wrote.
pub(crate) fn generation_folder(invoices: &Partition) -> Location {
    invoices.location.parent().parent()
}

/// Whether a published month never changes any more.
pub(crate) fn is_final(publication: &Publication<Month>) -> bool {
    publication.notes.is_final
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
    pub(crate) slot: Slot<'a, Month>,
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

    /// What a person accepted of what was not read: now, and before for what is published.
    pub(crate) fn accepted(&self, now: &Accepted) -> Accepted {
        let noted = self.slot.published.as_ref().map(|published| Accepted::noted(&published.notes.accepted));
        noted.unwrap_or_default().with(now)
    }

    /// The days of arrival that may hold usage of a month.
    pub(crate) fn days_of(&self, month: Month) -> impl Iterator<Item = &ArrivalDay> {
        let first = first_arrival(month);
        self.days.iter().filter(move |one| one.day >= first)
    }

    /// Whether the catalog still shows the days' generations, so that statements that ran meanwhile saw all of them.
    pub(crate) async fn is_shown(&self) -> Result<bool> {
        let days: Vec<(Day, Head<Day>)> = self.days.iter().map(|one| (one.day, one.head.clone())).collect();
        publications::are_shown(self.lake, &self.lake.layout.usage_daily, &days).await
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
    let table = &lake.layout.usage_daily;
    let partitions = lake.catalog.partitions(&table.name, &PartitionFilter::default()).await?;
    let heads = publications::heads_since(lake, table, Some(first)).await?;
    // Its rows lie in a folder that statements may read, so they would be billed twice. Earlier days are read by none.
    let is_read = |partition: &Partition| period_of_values::<Day>(&partition.values).is_none_or(|day| day >= first);
    let read = partitions.into_iter().filter(is_read).collect();
    if let Some(stranger) = publications::strangers_among(read, &heads).first() {
        bail!(
            "no job published the partition {} of {}: run `repair`, which removes it",
            stranger.values.join("/"),
            table.name
        );
    }
    let days = heads.into_iter().filter_map(|(day, head)| {
        let publication = head.publication()?;
        let (generation, rows) = (publication.generation.to_string(), publication.notes.rows);
        Some(ArrivalDay { day, generation, rows, head })
    });
    Ok(days.collect())
}

/// The months that are final, from the look-back on, without `month` itself.
async fn finals(lake: &Lake, month: Month) -> Result<Vec<FinalMonth>> {
    let back =
        i32::try_from(lake.config.billing.adjust_months).context("the setting billing.adjust_months is too large")?;
    let earliest = month.offset(-back);
    let heads = publications::heads_since(lake, &lake.layout.invoices, Some(earliest)).await?;
    let finals = heads.into_iter().filter(|(found, _)| *found != month).filter_map(|(month, head)| {
        let publication = head.publication().filter(is_final)?;
        Some(FinalMonth { month, number: head.number, partition: head.partition?, publication })
    });
    Ok(finals.collect())
}
