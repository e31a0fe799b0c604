//! FinOps FOCUS 1.2 cost and usage data: a row for each line of each invoice.
//!
//! The sum of `BilledCost` of an `InvoiceId` is what the invoice asks for. Beside the columns of the specification
//! stand, at the end, the few that only tools for 1.0 ask for, under the names that they have there; what is our own
//! starts with `x_`. (FOCUS 1.2, column library; the rule behind a value stands beside it.)

use std::borrow::Cow;

use anyhow::{Context, Result};
use chrono::SecondsFormat;
use chrono_tz::Tz;
use meterlake_core::period::{Month, Period};
use rust_decimal::Decimal;

use super::Heading;
use super::cell::text;
use super::csv::{self, Rows};
use crate::close::start_in;
use crate::document::Document;
use crate::exact::Exact;
use crate::plans::{Charge, Model};
use crate::rating::{Line, LineKind};

/// In the order of the specification (by name), then what 1.0 tools ask for, then our own.
const COLUMNS: [&str; 53] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "ChargeType",
    "InvoiceIssuer",
    "Provider",
    "Publisher",
    "ResourceID",
    "x_InvoiceLineNumber",
    "x_LineKind",
    "x_PlanVersion",
];

/// An API that is sold by the call, among the categories of `ServiceSubcategory`.
const SERVICE_CATEGORY: &str = "Integration";
const SERVICE_SUBCATEGORY: &str = "API Management";
/// Digits after the point of a unit price that is worked out from several tiers, at the least and at the most.
const UNIT_PRICE_DECIMALS: std::ops::RangeInclusive<u32> = 12..=24;

pub(super) fn header() -> Result<Vec<u8>> {
    csv::header(&COLUMNS)
}

/// What a price is made of: `ListUnitPrice` × `PricingQuantity` = `ListCost`, exactly.
struct Pricing {
    quantity: Decimal,
    unit: Cow<'static, str>,
    unit_price: Decimal,
    cost: Decimal,
}

impl Rows {
    /// Adds the rows of an invoice.
    pub(super) fn focus(&mut self, document: &Document<'_>, heading: &Heading) -> Result<()> {
        let account = text_id(document.customer_id);
        let account = text(&account);
        let account_name = text(document.customer_name);
        let [provider, service] = [text(&heading.provider), text(&heading.service)];
        let (billing_start, billing_end) = (&heading.period.0, &heading.period.1);
        for (at, line) in document.lines.iter().enumerate() {
            let corrected = line.corrects.map(|corrected| period(heading.time_zone, corrected.month));
            let (start, end) = corrected.as_ref().unwrap_or(&heading.period);
            let amount = decimal(line.amount);
            let pricing = pricing(line)?;
            let cost = pricing.as_ref().map_or_else(|| amount.clone(), |pricing| decimal(pricing.cost));
            let of_pricing = |cell: fn(&Pricing) -> String| pricing.as_ref().map(cell).unwrap_or_default();
            let unit_price = of_pricing(|pricing| decimal(pricing.unit_price));
            let consumed = line.quantity.map(decimal).unwrap_or_default();
            let consumed_unit = if consumed.is_empty() { "" } else { line.charge.map_or("", unit) };
            let sku = sku(line).unwrap_or_default();
            let sku_meter = line.charge.map(|charge| charge.meter.as_deref().unwrap_or(&charge.id));
            let sku_meter = if sku.is_empty() { Cow::Borrowed("") } else { text(sku_meter.unwrap_or_default()) };
            let details = line.charge.filter(|_| !sku.is_empty());
            let details = details.map(|charge| format!("{{\"x_PricingModel\":\"{}\"}}", charge.model.name()));
            let plan_version = line.plan.map(|plan| plan.effective_from.to_string());
            self.row([
                amount.as_str(),
                &account,
                &account_name,
                document.currency.code(),
                billing_end,
                billing_start,
                category(line.kind),
                if line.corrects.is_some() { "Correction" } else { "" },
                &text(&description(line)),
                frequency(line),
                end,
                start,
                "",
                "",
                "",
                "",
                "",
                &consumed,
                consumed_unit,
                &cost,
                &unit_price,
                &amount,
                &document.id,
                &provider,
                &cost,
                &unit_price,
                if pricing.is_some() { "Standard" } else { "" },
                &of_pricing(|pricing| decimal(pricing.quantity)),
                &of_pricing(|pricing| pricing.unit.to_string()),
                &provider,
                &provider,
                "",
                "",
                "",
                "",
                SERVICE_CATEGORY,
                &service,
                SERVICE_SUBCATEGORY,
                &sku,
                &sku_meter,
                details.as_deref().unwrap_or_default(),
                &sku,
                "",
                "",
                "",
                category(line.kind),
                &provider,
                &provider,
                &provider,
                "",
                &(at + 1).to_string(),
                line.kind.name(),
                plan_version.as_deref().unwrap_or_default(),
            ])?;
        }
        Ok(())
    }
}

/// The first instant of a month in the billing time zone, and that of the next, as FOCUS writes them (UTC, to the second).
pub(crate) fn period(zone: Tz, month: Month) -> (String, String) {
    let instant = |month| start_in(zone, month).to_rfc3339_opts(SecondsFormat::Secs, true);
    (instant(month), instant(month.next()))
}

/// Whoever reads ids as numbers where they are all digits, or `NA` as nothing, must not do so here.
fn text_id(customer: &str) -> String {
    format!("customer/{customer}")
}

