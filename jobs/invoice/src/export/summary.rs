//! What a month's invoices add up to, and what the page of all invoices shows of them.

use std::collections::BTreeMap;

use anyhow::Result;
use meterlake_core::notes::NotAdjusted;
use meterlake_core::period::Day;
use rust_decimal::Decimal;

use super::html;
use crate::bill::Billing;
use crate::currency::Currency;
use crate::document::Document;
use crate::exact::sum;
use crate::extract::REQUESTS;
use crate::left_out::Listing;
use crate::plans::UNATTRIBUTED;
use crate::rating::LineKind;
use crate::usage::Usage;

/// How many invoices the page of all invoices lists.
pub(super) const LISTED: usize = 1000;
/// How many customers its chart shows.
const CHARTED: usize = 10;

/// The sums of some invoices.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) invoices: u64,
    pub(crate) line_items: u64,
    pub(crate) adjustments: u64,
    /// By currency.
    pub(crate) totals: BTreeMap<String, Total>,
    /// Calls without a user.
    pub(crate) unattributed: Decimal,
    /// Whether any call has a user.
    pub(crate) has_users: bool,
    /// Calls that no charge counts, though a plan covers their day.
    pub(crate) unpriced: Decimal,
    /// Calls on days that no plan covers, and whose they are.
    pub(crate) uncovered: Decimal,
    pub(crate) uncovered_of: Listing,
    /// Who gets no invoice, or no correction of an earlier month, because it cannot be computed.
    pub(crate) left_out: Listing,
    /// The earlier months that nobody is corrected for.
    pub(crate) not_adjusted: Vec<NotAdjusted>,
    /// Calls a day; only where pages are made.
    pub(super) days: BTreeMap<Day, Decimal>,
    /// Calls a path; only where pages are made.
    pub(super) paths: BTreeMap<String, Decimal>,
    /// The invoices that ask for the most; only where pages are made.
    pub(super) listed: Vec<Listed>,
    /// The customers that call the most, by name; only where pages are made.
    pub(super) top: Vec<(String, Decimal)>,
}

/// What invoices in one currency add up to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total {
    pub(crate) currency: Currency,
    pub(crate) amount: Decimal,
}

/// An invoice in the list of all.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) page: String,
    pub(super) invoice_id: String,
    pub(super) customer_id: String,
    pub(super) customer_name: String,
    pub(super) currency: Currency,
    pub(super) total: Decimal,
}

impl Total {
    /// With the currency's decimals.
    pub(crate) fn text(&self) -> String {
        self.currency.format(self.amount)
    }
}

impl Summary {
    /// Of no invoice yet; months that are corrected for nobody are known before any is made.
    pub(crate) fn without(not_adjusted: Vec<NotAdjusted>) -> Self {
        Self { not_adjusted, ..Self::default() }
    }

    /// What a bucket does not bill; its invoices are yet to be added.
    pub(super) fn of(billing: &Billing<'_>) -> Self {
        Self {
            unattributed: billing.unattributed,
            unpriced: billing.unpriced,
            uncovered: billing.uncovered,
            uncovered_of: billing.uncovered_of.clone(),
            left_out: billing.left_out.clone(),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, document: &Document<'_>) -> Result<()> {
        self.invoices += 1;
        self.line_items += document.lines.len() as u64;
        let adjustments = document.lines.iter().filter(|line| line.kind == LineKind::Adjustment);
        self.adjustments += adjustments.count() as u64;
        self.add_total(Total { currency: document.currency, amount: document.totals.total })
    }

    fn add_total(&mut self, total: Total) -> Result<()> {
        let zero = Total { amount: Decimal::ZERO, ..total };
        let own = self.totals.entry(total.currency.code().to_owned()).or_insert(zero);
        own.amount = sum(own.amount, total.amount)?;
        Ok(())
    }

    /// Adds the usage of all users to the charts; gives each user's calls by day.
    pub(super) fn add_usage<'u>(
        &mut self,
        usage: &'u Usage,
        documents: &[Document<'_>],
    ) -> Result<BTreeMap<&'u str, BTreeMap<Day, Decimal>>> {
        let names: BTreeMap<&str, &str> =
            documents.iter().map(|document| (document.customer_id, document.customer_name)).collect();
        let mut by_user = BTreeMap::new();
        for (user, groups) in usage.by_user().filter(|(user, _)| !UNATTRIBUTED.contains(user)) {
            let mut days = BTreeMap::new();
            let mut all = Decimal::ZERO;
            for group in groups {
                // A number of calls that cannot be is in no chart, as it is on no invoice.
                let Ok(requests) = usage.quantity(group, REQUESTS) else { continue };
                let (method, path) = usage.method_and_path(group);
                if let Some(day) = usage.day(group) {
                    add(&mut days, day, requests)?;
                    add(&mut self.days, day, requests)?;
                }
                add(&mut self.paths, format!("{method} {path}"), requests)?;
                all = sum(all, requests)?;
            }
            self.top.push((names.get(user).copied().unwrap_or(user).to_owned(), all));
            by_user.insert(user, days);
        }
        Ok(by_user)
    }

    /// Adds an invoice to the list.
    pub(super) fn list(&mut self, document: &Document<'_>) {
        self.listed.push(Listed {
            page: html::page_name(document),
            invoice_id: document.id.clone(),
            customer_id: document.customer_id.to_owned(),
            customer_name: document.customer_name.to_owned(),
            currency: document.currency,
            total: document.totals.total,
        });
    }

    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        self.invoices += other.invoices;
        self.line_items += other.line_items;
        self.adjustments += other.adjustments;
        self.unattributed = sum(self.unattributed, other.unattributed)?;
        self.unpriced = sum(self.unpriced, other.unpriced)?;
        self.has_users |= other.has_users;
        self.uncovered = sum(self.uncovered, other.uncovered)?;
        self.uncovered_of.merge(other.uncovered_of);
        self.left_out.merge(other.left_out);
        self.not_adjusted.extend(other.not_adjusted);
        other.totals.into_values().try_for_each(|total| self.add_total(total))?;
        other.days.into_iter().try_for_each(|(day, requests)| add(&mut self.days, day, requests))?;
        other.paths.into_iter().try_for_each(|(path, requests)| add(&mut self.paths, path, requests))?;
        self.listed.extend(other.listed);
        self.listed.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.customer_id.cmp(&b.customer_id)));
        self.listed.truncate(LISTED);
        self.top.extend(other.top);
        self.top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.top.truncate(CHARTED);
        Ok(())
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Decimal>, key: K, number: Decimal) -> Result<()> {
    let own = sums.entry(key).or_default();
    *own = sum(*own, number)?;
    Ok(())
}
