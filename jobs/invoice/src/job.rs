//! Invoicing one month.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use meterlake_core::catalog::Partition;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::notes::MonthNotes;
use meterlake_core::period::{Month, Period};
use meterlake_core::publications;
use meterlake_core::publish::Publication;
use meterlake_core::run::{Job, NotYet, WaitUntil};
use meterlake_core::slot::{Draft, persistently};
use serde_json::json;

use crate::accepted::Accepted;
use crate::args::InvoiceJob;
use crate::close::{Obstacles, accepting, claim, is_unchanged, obstacles, refuse, start_in};
use crate::export::Summary;
use crate::extract::{Untimely, meters, render, untimely, usage_folder};
use crate::gates;
use crate::look::{
    DRAFT, FINAL, INVOICES_FOLDER, KEPT_INPUTS, KEPT_PLANS, LINE_ITEMS_FOLDER, Work, generation_folder, is_final,
    is_there,
};
use crate::make::{self, Made};
use crate::report::{Besides, Report, Status, notes};
use crate::tally::{MonthTally, Tally};

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
    /// How much of what was not read or not built is accepted, beside what was before.
    pub accept: Accepted,
    /// Until when a month that cannot be made final yet is reported as waiting.
    pub wait_until: Option<WaitUntil>,
    /// The time that the run goes by: its event's, or else the clock's.
    pub now: DateTime<Utc>,
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
    if let Some(report) = already_final(&work, options).await? {
        return Ok(Some(report));
    }
    let tally = MonthTally::look(lake, month).await?;
    let accepted = work.accepted(&options.accept);
    let mut accepted_days = Vec::new();
    if options.finalize {
        let Obstacles { problems, late } = obstacles(lake, month).await?;
        let refused = refuse(month, &problems, &accepted);
        let shut = gates::refusal(lake, month, &tally, &late, &accepted.with(&accepting(&problems)))?;
        match (refused, shut) {
            (Ok(()), None) => accepted_days.extend(problems.iter().map(ToString::to_string)),
            (Ok(()), Some(shut)) => bail!(shut),
            // Time mends only the one, so there is nothing to wait for.
            (Err(not_yet), Some(shut)) => bail!("{not_yet}; besides, {shut}"),
            (Err(not_yet), None) if may_wait(lake, month, options)? => return Ok(Some(waiting(&work, not_yet))),
            (Err(not_yet), None) => return Err(not_yet.into()),
        }
    } else {
        if work.days_of(month).next().is_none() {
            tracing::warn!(%month, "there is no day of usage for this month: was it aggregated?");
        }
        if let Some(shut) = gates::refusal(lake, month, &tally, &[], &accepted)? {
            tracing::warn!("{shut}");
        }
        if let Some(report) = unchanged_draft(&work, options, &accepted).await? {
            return Ok(Some(report));
        }
    }
    let draft = work.slot.draft(InvoiceJob::NAME)?;
    let usage = work.slot.begin(InvoiceJob::NAME, &work.sql, &work.fingerprint("", options.html), false).await?;
    let found = Found { tally: tally.all, accepted, accepted_days };
    match make_and_publish(&work, options, &found, (&draft, &usage)).await {
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

/// What was found about a month before its invoices are made.
struct Found {
    tally: Tally,
    accepted: Accepted,
    /// The days in spite of which it is made final.
    accepted_days: Vec<String>,
}

/// The report of a month that is final already.
async fn already_final(work: &Work<'_>, options: &Options) -> Result<Option<Report>> {
    let Some((current, published)) = work.slot.current().zip(work.slot.published.as_ref()) else { return Ok(None) };
    if !is_final(published) {
        return Ok(None);
    }
    let output = generation_folder(current);
    if !is_there(work.lake, &output).await? {
        bail!("its invoices are final, and their folder {output} is gone: put it back as it was");
    }
    if let Some(customer) = &options.customer {
        bail!("its invoices are final: that of the customer `{customer}`, if there is one, is in {output}");
    }
    stays(work, Status::AlreadyFinal, published, output).await.map(Some)
}

/// The report of a draft that is there and made from what there is now.
async fn unchanged_draft(work: &Work<'_>, options: &Options, accepted: &Accepted) -> Result<Option<Report>> {
    let Some((current, published)) = work.slot.current().zip(work.slot.published.as_ref()) else { return Ok(None) };
    let is_same = published.fingerprint == work.fingerprint(options.status(), options.html)
        && *accepted == work.accepted(&Accepted::default());
    let output = generation_folder(current);
    if !is_same || options.customer.is_some() || !is_there(work.lake, &output).await? {
        return Ok(None);
    }
    stays(work, Status::Draft, published, output).await.map(Some)
}

/// Completes what a run that was cut off left undone, and reports what is published.
async fn stays(work: &Work<'_>, status: Status, published: &Publication<Month>, output: Location) -> Result<Report> {
    follow(work.lake, work.month).await?;
    work.slot.vacuum(None).await?;
    Ok(Report::of(work.month, status, published, output))
}

/// Whether it is early enough for a month to lack what time alone brings.
fn may_wait(lake: &Lake, month: Month, options: &Options) -> Result<bool> {
    let end = start_in(lake.config.billing.zone()?, month.next());
    Ok(options.wait_until.is_some_and(|until| until.allows(options.now, end)))
}

fn waiting(work: &Work<'_>, what: NotYet) -> Report {
    let draft = work.slot.published.as_ref().zip(work.slot.current().map(generation_folder));
    Report::waiting(work.month, draft, what)
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
    found: &Found,
    (draft, usage): (&Draft, &Draft),
) -> Result<Option<Report>, Failed> {
    let mut made = write(work, options, found, (draft, usage)).await?;
    if !made.summary.has_users && !made.summary.unattributed.is_zero() {
        warn_of_no_user(work, &made.summary);
    }
    let mut late_or_early = Untimely::default();
    if options.finalize {
        late_or_early = untimely(work, usage).await?;
        made.scan += late_or_early.scan;
    }
    let Found { tally, accepted, accepted_days } = found;
    let besides = Besides { tally, untimely: late_or_early, accepted, accepted_days };
    let publication = Publication {
        generation: draft.generation.clone(),
        fingerprint: work.fingerprint(options.status(), options.html),
        sql: work.sql.label(),
        published_at: work.lake.clock.now(),
        notes: MonthNotes {
            is_final: options.finalize,
            plans_sha256: work.plan_file.sha256.clone(),
            ..notes(&made.summary, &besides)
        },
    };
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
async fn write(work: &Work<'_>, options: &Options, found: &Found, drafts: (&Draft, &Draft)) -> Result<Made> {
    let made = make::invoices(work, options, &found.tally, drafts).await?;
    let (draft, _) = drafts;
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
        "accepted_days": found.accepted_days,
        "accepted": found.accepted.to_string(),
    });
    store.write(&draft.folder.join(KEPT_INPUTS), &serde_json::to_vec_pretty(&inputs)?).await?;
    Ok(made)
}

