//! Invoicing one month.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use meterlake_core::catalog::Partition;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::Month;
use meterlake_core::publications;
use meterlake_core::publish::Publication;
use meterlake_core::run::Job;
use meterlake_core::slot::{Draft, persistently};
use serde_json::json;

use crate::args::InvoiceJob;
use crate::close::{claim, is_unchanged, problems, refuse};
use crate::extract::{meters, render, too_late as too_late_requests, usage_folder};
use crate::look::{
    DRAFT, FINAL, INVOICES_FOLDER, KEPT_INPUTS, KEPT_PLANS, LINE_ITEMS_FOLDER, STATUS, Work, generation_folder,
    is_final,
};
use crate::make::{self, Made};
use crate::report::{Report, Status, notes};

/// How a month is invoiced.
#[derive(Debug, Clone)]
pub struct Options {
    /// Make the invoices final.
    pub finalize: bool,
    /// Only this customer's, without publishing it.
    pub customer: Option<String>,
    /// The plan file.
    pub plans: Location,
    /// Make pages for people.
    pub html: bool,
    /// Make final in spite of problems; make again even if nothing changed.
    pub force: bool,
}

impl Options {
    pub(crate) fn status(&self) -> &'static str {
        if self.finalize { FINAL } else { DRAFT }
    }
}

/// Makes the invoices of a month, unless the published ones are final or made from the same inputs.
///
/// # Errors
/// A table or the plan file is missing or wrong, the month cannot be made final yet, or the engine, store or catalog
/// failed. What was published stays so. A customer whose usage cannot be rated is no error: the report names it.
pub async fn invoice_month(lake: &Lake, month: Month, options: &Options) -> Result<Report> {
    let started = Instant::now();
    let done = persistently(month, || attempt(lake, month, options)).await;
    let Some(report) = done.with_context(|| format!("cannot invoice the month {month}"))? else {
        bail!(
            "the month {month}, or one that it adjusts, was published by other runs again and again: run invoice again"
        )
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Report { duration_ms, ..report })
}

/// `None`: the month changed meanwhile and has to be looked at again.
async fn attempt(lake: &Lake, month: Month, options: &Options) -> Result<Option<Report>> {
    let work = Work::look(lake, month, &options.plans).await?;
    if let Some((current, published)) = work.slot.current().zip(work.slot.published.as_ref()) {
        let output = generation_folder(current);
        let is_same = published.fingerprint == work.fingerprint(options.status(), options.html);
        let is_final = is_final(published);
        if is_final && let Some(customer) = &options.customer {
            bail!("its invoices are final: that of the customer `{customer}`, if there is one, is in {output}");
        }
        if is_final || (is_same && !options.force && options.customer.is_none()) {
            follow(lake, month).await?;
            work.slot.vacuum(None).await?;
            let status = if is_final { Status::AlreadyFinal } else { Status::Draft };
            return Ok(Some(Report::of(month, status, published, output)));
        }
    }
    let mut forced = Vec::new();
    if options.finalize {
        let problems = problems(lake, month).await?;
        if !options.force {
            refuse(month, &problems)?;
        }
        forced.extend(problems.iter().map(ToString::to_string));
    } else if work.days_of(month).next().is_none() {
        tracing::warn!(%month, "there is no day of usage for this month: was it aggregated?");
    }
    let draft = work.slot.draft(InvoiceJob::NAME)?;
    let usage =
        work.slot.begin(InvoiceJob::NAME, &work.sql, &work.fingerprint("", options.html), options.force).await?;
    match make_and_publish(&work, options, (&draft, &usage), &forced).await {
        Ok(report) => {
            usage.discard(lake).await;
            if report.is_none() {
                draft.discard(lake).await;
            }
            Ok(report)
        }
        Err(Failed::Before(error)) => {
            draft.discard(lake).await;
            Err(usage.fail(lake, error).await)
        }
        Err(Failed::Publishing(error)) => Err(error),
    }
}

/// Why a generation was not published.
enum Failed {
    /// It is not published, and may be deleted.
    Before(anyhow::Error),
    /// Nobody knows whether it is published: nothing may be deleted, vacuum decides later.
    Publishing(anyhow::Error),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Before(error)
    }
}

