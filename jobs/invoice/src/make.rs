//! Makes all invoices of a month: part by part, usage is read and grouped, rated, and written.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use meterlake_core::location::Location;
use meterlake_core::period::Month;
use meterlake_core::slot::Draft;
use meterlake_core::store::Store;

use crate::bill::Part;
use crate::billed::{self, Adjusted};
use crate::export::{Chunk, Exports, Heading, Summary, encode};
use crate::extract::{Extract, Parts, columns, extract};
use crate::job::Options;
use crate::look::Work;
use crate::plans::Plans;
use crate::usage::{Grain, Usage};

/// What was made.
pub(crate) struct Made {
    pub(crate) summary: Summary,
    pub(crate) scanned_bytes: u64,
}

/// The folder of a month's extracted usage, in the generation's folder until the invoices are made.
pub(crate) fn usage_folder(draft: &Draft, month: Month) -> Location {
    draft.folder.join(&format!("_usage/month={month}"))
}

/// What all parts share.
struct Shared {
    heading: Heading,
    parts: Parts,
    plans: Plans,
    /// Of the month, and how it is told apart.
    own: Extract,
    own_grain: Grain,
    /// The months to correct.
    adjusted: Vec<(Adjusted, Extract, Grain)>,
    only: Option<String>,
}

/// Makes the invoices of a month in the folder of a draft.
///
/// # Errors
/// Usage cannot be extracted, read or rated, or the engine or store failed.
pub(crate) async fn invoices(work: &Work<'_>, options: &Options, draft: &Draft) -> Result<Made> {
    let rows = work.days_of(work.month).map(|day| day.rows).sum();
    let parts = Parts::for_rows(rows);
    let plans = &work.plan_file.plans;
    let own = extract(work, work.month, plans, parts, &usage_folder(draft, work.month)).await?;
    let mut scanned_bytes = own.scanned_bytes;
    let mut adjusted = Vec::new();
    for one in billed::read(work).await? {
        let kept = &one.plan_file.plans;
        let usage = extract(work, one.month, kept, parts, &usage_folder(draft, one.month)).await?;
        scanned_bytes += usage.scanned_bytes;
        let grain = grain(kept, one.month, false);
        adjusted.push((one, usage, grain));
    }
    let shared = Arc::new(Shared {
        heading: heading(work, options)?,
        parts,
        own_grain: grain(plans, work.month, options.html),
        plans: plans.clone(),
        own,
        adjusted,
        only: options.customer.clone(),
    });
    let summary = write(&*work.lake.store, &draft.folder, &shared).await?;
    work.lake.store.delete_folder(&draft.folder.join("_usage")).await?;
    Ok(Made { summary, scanned_bytes })
}

async fn write(store: &dyn Store, folder: &Location, shared: &Arc<Shared>) -> Result<Summary> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut exports = Exports::create(store, folder).await?;
    let names = shared.parts.names();
    let chunks = stream::iter(names).map(|name| make_part(store, Arc::clone(shared), name)).buffered(threads);
    futures::pin_mut!(chunks);
    while let Some(chunk) = chunks.try_next().await? {
        exports.append(chunk).await?;
    }
    exports.finish(&shared.heading).await
}

/// Reads, rates and encodes a part.
async fn make_part(store: &dyn Store, shared: Arc<Shared>, name: String) -> Result<Chunk> {
    let own = read(store, &shared.own, &name).await?;
    let mut adjusted = Vec::new();
    for (_, extract, _) in &shared.adjusted {
        adjusted.push(read(store, extract, &name).await?);
    }
    let work = move || {
        let own = Usage::read(&own, &columns(&shared.plans), shared.own_grain)?;
        let months = shared.adjusted.iter().zip(adjusted);
        let months: Result<Vec<(&Adjusted, Usage)>> = months
            .map(|((one, _, grain), files)| Ok((one, Usage::read(&files, &columns(&one.plan_file.plans), *grain)?)))
            .collect();
        let months = months?;
        let part = Part {
            name: &name,
            parts: shared.parts,
            month: shared.heading.month,
            plans: &shared.plans,
            usage: &own,
            adjusted: months.iter().map(|(one, usage)| (*one, usage)).collect(),
            only: shared.only.as_deref(),
        };
        encode(&shared.heading, &part.bill()?, &own)
    };
    tokio::task::spawn_blocking(work).await.context("a part of the invoices was given up")?
}

async fn read(store: &dyn Store, extract: &Extract, part: &str) -> Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for file in extract.files.get(part).into_iter().flatten() {
        let content = store.read(file).await?;
        files.push(content.with_context(|| format!("the extracted usage {file} is gone"))?);
    }
    Ok(files)
}

/// How finely a month's usage must be told apart: by day where plans change within the month, by path where charges
/// do; for pages by both.
fn grain(plans: &Plans, month: Month, html: bool) -> Grain {
    Grain { by_day: html || plans.change_within(month), by_path: html || plans.filter_by_path() }
}

fn heading(work: &Work<'_>, options: &Options) -> Result<Heading> {
    let billing = &work.lake.config.billing;
    Ok(Heading {
        month: work.month,
        status: options.status(),
        time_zone: billing.zone()?,
        provider: billing.provider.clone(),
        service: billing.service.clone(),
        sql: work.sql.label(),
        plans_sha256: work.plan_file.sha256.clone(),
        fingerprint: work.fingerprint(options.status(), options.html),
        html: options.html,
    })
}