/// Whether the folder of what is published is still there.
async fn is_current_there(work: &Work<'_>) -> Result<bool> {
    match work.slot.current() {
        Some(current) => is_there(work.lake, &generation_folder(current)).await,
        None => Ok(false),
    }
}

/// Most likely the key of the user is another one in this log than the SQL reads.
fn warn_of_no_user(work: &Work<'_>, summary: &Summary) {
    let month: Vec<String> =
        Month::KEYS.iter().zip(work.month.numbers()).map(|(key, number)| format!("{key} = {number}")).collect();
    tracing::warn!(
        month = %work.month,
        requests = %summary.unattributed,
        "no call of this month has a user, so nobody pays for any: look at the lines with `query 'SELECT line FROM {} WHERE \
         {} LIMIT 20'` for the key that has the user, and name it in sql/sources/apigateway.sql",
        work.lake.layout.lines.name.table,
        month.join(" AND ")
    );
}

/// What a dry run says of a month: what would be done and why, and the statements.
///
/// # Errors
/// A table or the plan file is missing or wrong, or the store or catalog failed.
pub(crate) async fn plan(lake: &Lake, month: Month, options: &Options) -> Result<(String, Vec<String>)> {
    let work = Work::look(lake, month, &options.plans).await?;
    let why = match &work.slot.published {
        Some(published) if is_final(published) => "is final and would stay as it is",
        Some(_) if !is_current_there(&work).await? => "would be made again, because its folder is gone",
        Some(published) if published.fingerprint == work.fingerprint(options.status(), options.html) => "is unchanged",
        Some(_) if options.finalize => "would be made final",
        Some(_) => "would be made again, because its usage, the plans or the SQL changed",
        None if options.finalize => "would be made and made final at once",
        None => "would be made for the first time",
    };
    let mut plan = format!("{month} ({} days of arrival) {why}", work.days_of(month).count());
    if options.finalize {
        let Obstacles { problems, late } = obstacles(lake, month).await?;
        for problem in problems {
            plan.push_str(&format!("\n-- not yet: {problem}"));
        }
        let tally = MonthTally::look(lake, month).await?;
        if let Some(shut) = gates::refusal(lake, month, &tally, &late, &work.accepted(&options.accept))? {
            plan.push_str(&format!("\n-- refused: {shut}"));
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
