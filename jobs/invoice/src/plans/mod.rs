//! Plans: what a customer pays for. `plans.example.toml` describes the file.
//!
//! A file is read and checked as a whole ([`Plans::parse`]), so what is in these types is sound: tiers are in order and
//! the last one is open, prices are not negative, every plan and meter that is named is there.

mod charge;
mod fault;
mod number;
mod pattern;
mod period;
mod read;
mod section;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use meterlake_core::period::Day;
use rust_decimal::Decimal;

pub use charge::{Charge, Model, Tier};
pub use fault::{Fault, PlanErrors};
pub use number::parse as parse_number;
pub use pattern::PathPattern;
pub use period::{DayShare, PlanPeriod};

use crate::currency::Currency;

/// The meters that `usage_daily` has as it comes. Every other numeric column of that table is one too.
pub const METERS: [&str; 7] = [
    "requests",
    "billable_requests",
    "client_errors",
    "server_errors",
    "throttled",
    "unknown_status",
    "response_bytes",
];

/// How many digits after the point a meter may have: as many as the quantity of a line has.
pub(crate) const METER_DECIMALS: u32 = 12;

/// The users that stand for calls without one; such calls are never billed.
pub const UNATTRIBUTED: [&str; 2] = ["", meterlake_core::names::UNATTRIBUTED];

/// A plan file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    currency: Currency,
    default_plan: Option<String>,
    /// By id, each with its versions by date.
    plans: BTreeMap<String, Vec<PlanVersion>>,
    customers: BTreeMap<String, Customer>,
}

/// What a plan charges from a date on, until the plan's next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanVersion {
    /// The plan's id.
    pub plan: String,
    /// The first day it is in force.
    pub effective_from: Day,
    /// What it charges, in the order of the file.
    pub charges: Vec<Charge>,
    /// The least that a month costs.
    pub minimum: Option<Decimal>,
    /// The most that a month costs.
    pub maximum: Option<Decimal>,
}

/// A customer with terms of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The log's `user`.
    pub id: String,
    /// What an invoice calls them; the id if the file gives no name.
    pub name: String,
    /// What they pay beside the plan's prices.
    pub terms: Terms,
    /// Their plans by date; none: the default plan, always.
    pub plans: Vec<CustomerPlan>,
}

/// What a customer's discount and tax are, as shares: 0.2 is 20 %.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Taken off everything a month costs before tax, at most 1.
    pub discount: Decimal,
    /// Put on everything an invoice bills.
    pub tax_rate: Decimal,
}

/// A plan that a customer has, from a day to a day, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerPlan {
    /// The plan's id.
    pub plan: String,
    /// The first day; none: since ever.
    pub from: Option<Day>,
    /// The last day; none: until further notice.
    pub to: Option<Day>,
}

impl Plans {
    /// Reads and checks a plan file. `file` names it in errors; `meters` are those that a charge may price.
    ///
    /// # Errors
    /// Every fault in the file, each with its line and key.
    pub fn parse(file: &str, text: &str, meters: &BTreeSet<&str>) -> Result<Self, PlanErrors> {
        read::plans(file, text, meters)
    }

    /// The text of a plan file.
    ///
    /// # Errors
    /// It is no UTF-8.
    pub fn text(file: &str, content: Vec<u8>) -> Result<String, PlanErrors> {
        read::text(file, content)
    }

    /// The currency of all prices.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The ids of all plans, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.plans.keys().map(String::as_str)
    }

    /// The version of a plan that is in force on a day.
    #[must_use]
    pub fn version_on(&self, plan: &str, day: Day) -> Option<&PlanVersion> {
        self.plans.get(plan)?.iter().rfind(|version| version.effective_from <= day)
    }

    /// All versions of a plan, by date; none if there is no such plan.
    #[must_use]
    pub fn versions(&self, plan: &str) -> &[PlanVersion] {
        self.plans.get(plan).map_or(&[], Vec::as_slice)
    }

    /// The customers with terms of their own, by id. Any other user has the default plan.
    pub fn customers(&self) -> impl Iterator<Item = &Customer> {
        self.customers.values()
    }

    /// A customer with terms of their own.
    #[must_use]
    pub fn customer(&self, id: &str) -> Option<&Customer> {
        self.customers.get(id)
    }

    /// A customer's discount and tax; nothing of either for one that the file does not list.
    #[must_use]
    pub fn terms(&self, customer: &str) -> Terms {
        self.customer(customer).map(|customer| customer.terms).unwrap_or_default()
    }

    /// Whether some charge covers only some methods or paths, so that usage must be told apart by them.
    #[must_use]
    pub fn filter_by_path(&self) -> bool {
        let charges = self.plans.values().flatten().flat_map(|version| &version.charges);
        charges.into_iter().any(|charge| !charge.methods.is_empty() || !charge.paths.is_empty())
    }

    /// The meters that some charge prices: the columns that extraction needs.
    #[must_use]
    pub fn meters(&self) -> BTreeSet<&str> {
        let charges = self.plans.values().flatten().flat_map(|version| &version.charges);
        charges.filter_map(|charge| charge.meter.as_deref()).collect()
    }
}