/// `None`: what it was made from changed meanwhile, or another run published.
async fn make_and_publish(
    work: &Work<'_>,
    options: &Options,
    (draft, usage): (&Draft, &Draft),
    forced: &[String],
) -> Result<Option<Report>, Failed> {
    let mut made = write(work, options, (draft, usage), forced).await?;
    let mut too_late = 0;
    if options.finalize {
        let (requests, scan) = too_late_requests(work, usage).await?;
        too_late = requests;
        made.scan += scan;
    }
    let mut publication = Publication {
        generation: draft.generation.clone(),
        fingerprint: work.fingerprint(options.status(), options.html),
        sql: work.sql.label(),
        published_at: work.lake.clock.now(),
        notes: notes(&made.summary, too_late, forced),
    };
    publication.notes.insert(STATUS.to_owned(), options.status().to_owned());
    publication.notes.insert("plans_sha256".to_owned(), work.plan_file.sha256.clone());
    let status = if options.finalize { Status::Final } else { Status::Draft };
    let report = Report { scan: made.scan, ..Report::of(work.month, status, &publication, draft.folder.clone()) };
    // The claim comes last, when all is known to be sound, and what was billed is looked at once more after it: a day
    // that was built again, or a month that was made final meanwhile, is not in these invoices.
    let mut claimed = None;
    if options.finalize {
        let Some(claims) = claim(work).await? else { return Ok(None) };
        claimed = Some(claims);
    }
    if !is_unchanged(work, &options.plans, claimed.as_ref()).await? {
        return Ok(None);
    }
    if options.customer.is_some() {
        return Ok(Some(report));
    }
    // The whole generation, not only the folder that the partition points at.
    work.lake.store.persist(&draft.folder).await?;
    let folder = draft.folder.join(INVOICES_FOLDER);
    let Some(head) = work.slot.publish(&publication, &folder).await.map_err(Failed::Publishing)? else {
        return Ok(None);
    };
    follow(work.lake, work.month).await.map_err(Failed::Publishing)?;
    work.slot.vacuum(Some(&head)).await.map_err(Failed::Publishing)?;
    Ok(Some(report))
}

/// Lets the partition of the lines follow what is published of a month's invoices. A run that was cut off between the two is
/// completed here by the next one. Looked at again afterwards: another run may have published meanwhile.
pub(crate) async fn follow(lake: &Lake, month: Month) -> Result<()> {
    let layout = &lake.layout;
    loop {
        let head = publications::head(lake, &layout.invoices, month).await?;
        let Some(invoices) = head.partition else { return Ok(()) };
        let lines = Partition { location: generation_folder(&invoices).join(LINE_ITEMS_FOLDER), ..invoices };
        let name = &layout.line_items.name;
        let there = lake.catalog.get_partitions(name, std::slice::from_ref(&lines.values)).await?.pop().flatten();
        if there.is_some_and(|there| there.location == lines.location) {
            return Ok(());
        }
        lake.catalog.put_partitions(name, &[lines]).await?;
    }
}

/// Writes all files of a generation.
async fn write(
    work: &Work<'_>,
    options: &Options,
    (draft, usage): (&Draft, &Draft),
    forced: &[String],
) -> Result<Made> {
    let made = make::invoices(work, options, draft, usage).await?;
    if options.customer.is_some() && made.summary.invoices == 0 {
        let customer = options.customer.as_deref().unwrap_or_default();
        if let Some(one) = made.summary.left_out.named.iter().chain(&made.summary.uncovered_of.named).next() {
            bail!("the customer `{customer}` has no invoice: it {}", one.why);
        }
        bail!("the customer `{customer}` has no invoice: it has no usage, no flat price and no adjustment");
    }
    let store = &work.lake.store;
    store.write(&draft.folder.join(KEPT_PLANS), work.plan_file.text.as_bytes()).await?;
    let adjusted =
        work.adjusted().map(|one| json!({"month": one.month, "generation": one.publication.generation.to_string()}));
    let inputs = json!({
        "month": work.month,
        "status": options.status(),
        "sql": work.sql.label(),
        "sql_checksum": work.sql.checksum(),
        "plans": work.plan_file.location,
        "plans_sha256": work.plan_file.sha256,
        "time_zone": work.lake.config.billing.time_zone,
        "usage_daily": work.days,
        "adjusted": adjusted.collect::<Vec<_>>(),
        "months_not_adjusted": made.summary.not_adjusted,
        "forced": forced,
    });
    store.write(&draft.folder.join(KEPT_INPUTS), &serde_json::to_vec_pretty(&inputs)?).await?;
    Ok(made)
}

/// What a dry run says of a month: what would be done and why, and the statements.
///
/// # Errors
/// A table or the plan file is missing or wrong, or the store or catalog failed.
pub(crate) async fn plan(lake: &Lake, month: Month, options: &Options) -> Result<(String, Vec<String>)> {
    let work = Work::look(lake, month, &options.plans).await?;
    let why = match &work.slot.published {
        Some(published) if is_final(published) => "is final and would stay as it is",
        Some(published) if published.fingerprint == work.fingerprint(options.status(), options.html) => {
            "is unchanged; with --force it would be made again"
        }
        Some(_) if options.finalize => "would be made final",
        Some(_) => "would be made again, because its usage, the plans or the SQL changed",
        None if options.finalize => "would be made and made final at once",
        None => "would be made for the first time",
    };
    let mut plan = format!("{month} ({} days of arrival) {why}", work.days_of(month).count());
    if options.finalize {
        for problem in problems(lake, month).await? {
            plan.push_str(&format!("\n-- not yet: {problem}"));
        }
    }
    let usage = work.slot.draft(InvoiceJob::NAME)?;
    let plans = [&work.plan_file.plans];
    let months = work.adjusted().map(|one| one.month).chain([month]);
    let statements: Result<Vec<String>> = months
        .map(|month| {
            let columns = make::grain(&plans, month, options.html).columns(&meters(&plans));
            render(&work, month, columns, make::buckets(&work), &usage_folder(&usage, month))
        })
        .collect();
    Ok((plan, statements?))
}
