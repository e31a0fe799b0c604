//! Reading customers: their terms, and their plans with dates.

use std::collections::BTreeMap;

use super::{Versions, known_plan};
use crate::plans::section::{Entry, Section};
use crate::plans::{Customer, CustomerPlan, Terms, UNATTRIBUTED};

const KEYS: &[&str] = &["id", "name", "discount", "tax_rate", "plan", "plans"];
const PLAN_KEYS: &[&str] = &["plan", "from", "to"];

pub(super) fn customers(entry: &Entry<'_>, plans: &Versions) -> BTreeMap<String, Customer> {
    let mut customers = BTreeMap::new();
    for section in entry.sections() {
        section.only("a customer", KEYS);
        let customer = customer(&section, plans);
        let Some(id) = section.required("id", "\"the log's user\"") else { continue };
        let Some(text) = id.text() else { continue };
        if UNATTRIBUTED.contains(&text) {
            id.fault(format!("`{text}` stands for calls without a user, which are never billed"));
        }
        let name = if customer.name.is_empty() { text.to_owned() } else { customer.name };
        if customers.insert(text.to_owned(), Customer { id: text.to_owned(), name, ..customer }).is_some() {
            id.fault(format!("the customer `{text}` is listed twice"));
        }
    }
    customers
}

fn customer(section: &Section<'_>, plans: &Versions) -> Customer {
    let text = |key: &str| section.get(key).and_then(|entry| entry.text()).unwrap_or_default().to_owned();
    let share = |key: &str| section.get(key).and_then(|entry| entry.share()).unwrap_or_default();
    let terms = Terms { discount: share("discount"), tax_rate: share("tax_rate") };
    let plans = match (section.get("plan"), section.get("plans")) {
        (None, None) => Vec::new(),
        (Some(plan), None) => {
            known_plan(&plan, plans).map(|plan| CustomerPlan { plan, from: None, to: None }).into_iter().collect()
        }
        (None, Some(dated)) => dated_plans(&dated, plans),
        (Some(plan), Some(dated)) => {
            plan.fault("write either plan, for always, or plans, each with its dates");
            dated_plans(&dated, plans)
        }
    };
    Customer { id: String::new(), name: text("name"), terms, plans }
}

fn dated_plans(entry: &Entry<'_>, plans: &Versions) -> Vec<CustomerPlan> {
    let sections = entry.sections();
    if sections.is_empty() {
        entry.fault("has no plan: write at least one, or leave it out for the default plan");
    }
    let mut read: Vec<CustomerPlan> = Vec::new();
    for section in &sections {
        section.only("a customer's plan", PLAN_KEYS);
        let plan = section.required("plan", "\"standard\"").and_then(|entry| known_plan(&entry, plans));
        let (from, to) = (section.get("from"), section.get("to"));
        let own = CustomerPlan {
            plan: plan.unwrap_or_default(),
            from: from.as_ref().and_then(Entry::day),
            to: to.as_ref().and_then(Entry::day),
        };
        let begins = plans.get(&own.plan).and_then(|versions| versions.first()).map(|version| version.effective_from);
        if let (Some(entry), Some(from), Some(begins)) = (&from, own.from, begins)
            && from < begins
        {
            entry.fault(format!("the plan `{}` has no version before {begins}", own.plan));
        }
        if let (Some(entry), Some(from), Some(to)) = (&to, own.from, own.to)
            && to < from
        {
            entry.fault(format!("the plan ends ({to}) before it starts ({from})"));
        } else if let Some(other) = read.iter().find(|other| overlap(other, &own)) {
            let key = if own.from.is_some() { "from" } else { "plan" };
            let problem = format!("overlaps the customer's plan `{}` before it", other.plan);
            match section.get(key) {
                Some(entry) => entry.fault(problem),
                None => section.fault(key, problem),
            }
        }
        read.push(own);
    }
    read.sort_by_key(|own| own.from);
    read
}

/// Whether two plans share a day. A missing date is without end.
fn overlap(a: &CustomerPlan, b: &CustomerPlan) -> bool {
    let starts_in_time = |from: &CustomerPlan, to: &CustomerPlan| match (from.from, to.to) {
        (Some(from), Some(to)) => from <= to,
        _ => true,
    };
    starts_in_time(a, b) && starts_in_time(b, a)
}
