//! From usage to invoices, for the users of one bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::run::one_line;
use rust_decimal::Decimal;

use crate::billed::{Adjusted, Billed};
use crate::currency::Currency;
use crate::document::Document;
use crate::exact::sum;
use crate::export::check;
use crate::extract::{Buckets, REQUESTS};
use crate::left_out::Listing;
use crate::plans::{Plans, UNATTRIBUTED};
use crate::rating::{Corrected, Correction, Coverage, CustomerMonth, Invoice, Line, RatingError};
use crate::usage::{Group, Usage};

/// The users of a month that one thread works on.
pub(crate) struct Bucket<'a> {
    pub(crate) name: &'a str,
    pub(crate) buckets: Buckets,
    pub(crate) month: Month,
    pub(crate) plans: &'a Plans,
    /// Of the month.
    pub(crate) usage: &'a Usage,
    /// The months to correct, by date, each with its usage in this bucket.
    pub(crate) adjusted: Vec<(&'a Adjusted, &'a Usage)>,
    /// Only this customer.
    pub(crate) only: Option<&'a str>,
}

/// What becomes of a bucket's usage.
#[derive(Default)]
pub(crate) struct Billing<'a> {
    pub(crate) documents: Vec<Document<'a>>,
    /// Calls without a user, which nobody pays.
    pub(crate) unattributed: Decimal,
    /// Calls that no charge counts, though a plan covers their day.
    pub(crate) unpriced: Decimal,
    /// Calls on days that no plan covers, and whose they are.
    pub(crate) uncovered: Decimal,
    pub(crate) uncovered_of: Listing,
    /// Who gets no invoice, or no correction of an earlier month, because it cannot be computed. Who gets no invoice is
    /// in none of the numbers above.
    pub(crate) left_out: Listing,
}

/// What is wrong with the usage of single customers: the reasons why they are left out.
type Faults<'a> = BTreeMap<&'a str, Vec<String>>;

/// What earlier months' invoices billed too little or too much, by customer, each in the currency of its month.
type Corrections<'a> = BTreeMap<&'a str, Vec<(Currency, Correction)>>;

impl<'a> Bucket<'a> {
    /// The invoices of the bucket's customers, by customer: those with usage, those that the plan file lists, and those
    /// whose earlier months must be corrected. Whoever has no line gets none. A customer whose usage cannot be rated is
    /// left out, and all others are billed.
    ///
    /// # Errors
    /// A sum over all customers has too many digits.
    pub(crate) fn bill(&self) -> Result<Billing<'a>> {
        let mut corrections = Corrections::new();
        let mut faults = Faults::new();
        for (adjusted, usage) in &self.adjusted {
            self.correct(adjusted, usage, &mut corrections, &mut faults)?;
        }
        let mut customers: BTreeMap<&'a str, Option<&'a [Group]>> = BTreeMap::new();
        let mut billing = Billing::default();
        for (user, groups) in self.usage.by_user() {
            if UNATTRIBUTED.contains(&user) {
                for group in groups {
                    billing.unattributed = sum(billing.unattributed, self.usage.quantity(group, REQUESTS)?)?;
                }
            } else {
                customers.insert(user, Some(groups));
            }
        }
        let listed = self.plans.customers().map(|customer| customer.id.as_str()).filter(|id| self.holds(id));
        for customer in listed.chain(corrections.keys().copied()) {
            customers.entry(customer).or_default();
        }
        for (customer, groups) in customers {
            if self.only.is_some_and(|only| only != customer) {
                continue;
            }
            let corrections = corrections.remove(customer).unwrap_or_default();
            match self.billed(customer, groups, &corrections) {
                Ok((documents, rated)) => {
                    billing.documents.extend(documents);
                    billing.unpriced = sum(billing.unpriced, rated.unpriced)?;
                    if let Some(uncovered) = rated.uncovered {
                        billing.uncovered = sum(billing.uncovered, uncovered.requests)?;
                        let why = format!("has {uncovered}: {}", self.plans.why_uncovered(customer));
                        billing.uncovered_of.add(customer, &why);
                    }
                }
                Err(error) => {
                    let why = format!("cannot be billed for {}: {}", self.month, reason(error)?);
                    faults.entry(customer).or_default().insert(0, why);
                }
            }
        }
        for (customer, reasons) in faults {
            billing.left_out.add(customer, &reasons.join("; "));
        }
        Ok(billing)
    }

    fn holds(&self, customer: &str) -> bool {
        self.buckets.of(customer) == self.name
    }

    /// A customer's invoices: one, or one more for each currency in which an earlier month was billed. With them the
    /// calls of its month that they do not bill.
    fn billed(
        &self,
        customer: &'a str,
        groups: Option<&'a [Group]>,
        corrections: &[(Currency, Correction)],
    ) -> Result<(Vec<Document<'a>>, Rated<'a>)> {
        let main = self.plans.currency();
        let mut own = rate(self.plans, self.month, customer, self.usage, groups)?;
        let mut currencies: Vec<Currency> = vec![main];
        for (currency, _) in corrections {
            if !currencies.contains(currency) {
                currencies.push(*currency);
            }
        }
        let name = self.plans.customer(customer).map_or(customer, |customer| customer.name.as_str());
        let mut documents = Vec::new();
        for currency in currencies {
            // The month's own lines are on the first.
            let mut invoice = Invoice::new(std::mem::take(&mut own.lines), currency)?;
            for (_, correction) in corrections.iter().filter(|(of, _)| *of == currency) {
                invoice.correct(correction, currency)?;
            }
            if !invoice.lines.is_empty() {
                let document = Document::new(self.month, (customer, name), invoice, currency, currency == main);
                check(&document)?;
                documents.push(document);
            }
        }
        Ok((documents, own))
    }

    /// What an earlier month's invoices billed too little or too much, by customer. A customer for whom that cannot be
    /// computed is not corrected, and gets the invoice of its own month all the same.
    fn correct(
        &self,
        adjusted: &'a Adjusted,
        usage: &'a Usage,
        corrections: &mut Corrections<'a>,
        faults: &mut Faults<'a>,
    ) -> Result<()> {
        let mut with_usage: BTreeMap<&'a str, &'a [Group]> = usage.by_user().collect();
        with_usage.retain(|user, _| !UNATTRIBUTED.contains(user));
        let billed = adjusted.billed.keys().map(String::as_str).filter(|customer| self.holds(customer));
        let customers: BTreeSet<&'a str> = with_usage.keys().copied().chain(billed).collect();
        for customer in customers {
            if self.only.is_some_and(|only| only != customer) {
                continue;
            }
            let groups = with_usage.get(customer).copied();
            match self.correction(adjusted, customer, usage, groups) {
                Ok((currency, correction)) if !correction.is_nothing() => {
                    corrections.entry(customer).or_default().push((currency, correction));
                }
                Ok(_) => {}
                Err(error) => {
                    let why = format!("cannot be adjusted for {}: {}", adjusted.month, reason(error)?);
                    faults.entry(customer).or_default().push(why);
                }
            }
        }
        Ok(())
    }

    fn correction(
        &self,
        adjusted: &Adjusted,
        customer: &str,
        usage: &Usage,
        groups: Option<&[Group]>,
    ) -> Result<(Currency, Correction)> {
        let kept = &adjusted.plan_file.plans;
        let (mut plans, mut rated) = (kept, rate(kept, adjusted.month, customer, usage, groups));
        let is_whole = |rated: &Result<Rated<'_>, RatingError>| rated.as_ref().is_ok_and(|it| it.uncovered.is_none());
        if !is_whole(&rated) {
            // Since then the customer may have been given a plan for those days, or a price that can be computed. What
            // the invoices of a later month billed by its plan file keeps that price: it comes before the file of now.
            for since in self.plans_since(adjusted.month).filter(|since| since.currency() == kept.currency()) {
                let by_those = rate(since, adjusted.month, customer, usage, groups);
                if is_whole(&by_those) {
                    (plans, rated) = (since, by_those);
                    break;
                }
            }
        }
        let due = Invoice::new(rated?.lines, kept.currency())?.totals;
        let billed = adjusted.billed.get(customer).copied().unwrap_or(Billed::default());
        let corrected = |due, billed| Corrected { month: adjusted.month, due, billed };
        let correction = Correction {
            net: corrected(due.subtotal, billed.net),
            tax: corrected(due.tax, billed.tax),
            tax_rate: plans.terms(customer).tax_rate,
        };
        Ok((kept.currency(), correction))
    }

    /// The plans of the final months after one, by month, and those of now.
    fn plans_since(&self, month: Month) -> impl Iterator<Item = &Plans> {
        let later = self.adjusted.iter().map(|(adjusted, _)| *adjusted).filter(move |adjusted| adjusted.month > month);
        later.map(|adjusted| &adjusted.plan_file.plans).chain([self.plans])
    }
}

