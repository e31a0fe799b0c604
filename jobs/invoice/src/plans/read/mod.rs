//! Reading a plan file. What is wrong is noted and something harmless stands in for it, so that one reading finds all.

mod charge;
mod customer;
mod syntax;

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use toml::de::DeTable;

use super::fault::{Fault, Faults, PlanErrors};
use super::section::{Entry, Section};
use super::{PlanVersion, Plans};

const FILE_KEYS: &[&str] = &["currency", "default_plan", "plans", "customers"];
/// A plan without a charge would bill nothing, and nobody would notice.
const CHARGES: &str = "[…], or a section [[plans.charges]]; what is free has a flat price of 0";
const PLAN_KEYS: &[&str] = &["id", "effective_from", "minimum", "maximum", "charges"];

/// The versions of each plan, by date. A plan is there even if all its versions are wrong.
type Versions = BTreeMap<String, Vec<PlanVersion>>;

pub(super) fn plans(file: &str, text: &str, meters: &BTreeSet<&str>) -> Result<Plans, PlanErrors> {
    let faults = Faults::in_text(text);
    if !syntax::may_be_toml(text, &faults) {
        return Err(faults.into_errors(file));
    }
    let (table, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        syntax::note(error, text, table.get_ref(), &faults);
    }
    // What a recovered table lacks would be reported too, and mislead.
    let read = syntax.is_empty().then(|| read(&Section::root(&table, &faults), meters)).flatten();
    match read {
        Some(plans) if faults.is_empty() => Ok(plans),
        _ => Err(faults.into_errors(file)),
    }
}

pub(super) fn text(file: &str, content: Vec<u8>) -> Result<String, PlanErrors> {
    String::from_utf8(content).map_err(|error| {
        let fault = Fault { line: 1, key: String::new(), problem: syntax::no_utf8(error.as_bytes()) };
        PlanErrors { file: file.to_owned(), faults: vec![fault] }
    })
}

fn read(file: &Section<'_>, meters: &BTreeSet<&str>) -> Option<Plans> {
    file.only("the file", FILE_KEYS);
    let currency = file.required("currency", "\"USD\"").and_then(|entry| {
        let currency = entry.text()?.parse();
        currency.map_err(|error: anyhow::Error| entry.fault(error.to_string())).ok()
    });
    let sections = file.required("plans", "[…], or a section [[plans]]").map(|entry| entry.sections());
    let plans = versions(&sections.unwrap_or_default(), meters);
    let default_plan = file.get("default_plan").and_then(|entry| known_plan(&entry, &plans));
    let customers = file.get("customers").map(|entry| customer::customers(&entry, &plans)).unwrap_or_default();
    Some(Plans { currency: currency?, default_plan, plans, customers })
}

fn versions(sections: &[Section<'_>], meters: &BTreeSet<&str>) -> Versions {
    let mut plans = Versions::new();
    for section in sections {
        section.only("a plan", PLAN_KEYS);
        let id = section.required("id", "\"standard\"").and_then(|entry| entry.text());
        let from = section.required("effective_from", "2023-01-01");
        let (minimum, maximum) = bounds(section);
        let charges = section.required("charges", CHARGES).map(|entry| charge::charges(&entry, meters));
        let charges = charges.unwrap_or_default();
        let Some(id) = id else { continue };
        let versions = plans.entry(id.to_owned()).or_default();
        let Some((from, effective_from)) = from.and_then(|from| from.day().map(|day| (from, day))) else { continue };
        if versions.iter().any(|version| version.effective_from == effective_from) {
            from.fault(format!("the plan `{id}` has another version from {effective_from} on: they overlap"));
        }
        versions.push(PlanVersion { plan: id.to_owned(), effective_from, charges, minimum, maximum });
    }
    for versions in plans.values_mut() {
        versions.sort_by_key(|version| version.effective_from);
    }
    plans
}

/// The keys `minimum` and `maximum` of a plan or a charge.
fn bounds(section: &Section<'_>) -> (Option<Decimal>, Option<Decimal>) {
    let minimum = section.get("minimum").and_then(|entry| entry.price());
    let entry = section.get("maximum");
    let maximum = entry.as_ref().and_then(Entry::price);
    if let (Some(entry), Some(minimum), Some(maximum)) = (entry, minimum, maximum)
        && maximum < minimum
    {
        entry.fault(format!("`{maximum}` is less than the minimum, {minimum}"));
    }
    (minimum, maximum)
}

/// The id of a plan that the file has.
fn known_plan(entry: &Entry<'_>, plans: &Versions) -> Option<String> {
    let id = entry.text()?;
    if plans.contains_key(id) {
        return Some(id.to_owned());
    }
    let known: Vec<&str> = plans.keys().map(String::as_str).collect();
    entry.fault(format!("unknown plan `{id}`: there are {}", known.join(", ")));
    None
}
