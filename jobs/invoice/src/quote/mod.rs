//! `invoice quote`: what a quantity would cost in a whole month, without a lake and without a customer.

mod args;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result, anyhow, bail};
use meterlake_core::period::Day;
use meterlake_core::run::Output;
use rust_decimal::Decimal;
use serde::Serialize;

pub use args::{QuoteArgs, Usage};

use crate::currency::Currency;
use crate::plans::{METERS, PlanPeriod, PlanVersion, Plans};
use crate::rating::{Invoice, Line, LineKind, rate};

/// What a quantity would cost. Amounts have the currency's decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// The plan file's.
    pub currency: Currency,
    /// The lines that an invoice would have, without tax.
    pub lines: Vec<QuoteLine>,
    /// Their sum.
    pub subtotal: String,
    /// Zero: a quote knows no customer.
    pub tax: String,
    /// What would be to pay.
    pub total: String,
}

/// A line of a quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuoteLine {
    /// What it is for.
    pub kind: LineKind,
    /// The charge; none for the minimum or maximum of the plan.
    pub charge: Option<String>,
    /// What the charge counts.
    pub meter: Option<String>,
    /// How much of it was asked for; none on lines that price no quantity.
    pub quantity: Option<Decimal>,
    /// What it costs.
    pub amount: String,
}

/// Prices the arguments' quantities and prints the quote. `today` stands in for a date that is not given.
///
/// # Errors
/// The plan file cannot be read or is wrong, or it has no such plan or meter.
pub fn run(args: &QuoteArgs, today: Day) -> Result<()> {
    let file = args.plans.display().to_string();
    let content = std::fs::read(&args.plans).with_context(|| format!("cannot read the plans {file}"))?;
    let text = Plans::text(&file, content)?;
    let usage = args.quantities()?;
    // No lake says which columns were added to usage_daily. Whoever quotes a meter says that there is one.
    let meters: BTreeSet<&str> = METERS.into_iter().chain(usage.keys().map(String::as_str)).collect();
    let plans = Plans::parse(&file, &text, &meters)?;
    let quote = quote(&plans, &args.plan, &usage, args.date.unwrap_or(today)).with_context(|| format!("in {file}"))?;
    Output::print(args.output).report(&quote)
}

/// What quantities of meters would cost in a whole month of the plan version that is in force on a day.
///
/// A charge for some methods or paths only is priced as if all of its meter's quantity came by those.
///
/// # Errors
/// There is no such plan, no version of it on that day, or no charge for one of the meters; or the quantities cannot be
/// rated.
pub fn quote(plans: &Plans, plan: &str, usage: &BTreeMap<String, Decimal>, day: Day) -> Result<Quote> {
    let version = version(plans, plan, day)?;
    let meters: BTreeSet<&str> = version.charges.iter().filter_map(|charge| charge.meter.as_deref()).collect();
    if let Some(meter) = usage.keys().find(|meter| !meters.contains(meter.as_str())) {
        let priced = meters.into_iter().collect::<Vec<_>>().join(", ");
        let priced = if priced.is_empty() { "no meter".to_owned() } else { priced };
        bail!("the plan `{plan}` has no charge for the meter `{meter}`: it prices {priced}");
    }
    let asked = |meter: &Option<String>| meter.as_ref().and_then(|meter| usage.get(meter)).copied();
    let quantities: Vec<Decimal> =
        version.charges.iter().map(|charge| asked(&charge.meter).unwrap_or_default()).collect();
    let currency = plans.currency();
    let mut lines = rate(&PlanPeriod::month_of(version, day), &quantities, Decimal::ZERO, currency)?;
    lines.retain(|line| !line.is_nothing() || line.charge.is_some_and(|charge| asked(&charge.meter).is_some()));
    let Invoice { lines, totals } = Invoice::new(lines, currency)?;
    Ok(Quote {
        currency,
        lines: lines.iter().map(|line| quote_line(line, currency)).collect(),
        subtotal: currency.format(totals.subtotal),
        tax: currency.format(totals.tax),
        total: currency.format(totals.total),
    })
}

fn version<'p>(plans: &'p Plans, plan: &str, day: Day) -> Result<&'p PlanVersion> {
    let Some(first) = plans.versions(plan).first() else {
        bail!("unknown plan `{plan}`: there are {}", plans.ids().collect::<Vec<_>>().join(", "));
    };
    plans.version_on(plan, day).ok_or_else(|| {
        anyhow!("the plan `{plan}` has no version on {day}: its first begins on {}", first.effective_from)
    })
}

fn quote_line(line: &Line<'_>, currency: Currency) -> QuoteLine {
    QuoteLine {
        kind: line.kind,
        charge: line.charge.map(|charge| charge.id.clone()),
        meter: line.charge.and_then(|charge| charge.meter.clone()),
        quantity: line.quantity,
        amount: currency.format(line.amount),
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |[kind, charge, quantity, amount]: [&str; 4], f: &mut fmt::Formatter<'_>| {
            writeln!(f, "{kind:<8}  {charge:<32}  {quantity:>24}  {amount:>16}")
        };
        for QuoteLine { kind, charge, meter, quantity, amount } in &self.lines {
            let charge = match (charge, meter) {
                (Some(charge), Some(meter)) => format!("{charge} ({meter})"),
                (charge, _) => charge.clone().unwrap_or_else(|| "plan".to_owned()),
            };
            let quantity = quantity.map(|quantity| quantity.to_string()).unwrap_or_default();
            row([kind.name(), &charge, &quantity, amount], f)?;
        }
        row(["subtotal", "", "", &self.subtotal], f)?;
        row(["tax", "", "", &self.tax], f)?;
        write!(f, "{:<8}  {:<32}  {:>24}  {:>16} {}", "total", "", "", self.total, self.currency)
    }
}
