//! Makes all invoices of a month: bucket by bucket, usage is read and grouped, rated, and written.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use meterlake_core::engine::Scan;
use meterlake_core::location::Location;
use meterlake_core::period::Month;
use meterlake_core::slot::Draft;
use meterlake_core::store::Store;

use crate::bill::Bucket;
use crate::billed::{self, Adjusted};
use crate::export::{Chunk, Exports, Heading, Summary, encode, period};
use crate::extract::{Buckets, Extract, extract, meters};
use crate::job::Options;
use crate::look::Work;
use crate::plans::Plans;
use crate::tally::Tally;
use crate::usage::{Grain, Usage};

/// What was made.
pub(crate) struct Made {
    pub(crate) summary: Summary,
    pub(crate) scan: Scan,
}

/// What all buckets share.
struct Shared {
    heading: Heading,
    buckets: Buckets,
    plans: Plans,
    /// The month's usage.
    own: Extracted,
    /// The months to correct, each with its usage.
    adjusted: Vec<(Adjusted, Extracted)>,
    only: Option<String>,
}

/// A month's usage, and how it is read.
struct Extracted {
    usage: Extract,
    meters: Vec<String>,
    grain: Grain,
}

/// Makes the invoices of a month in the folder of a draft, from usage that is extracted into that of another.
///
/// # Errors
/// Usage cannot be extracted or read, or the engine or store failed.
pub(crate) async fn invoices(
    work: &Work<'_>,
    options: &Options,
    tally: &Tally,
    (draft, usage): (&Draft, &Draft),
) -> Result<Made> {
    let started = Instant::now();
    let buckets = buckets(work);
    let plans = &work.plan_file.plans;
    let own = extracted(work, work.month, &[plans], options.html, buckets, usage).await?;
    let (months, not_adjusted) = billed::read(work).await?;
    let mut extracts = Vec::new();
    for (at, one) in months.iter().enumerate() {
        // The plans of a later month, or those of now, may have to price what those of then do not cover.
        let since: Vec<&Plans> = months[at..].iter().map(|one| &one.plan_file.plans).chain([plans]).collect();
        extracts.push(extracted(work, one.month, &since, false, buckets, usage).await?);
    }
    let adjusted: Vec<(Adjusted, Extracted)> = months.into_iter().zip(extracts).collect();
    let scan = adjusted.iter().map(|(_, one)| one).chain([&own]).map(|one| one.usage.scan).sum();
    let heading = heading(work, options, tally)?;
    let only = options.customer.clone();
    let shared = Arc::new(Shared { heading, buckets, plans: plans.clone(), own, adjusted, only });
    let extracted_ms = started.elapsed().as_millis();
    let summary = Summary::without(not_adjusted);
    let summary = write(&*work.lake.store, &draft.folder, &shared, summary).await?;
    summary.left_out.warn(work.month, "are left out");
    summary.uncovered_of.warn(work.month, "have calls that no plan covers, which are not billed");
    let duration_ms = started.elapsed().as_millis();
    tracing::debug!(month = %work.month, extracted_ms, duration_ms, "made {} invoices", summary.invoices);
    Ok(Made { summary, scan })
}

/// How the month's usage is cut up.
pub(crate) fn buckets(work: &Work<'_>) -> Buckets {
    Buckets::for_rows(work.days_of(work.month).map(|day| day.rows).sum())
}

/// Extracts the usage of a month as whatever of these plans may price it needs it.
async fn extracted(
    work: &Work<'_>,
    month: Month,
    plans: &[&Plans],
    html: bool,
    buckets: Buckets,
    draft: &Draft,
) -> Result<Extracted> {
    let (meters, grain) = (meters(plans), grain(plans, month, html));
    let usage = extract(work, month, grain.columns(&meters), buckets, draft).await?;
    Ok(Extracted { usage, meters, grain })
}

/// Writes all files. `summary` is what there is to say of the month before any invoice is made.
async fn write(store: &dyn Store, folder: &Location, shared: &Arc<Shared>, summary: Summary) -> Result<Summary> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut exports = Exports::create(store, folder, summary).await?;
    let names = shared.buckets.names();
    let chunks = stream::iter(names).map(|name| make_bucket(store, Arc::clone(shared), name)).buffered(threads);
    futures::pin_mut!(chunks);
    while let Some(chunk) = chunks.try_next().await? {
        exports.append(chunk).await?;
    }
    exports.finish(&shared.heading).await
}

/// Reads, rates and encodes a bucket.
async fn make_bucket(store: &dyn Store, shared: Arc<Shared>, name: String) -> Result<Chunk> {
    let own = read(store, &shared.own, &name).await?;
    let mut adjusted = Vec::new();
    for (_, extracted) in &shared.adjusted {
        adjusted.push(read(store, extracted, &name).await?);
    }
    let work = move || {
        let own = shared.own.usage_of(&own)?;
        let months = shared.adjusted.iter().zip(adjusted);
        let months: Result<Vec<(&Adjusted, Usage)>> =
            months.map(|((one, extracted), files)| Ok((one, extracted.usage_of(&files)?))).collect();
        let months = months?;
        let bucket = Bucket {
            name: &name,
            buckets: shared.buckets,
            month: shared.heading.month,
            plans: &shared.plans,
            usage: &own,
            adjusted: months.iter().map(|(one, usage)| (*one, usage)).collect(),
            only: shared.only.as_deref(),
        };
        encode(&shared.heading, &bucket.bill()?, &own)
    };
    tokio::task::spawn_blocking(work).await.context("a bucket of the invoices was given up")?
}

impl Extracted {
    /// What some of the files hold.
    fn usage_of(&self, files: &[Vec<u8>]) -> Result<Usage> {
        Usage::read(files, &self.meters, self.grain)
    }
}

async fn read(store: &dyn Store, extracted: &Extracted, bucket: &str) -> Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for file in extracted.usage.files.get(bucket).into_iter().flatten() {
        let content = store.read(file).await?;
        files.push(content.with_context(|| format!("the extracted usage {file} is gone"))?);
    }
    Ok(files)
}

/// How finely a month's usage must be told apart: by day where plans change within the month, by path where charges
/// do; for pages by both.
pub(crate) fn grain(plans: &[&Plans], month: Month, html: bool) -> Grain {
    Grain {
        by_day: html || plans.iter().any(|plans| plans.change_within(month)),
        by_path: html || plans.iter().any(|plans| plans.filter_by_path()),
    }
}

fn heading(work: &Work<'_>, options: &Options, tally: &Tally) -> Result<Heading> {
    let billing = &work.lake.config.billing;
    Ok(Heading {
        month: work.month,
        status: options.status(),
        time_zone: billing.zone()?,
        period: period(billing.zone()?, work.month),
        provider: billing.provider.clone(),
        service: billing.service.clone(),
        sql: work.sql.label(),
        plans_sha256: work.plan_file.sha256.clone(),
        fingerprint: work.fingerprint(options.status(), options.html),
        html: options.html,
        tally: *tally,
    })
}
