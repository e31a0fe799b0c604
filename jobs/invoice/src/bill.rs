//! From usage to invoices, for the users of one bucket.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use meterlake_core::period::{Day, Month, Period};
use rust_decimal::Decimal;

use crate::billed::{Adjusted, Billed};
use crate::currency::Currency;
use crate::document::Document;
use crate::extract::{Buckets, REQUESTS};
use crate::plans::{Plans, UNATTRIBUTED};
use crate::rating::{Corrected, Correction, CustomerMonth, Invoice, Line, RatingError};
use crate::usage::{Group, Usage};

/// The users of a month that one thread works on.
pub(crate) struct Bucket<'a> {
    pub(crate) name: &'a str,
    pub(crate) buckets: Buckets,
    pub(crate) month: Month,
    pub(crate) plans: &'a Plans,
    /// Of the month.
    pub(crate) usage: &'a Usage,
    /// The months to correct, each with its usage in this bucket.
    pub(crate) adjusted: Vec<(&'a Adjusted, &'a Usage)>,
    /// Only this customer.
    pub(crate) only: Option<&'a str>,
}

/// What becomes of a bucket's usage.
pub(crate) struct Billing<'a> {
    pub(crate) documents: Vec<Document<'a>>,
    /// Calls without a user, which nobody pays.
    pub(crate) unattributed: Decimal,
    /// Calls of users whose plans have no price for any of them, and who therefore get no invoice.
    pub(crate) unpriced: Decimal,
}

impl<'a> Bucket<'a> {
    /// The invoices of the bucket's customers, by customer: those with usage, those that the plan file lists, and those
    /// whose earlier months must be corrected. Whoever has no line gets none.
    ///
    /// # Errors
    /// A customer's usage cannot be rated; the error names the customer.
    pub(crate) fn bill(&self) -> Result<Billing<'a>> {
        let mut corrections: BTreeMap<&'a str, Vec<(Currency, Correction)>> = BTreeMap::new();
        for (adjusted, usage) in &self.adjusted {
            self.correct(adjusted, usage, &mut corrections)?;
        }
        let mut customers: BTreeMap<&'a str, Option<&'a [Group]>> = BTreeMap::new();
        let mut unattributed = Decimal::ZERO;
        for (user, groups) in self.usage.by_user() {
            if UNATTRIBUTED.contains(&user) {
                for group in groups {
                    unattributed += self.usage.quantity(group, REQUESTS)?;
                }
            } else {
                customers.insert(user, Some(groups));
            }
        }
        let listed = self.plans.customers().map(|customer| customer.id.as_str()).filter(|id| self.holds(id));
        for customer in listed.chain(corrections.keys().copied()) {
            customers.entry(customer).or_default();
        }
        let mut documents = Vec::with_capacity(customers.len());
        let mut unpriced = Decimal::ZERO;
        for (customer, groups) in customers {
            if self.only.is_some_and(|only| only != customer) {
                continue;
            }
            let corrections = corrections.remove(customer).unwrap_or_default();
            let made = self.documents(customer, groups, &corrections);
            let made =
                made.with_context(|| format!("the customer `{customer}` cannot be billed for {}", self.month))?;
            if made.is_empty() {
                for group in groups.unwrap_or_default() {
                    unpriced += self.usage.quantity(group, REQUESTS)?;
                }
            }
            documents.extend(made);
        }
        Ok(Billing { documents, unattributed, unpriced })
    }

    fn holds(&self, customer: &str) -> bool {
        self.buckets.of(customer) == self.name
    }

    /// A customer's invoices: one, or one more for each currency in which an earlier month was billed.
    fn documents(
        &self,
        customer: &'a str,
        groups: Option<&'a [Group]>,
        corrections: &[(Currency, Correction)],
    ) -> Result<Vec<Document<'a>>> {
        let main = self.plans.currency();
        let own = rate(self.plans, self.month, customer, self.usage, groups)?;
        let mut currencies: Vec<Currency> = vec![main];
        for (currency, _) in corrections {
            if !currencies.contains(currency) {
                currencies.push(*currency);
            }
        }
        let name = self.plans.customer(customer).map_or(customer, |customer| customer.name.as_str());
        let mut documents = Vec::new();
        let mut own = Some(own);
        for currency in currencies {
            let mut invoice = Invoice::new(own.take().unwrap_or_default(), currency)?;
            for (_, correction) in corrections.iter().filter(|(of, _)| *of == currency) {
                invoice.correct(correction, currency)?;
            }
            if !invoice.lines.is_empty() {
                documents.push(Document::new(self.month, (customer, name), invoice, currency, currency == main));
            }
        }
        Ok(documents)
    }

    /// What an earlier month's invoices billed too little or too much, by customer.
    fn correct(
        &self,
        adjusted: &'a Adjusted,
        usage: &'a Usage,
        corrections: &mut BTreeMap<&'a str, Vec<(Currency, Correction)>>,
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
            let correction = self.correction(adjusted, customer, usage, groups);
            let (currency, correction) = correction
                .with_context(|| format!("the customer `{customer}` cannot be adjusted for {}", adjusted.month))?;
            if !correction.is_nothing() {
                corrections.entry(customer).or_default().push((currency, correction));
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
        let (plans, lines) = match rate(kept, adjusted.month, customer, usage, groups) {
            // Those plans have none for this customer on that day: it was given one since, in the file of now.
            Err(RatingError::NoPlan(_)) if self.plans.currency() == kept.currency() => {
                (self.plans, rate(self.plans, adjusted.month, customer, usage, groups)?)
            }
            lines => (kept, lines?),
        };
        let due = Invoice::new(lines, kept.currency())?.totals;
        let billed = adjusted.billed.get(customer).copied().unwrap_or(Billed::default());
        let corrected = |due, billed| Corrected { month: adjusted.month, due, billed };
        let correction = Correction {
            net: corrected(due.subtotal, billed.net),
            tax: corrected(due.tax, billed.tax),
            tax_rate: plans.terms(customer).tax_rate,
        };
        Ok((kept.currency(), correction))
    }
}

/// The lines of a customer's month; none for one that has no usage and is not listed.
fn rate<'p>(
    plans: &'p Plans,
    month: Month,
    customer: &str,
    usage: &Usage,
    groups: Option<&[Group]>,
) -> Result<Vec<Line<'p>>, RatingError> {
    if groups.is_none() && plans.customer(customer).is_none() {
        return Ok(Vec::new());
    }
    let mut customer_month = CustomerMonth::new(plans, customer, month);
    // Where days are not told apart, all of the month have the same plans.
    let first = Day::containing(month.start());
    for group in groups.unwrap_or_default() {
        let (method, path) = usage.method_and_path(group);
        let day = usage.day(group).unwrap_or(first);
        customer_month.record(day, method, path, |meter| usage.quantity(group, meter))?;
    }
    customer_month.lines()
}
