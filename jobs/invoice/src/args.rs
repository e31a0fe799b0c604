//! What can be asked of `invoice`, and the months that it works on.

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use meterlake_core::beginning::Beginning;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::{Month, Period};
use meterlake_core::run::{Context, Job, Output, WaitUntil, WrongArguments, each, selected_periods};
use serde::Deserialize;

use crate::accepted::Accepted;
use crate::close::start_in;
use crate::job::{self, Options, invoice_month};
use crate::report::Report;

/// The job `invoice`.
pub struct InvoiceJob;

/// What `invoice` works on.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args {
    /// The month of use, like 2023-01 [default: the last complete one]
    #[arg(long, value_name = "MONTH", num_args = 0..=1)]
    pub month: Option<Option<Month>>,
    /// The first month of a range
    #[arg(long, value_name = "MONTH")]
    pub from: Option<Month>,
    /// The last month of a range [default: the last complete one]
    #[arg(long, value_name = "MONTH")]
    pub to: Option<Month>,
    /// Make the invoices final: they never change again
    #[arg(long)]
    pub finalize: bool,
    /// Only this customer's invoice, to look at: it is written, but not published, and vacuumed later
    #[arg(long, value_name = "ID", conflicts_with = "finalize")]
    pub customer: Option<String>,
    /// The plan file: a path or s3://bucket/key [default: the setting billing.plans]
    #[arg(long, value_name = "LOCATION")]
    pub plans: Option<String>,
    /// Leave out the pages for people
    #[arg(long)]
    pub no_html: bool,
    /// Accept so many malformed lines, copies, unreadable objects, late files, or days that are missing or stale, as a
    /// refusal names them; it is noted, and holds while they are not more: malformed=12,copies=46,objects=1,late=2,days=1
    #[arg(long, value_name = "KEY=N,…", conflicts_with = "customer")]
    pub accept: Option<Accepted>,
    /// Until when it is no error that days are missing or stale: 2023-02-10T00:00:00Z, or +9d after the month
    #[arg(long, value_name = "TIME", requires = "finalize")]
    pub wait_until: Option<WaitUntil>,
}

#[async_trait]
impl Job for InvoiceJob {
    const NAME: &'static str = "invoice";
    const ABOUT: &'static str = "Turns a month of usage into invoices. `invoice quote` prices a quantity without a lake: see `invoice quote --help`";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        if args.finalize && args.customer.is_some() {
            return Err(anyhow!(WrongArguments("a month is made final as a whole, not for one customer".to_owned())));
        }
        if args.wait_until.is_some() && !args.finalize {
            return Err(anyhow!(WrongArguments("a draft waits for nothing: wait_until needs finalize".to_owned())));
        }
        // A month is over when it is over in the billing time zone.
        let local = context.now.with_timezone(&lake.config.billing.zone()?).naive_local().and_utc();
        let mut months = selected_periods(args.month, args.from, args.to, local)?;
        let is_named = matches!(args.month, Some(Some(_))) || args.from.is_some();
        months = in_the_lake(lake, months, is_named).await?;
        if args.accept.is_some() && (months.len() > 1 || args.customer.is_some()) {
            return Err(anyhow!(WrongArguments("numbers are accepted for one month as a whole".to_owned())));
        }
        let plans: Location = match &args.plans {
            Some(plans) => plans.parse()?,
            None => lake.config.billing.plans.clone(),
        };
        let options = Options {
            finalize: args.finalize,
            customer: args.customer.clone(),
            plans,
            html: !args.no_html,
            accept: args.accept.clone().unwrap_or_default(),
            wait_until: args.wait_until,
            now: context.now,
        };
        if context.dry_run {
            for month in months {
                let (plan, statements) = job::plan(lake, month, &options).await?;
                output.plan(&plan, &statements)?;
            }
            return Ok(());
        }
        each::<Self, _, _>(months, context, output, |month| invoice_month(lake, month, &options)).await
    }
}

/// Those of some months that are not over before the lake begins.
///
/// # Errors
/// A month that was named is; or the store failed.
async fn in_the_lake(lake: &Lake, mut months: Vec<Month>, is_named: bool) -> Result<Vec<Month>> {
    let beginning = Beginning::look(lake).await?;
    let zone = lake.config.billing.zone()?;
    let is_before = |month: Month| beginning.first.is_some_and(|first| start_in(zone, month.next()) <= first.start());
    if is_named && let Some(month) = months.iter().copied().find(|month| is_before(*month)) {
        beginning.require(month)?;
    }
    months.retain(|month| !is_before(*month));
    if months.is_empty() {
        tracing::info!("the lake begins after the last complete month: there is nothing to invoice yet");
    }
    Ok(months)
}