/// Why a customer cannot be billed.
///
/// # Errors
/// It is no fault of the customer's usage or plan, but of the program, and so concerns everybody.
fn reason(error: anyhow::Error) -> Result<String> {
    match error.downcast_ref::<RatingError>() {
        Some(RatingError::NoMeter(_)) => Err(error),
        _ => Ok(one_line(&error)),
    }
}

/// A customer's month, rated.
#[derive(Default)]
struct Rated<'p> {
    lines: Vec<Line<'p>>,
    /// Calls that no charge counts, though a plan covers their day.
    unpriced: Decimal,
    uncovered: Option<Uncovered>,
}

/// A customer's calls on days that no plan covers.
struct Uncovered {
    requests: Decimal,
    first: Day,
    last: Day,
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, first, last } = self;
        let requests = requests.normalize();
        write!(f, "{requests} {}", if requests == Decimal::ONE { "call" } else { "calls" })?;
        if first == last { write!(f, " on {first}") } else { write!(f, " from {first} to {last}") }
    }
}

/// Rates a customer's month; nothing comes of one that has no usage and is not listed.
fn rate<'p>(
    plans: &'p Plans,
    month: Month,
    customer: &str,
    usage: &Usage,
    groups: Option<&[Group]>,
) -> Result<Rated<'p>, RatingError> {
    let mut rated = Rated::default();
    if groups.is_none() && plans.customer(customer).is_none() {
        return Ok(rated);
    }
    let mut customer_month = CustomerMonth::new(plans, customer, month);
    let (first, last) = (Day::containing(month.start()), Day::containing(month.end()).previous());
    for group in groups.unwrap_or_default() {
        let (method, path) = usage.method_and_path(group);
        // Where days are not told apart, all of the month have the same plans.
        let day = usage.day(group);
        let coverage =
            customer_month.record(day.unwrap_or(first), method, path, |meter| usage.quantity(group, meter))?;
        match coverage {
            Coverage::Priced => {}
            Coverage::Unpriced => rated.unpriced = sum(rated.unpriced, usage.quantity(group, REQUESTS)?)?,
            Coverage::Uncovered => {
                let requests = usage.quantity(group, REQUESTS)?;
                // Groups come by day.
                let before = rated.uncovered.take();
                rated.uncovered = Some(Uncovered {
                    requests: sum(before.as_ref().map_or(Decimal::ZERO, |before| before.requests), requests)?,
                    first: before.map_or(day.unwrap_or(first), |before| before.first),
                    last: day.unwrap_or(last),
                });
            }
        }
    }
    rated.lines = customer_month.lines()?;
    Ok(rated)
}