/// `ChargeCategory`: what is consumed, what is bought by the month, and what is put on or taken off afterwards.
fn category(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Usage => "Usage",
        LineKind::Flat => "Purchase",
        LineKind::Minimum | LineKind::Adjustment => "Adjustment",
        LineKind::Maximum | LineKind::Discount => "Credit",
        LineKind::Tax => "Tax",
    }
}

fn frequency(line: &Line<'_>) -> &'static str {
    match line.kind {
        LineKind::Usage => "Usage-Based",
        _ if line.corrects.is_some() => "One-Time",
        _ => "Recurring",
    }
}

fn description(line: &Line<'_>) -> String {
    let plan = line.plan.map(|plan| format!(" of plan {}", plan.plan)).unwrap_or_default();
    match (line.kind, line.charge, line.corrects) {
        (LineKind::Usage | LineKind::Flat, Some(charge), _) => format!("{}{plan}", charge.id),
        (LineKind::Adjustment, _, Some(corrected)) => format!("Usage of {} that turned up later", corrected.month),
        (LineKind::Tax, _, Some(corrected)) => format!("Tax of {}, corrected", corrected.month),
        (LineKind::Tax, ..) => format!("Tax, {} %", (line.tax_rate * Decimal::ONE_HUNDRED).normalize()),
        (LineKind::Discount, ..) => "Discount on all lines".to_owned(),
        (kind, Some(charge), _) => format!("The {kind} of {}{plan}", charge.id),
        (kind, None, _) => format!("The {kind}{plan}"),
    }
}

/// `SkuId` and `SkuPriceId`: stable over time, so without the plan's version.
fn sku(line: &Line<'_>) -> Option<String> {
    let priced = matches!(line.kind, LineKind::Usage | LineKind::Flat);
    let (plan, charge) = (line.plan?, line.charge?);
    priced.then(|| text(&format!("{}/{}", plan.plan, charge.id)).into_owned())
}

/// Units are plural nouns in capitals.
fn unit(charge: &Charge) -> &'static str {
    match charge.meter.as_deref() {
        Some("requests" | "billable_requests" | "client_errors" | "server_errors" | "throttled" | "unknown_status") => {
            "Requests"
        }
        Some("response_bytes") => "Bytes",
        _ => "Units",
    }
}

/// Whether the file can hold every price of an invoice.
///
/// # Errors
/// A price or a cost has too many digits.
pub(super) fn check(document: &Document<'_>) -> Result<()> {
    document.lines.iter().try_for_each(|line| pricing(line).map(drop))
}

/// How a usage or flat line is priced; the others have no price.
///
/// A price and a quantity must give the cost. Where several tiers or a flat price make the amount, the price is the
/// average, and the cost what that comes to, which is the amount to a fraction of a minor unit.
fn pricing(line: &Line<'_>) -> Result<Option<Pricing>> {
    let Some(charge) = line.charge.filter(|_| matches!(line.kind, LineKind::Usage | LineKind::Flat)) else {
        return Ok(None);
    };
    let one = |name: &'static str, amount: Decimal| Pricing {
        quantity: Decimal::ONE,
        unit: name.into(),
        unit_price: amount,
        cost: amount,
    };
    let Some(consumed) = line.quantity else { return Ok(Some(one("Subscriptions", line.amount))) };
    let first = line.parts.first().context("a usage line has no price")?;
    if let Model::Package { size, .. } = &charge.model {
        let unit = format!("{} {}", size.normalize(), unit(charge));
        return product(first.quantity, unit.into(), first.unit).map(Some);
    }
    if consumed.is_zero() {
        return match line.amount.is_zero() {
            true => product(consumed, unit(charge).into(), first.unit).map(Some),
            false => Ok(Some(one("Units", line.amount))),
        };
    }
    let is_one_price = line.parts.len() == 1 && first.flat.is_zero();
    if is_one_price {
        return product(consumed, unit(charge).into(), first.unit).map(Some);
    }
    average(line, consumed, unit(charge)).map(Some)
}

/// The average price of several tiers, with as many digits as the quantity needs for the cost to come out right, and as
/// the cost has room for.
fn average(line: &Line<'_>, quantity: Decimal, unit: &'static str) -> Result<Pricing> {
    let amount = line.parts.iter().try_fold(Exact::ZERO, |sum, part| sum.plus(part.amount))?;
    let amount = amount.rounded(*UNIT_PRICE_DECIMALS.start())?;
    let price = amount.checked_div(quantity).context("an average price has too many digits")?;
    let priced =
        UNIT_PRICE_DECIMALS.rev().find_map(|decimals| product(quantity, unit.into(), price.round_dp(decimals)).ok());
    priced.context("a cost has too many digits for a FOCUS file")
}

fn product(quantity: Decimal, unit: Cow<'static, str>, unit_price: Decimal) -> Result<Pricing> {
    let cost = Exact::product(quantity, unit_price)?;
    let cost = cost.to_decimal().context("a cost has too many digits for a FOCUS file")?;
    Ok(Pricing { quantity, unit, unit_price, cost })
}

/// With a point always: a column of whole numbers would be taken for one of integers.
fn decimal(number: Decimal) -> String {
    let text = number.normalize().to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_always_has_a_point() {
        let text = |number: &str| decimal(number.parse().unwrap());
        assert_eq!([text("120"), text("-0.50"), text("0")], ["120.0", "-0.5", "0.0"]);
    }

    #[test]
    fn a_cost_is_price_times_quantity() {
        let pricing =
            product("1234567".parse().unwrap(), "Requests".into(), "0.000759200189".parse().unwrap()).unwrap();
        assert_eq!(pricing.cost, "937.283499733163".parse().unwrap());
    }
}
