//! Reading charges: what every charge has, and what its model has.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::bounds;
use crate::plans::section::{Entry, Section};
use crate::plans::{Charge, METER_DECIMALS, Model, PathPattern, Tier};

const KEYS: &[&str] = &["id", "meter", "methods", "paths", "model", "minimum", "maximum", "charge_zero_usage"];
const TIER_KEYS: &[&str] = &["up_to", "unit", "flat"];

/// The models and the keys that each adds.
const MODELS: [(&str, &[&str]); 5] = [
    ("per_unit", &["unit"]),
    ("graduated", &["tiers"]),
    ("volume", &["tiers"]),
    ("package", &["size", "price", "free"]),
    ("flat", &["price"]),
];

pub(super) fn charges(entry: &Entry<'_>, meters: &BTreeSet<&str>) -> Vec<Charge> {
    let mut ids = BTreeSet::new();
    let mut charges = Vec::new();
    let sections = entry.sections();
    if sections.is_empty() {
        entry.fault("has no charge: write at least one; what is free has a flat price of 0");
    }
    for section in sections {
        let Some(id) = section.required("id", "\"calls\"") else {
            charge(&section, String::new(), meters);
            continue;
        };
        let text = id.text().unwrap_or_default();
        if !text.is_empty() && !ids.insert(text) {
            id.fault(format!("the plan has another charge `{text}`"));
        }
        charges.extend(charge(&section, text.to_owned(), meters));
    }
    charges
}

fn charge(section: &Section<'_>, id: String, meters: &BTreeSet<&str>) -> Option<Charge> {
    let model = model(section);
    let is_flat = matches!(model, Some(Model::Flat { .. }));
    let meter = section.get("meter");
    match &meter {
        None if is_flat => refuse_usage_keys(section),
        // Without a model nobody knows whether one is missing.
        None if model.is_some() => section.fault("meter", "is missing: write meter = \"billable_requests\""),
        _ => {}
    }
    let (minimum, maximum) = bounds(section);
    Some(Charge {
        id,
        meter: meter.and_then(|entry| known_meter(&entry, meters)),
        methods: section.get("methods").map(|entry| methods(&entry)).unwrap_or_default(),
        paths: section.get("paths").map(|entry| paths(&entry)).unwrap_or_default(),
        minimum,
        maximum,
        charge_zero_usage: section.get("charge_zero_usage").and_then(|entry| entry.flag()).unwrap_or(true),
        model: model?,
    })
}

fn refuse_usage_keys(section: &Section<'_>) {
    for entry in ["methods", "paths", "charge_zero_usage"].into_iter().filter_map(|key| section.get(key)) {
        entry.fault("a flat charge looks at no usage unless it has a meter");
    }
}

fn known_meter(entry: &Entry<'_>, meters: &BTreeSet<&str>) -> Option<String> {
    let meter = entry.text()?;
    if meters.contains(meter) {
        return Some(meter.to_owned());
    }
    let known: Vec<&str> = meters.iter().copied().collect();
    entry.fault(format!(
        "unknown meter `{meter}`: there are {}, columns of whole numbers and of decimals with at most {METER_DECIMALS} \
         digits after the point",
        known.join(", ")
    ));
    None
}

fn methods(entry: &Entry<'_>) -> Vec<String> {
    let is_method = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let mut methods = Vec::new();
    for (element, text) in entry.texts() {
        if is_method(text) {
            methods.push(text.to_owned());
        } else {
            element.fault(format!("`{text}` is no method: write it in capitals, such as GET"));
        }
    }
    methods
}

fn paths(entry: &Entry<'_>) -> Vec<PathPattern> {
    let mut paths = Vec::new();
    for (element, text) in entry.texts() {
        match PathPattern::new(text) {
            Some(pattern) => paths.push(pattern),
            None => element.fault(format!("`{text}` is no pattern: write a path, with * for any text, such as /v1/*")),
        }
    }
    paths
}

fn model(section: &Section<'_>) -> Option<Model> {
    let entry = section.required("model", "\"per_unit\"");
    let name = entry.as_ref().and_then(Entry::text);
    let Some((name, own)) = MODELS.into_iter().find(|(known, _)| name == Some(known)) else {
        if let (Some(entry), Some(name)) = (entry, name) {
            let known = MODELS.map(|(known, _)| known);
            entry.fault(format!("unknown model `{name}`: there are {}", known.join(", ")));
        }
        let every: Vec<&str> = MODELS.iter().flat_map(|(_, keys)| *keys).chain(KEYS).copied().collect();
        section.only("a charge", &every);
        return None;
    };
    section.only(&format!("a {name} charge"), &[KEYS, own].concat());
    let price = |key: &str| section.required(key, "\"0.01\"").and_then(|entry| entry.price());
    let read_tiers = || section.required("tiers", "[{ unit = \"0.01\" }]").map(|entry| tiers(&entry));
    match name {
        "per_unit" => Some(Model::PerUnit { unit: price("unit")? }),
        "graduated" => Some(Model::Graduated { tiers: read_tiers()? }),
        "volume" => Some(Model::Volume { tiers: read_tiers()? }),
        "package" => {
            let size = section.required("size", "1000").and_then(|entry| entry.size());
            let free = section.get("free").and_then(|entry| entry.price()).unwrap_or_default();
            Some(Model::Package { price: price("price")?, size: size?, free })
        }
        _ => Some(Model::Flat { price: price("price")? }),
    }
}

/// Tiers in order; the last one is open, the others are not, and each has a price.
fn tiers(entry: &Entry<'_>) -> Vec<Tier> {
    let sections = entry.sections();
    if sections.is_empty() {
        entry.fault("has no tier: write at least one, without up_to");
    }
    let mut before = Decimal::ZERO;
    let mut tiers = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        section.only("a tier", TIER_KEYS);
        let is_last = index + 1 == sections.len();
        let bound = section.get("up_to");
        let up_to = bound.as_ref().and_then(Entry::number);
        match (&bound, up_to) {
            (None, _) if !is_last => section.fault("up_to", "is missing: only the last tier is open"),
            (Some(entry), _) if is_last => entry.fault("the last tier must be open: leave up_to out, or add a tier"),
            (Some(entry), Some(up_to)) if up_to <= before => {
                entry.fault(format!("`{up_to}` is out of order: it must be more than {before}"));
            }
            _ => {}
        }
        before = up_to.unwrap_or(before).max(before);
        let (unit, flat) = (section.get("unit"), section.get("flat"));
        if unit.is_none() && flat.is_none() {
            section.fault("unit", "is missing: write unit = \"0.01\", or flat, or both");
        }
        let price = |entry: Option<Entry<'_>>| entry.and_then(|entry| entry.price()).unwrap_or_default();
        tiers.push(Tier { up_to, unit: price(unit), flat: price(flat) });
    }
    tiers
}
