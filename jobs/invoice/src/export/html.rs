//! Pages for people: one that shows the month, and one per invoice that can be printed and sent.
//!
//! A page stands alone (styles and charts are in it, nothing is fetched), and every value in it is escaped.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::Result;
use meterlake_core::notes::{NotAdjusted, Unbilled};
use meterlake_core::period::{Day, Month};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use rust_decimal::Decimal;
use serde::Serialize;

use super::Heading;
use super::summary::{LISTED, Summary};
use crate::currency::Currency;
use crate::document::{Document, customer_hash};
use crate::exact::Exact;
use crate::plans::Model;
use crate::rating::{Line, LineKind, Part};
use crate::tally::Tally;

/// Characters of a customer's id that its page's name keeps.
const NAME_LENGTH: usize = 40;
/// Bars of a chart that has one per path.
const PATHS: usize = 12;

fn templates() -> Result<&'static Environment<'static>> {
    static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();
    if let Some(templates) = TEMPLATES.get() {
        return Ok(templates);
    }
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("style.css", include_str!("../../templates/style.css"))?;
    environment.add_template("charts.html", include_str!("../../templates/charts.html"))?;
    environment.add_template("invoice.html", include_str!("../../templates/invoice.html"))?;
    environment.add_template("index.html", include_str!("../../templates/index.html"))?;
    Ok(TEMPLATES.get_or_init(|| environment))
}

/// The page of an invoice, below the folder of the month: what is plain in the customer's id, and digits that tell it
/// from every other.
pub(super) fn page_name(document: &Document<'_>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let name: String = document.customer_id.chars().take(NAME_LENGTH).map(plain).collect();
    let currency = document.id.rsplit('-').next().filter(|last| last.len() == 3);
    let currency = currency.map(|currency| format!("-{currency}")).unwrap_or_default();
    format!("customers/{name}-{}{currency}.html", customer_hash(document.customer_id))
}

#[derive(Serialize)]
struct Bar {
    label: String,
    value: String,
    /// Of the highest, 0 to 100.
    height: f64,
}

#[derive(Serialize)]
struct LineView {
    title: String,
    note: String,
    quantity: String,
    amount: String,
    parts: Vec<PartView>,
}

#[derive(Serialize)]
struct PartView {
    range: String,
    quantity: String,
    unit: String,
    flat: String,
    amount: String,
}

/// What a page says of how and by whom it was made.
#[derive(Serialize)]
struct HeadingView<'a> {
    provider: &'a str,
    service: &'a str,
    status: &'a str,
    time_zone: &'a str,
    sql: &'a str,
    plans_sha256: &'a str,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct InvoiceView<'a> {
    heading: HeadingView<'a>,
    invoice_id: &'a str,
    customer_id: &'a str,
    customer_name: &'a str,
    period_start: Day,
    period_end: Day,
    currency: Currency,
    lines: Vec<LineView>,
    subtotal: String,
    tax: String,
    total: String,
    days: Vec<Bar>,
    calls: String,
}

#[derive(Serialize)]
struct IndexView<'a> {
    heading: HeadingView<'a>,
    month: Month,
    invoices: u64,
    line_items: u64,
    adjustments: u64,
    totals: Vec<String>,
    unattributed: String,
    left_out: LeftOutView,
    unpriced: String,
    uncovered: String,
    unbilled: UnbilledView<'a>,
    calls: String,
    days: Vec<Bar>,
    paths: Vec<Bar>,
    users: Vec<Bar>,
    listed: Vec<ListedView<'a>>,
    /// Whether there are more invoices than are listed.
    is_cut: bool,
}

/// Who is not billed, or not for all, and why.
#[derive(Serialize)]
struct UnbilledView<'a> {
    left_out: &'a [Unbilled],
    left_out_count: u64,
    uncovered: &'a [Unbilled],
    uncovered_count: u64,
    not_adjusted: &'a [NotAdjusted],
}

#[derive(Serialize)]
struct ListedView<'a> {
    page: &'a str,
    invoice_id: &'a str,
    customer_id: &'a str,
    customer_name: &'a str,
    currency: Currency,
    total: String,
}

/// What merge left out of the log, for people who know invoices and no logs.
#[derive(Serialize)]
struct LeftOutView {
    lines: String,
    calls: String,
    /// Each number that is not zero, and what it means.
    numbers: Vec<(String, &'static str)>,
}

fn left_out(tally: &Tally) -> LeftOutView {
    let number = |number: u64| grouped(Decimal::from(number));
    let numbers = [
        (tally.malformed, "malformed lines, of which nobody knows whose calls they were: not billed"),
        (tally.copies, "copies of lines that were delivered more than once: each call is billed once"),
        (
            tally.unreadable_values,
            "times, results or sizes of calls that cannot be read: the calls are counted without them",
        ),
        (
            tally.unreadable_objects,
            "files of the log that cannot be read: the calls in them are not known, and not billed",
        ),
    ];
    let numbers = numbers.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| (number(count), what));
    LeftOutView { lines: number(tally.lines), calls: number(tally.calls), numbers: numbers.collect() }
}

/// The page of an invoice. `days` are its customer's calls.
pub(super) fn invoice(document: &Document<'_>, heading: &Heading, days: &BTreeMap<Day, Decimal>) -> Result<Vec<u8>> {
    let currency = document.currency;
    render(
        "invoice.html",
        &InvoiceView {
            heading: heading.into(),
            invoice_id: &document.id,
            customer_id: document.customer_id,
            customer_name: document.customer_name,
            period_start: document.period_start(),
            period_end: document.period_end(),
            currency,
            lines: document.lines.iter().map(|line| line_view(line, currency)).collect(),
            subtotal: currency.format(document.totals.subtotal),
            tax: currency.format(document.totals.tax),
            total: currency.format(document.totals.total),
            days: day_bars(document.month, days),
            calls: grouped(days.values().sum()),
        },
    )
}

/// The page that shows the month and leads to the others.
pub(super) fn index(summary: &Summary, heading: &Heading) -> Result<Vec<u8>> {
    let mut paths: Vec<(String, Decimal)> = summary.paths.iter().map(|(path, calls)| (path.clone(), *calls)).collect();
    paths.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    paths.truncate(PATHS);
    let listed = summary.listed.iter().map(|one| ListedView {
        page: &one.page,
        invoice_id: &one.invoice_id,
        customer_id: &one.customer_id,
        customer_name: &one.customer_name,
        currency: one.currency,
        total: one.currency.format(one.total),
    });
    render(
        "index.html",
        &IndexView {
            heading: heading.into(),
            month: heading.month,
            invoices: summary.invoices,
            line_items: summary.line_items,
            adjustments: summary.adjustments,
            totals: summary.totals.iter().map(|(code, total)| format!("{} {code}", total.text())).collect(),
            unattributed: grouped(summary.unattributed),
            left_out: left_out(&heading.tally),
            unpriced: grouped(summary.unpriced),
            uncovered: grouped(summary.uncovered),
            unbilled: UnbilledView {
                left_out: &summary.left_out.named,
                left_out_count: summary.left_out.customers,
                uncovered: &summary.uncovered_of.named,
                uncovered_count: summary.uncovered_of.customers,
                not_adjusted: &summary.not_adjusted,
            },
            calls: grouped(summary.days.values().sum()),
            days: day_bars(heading.month, &summary.days),
            paths: bars(paths),
            users: bars(summary.top.clone()),
            listed: listed.collect(),
            is_cut: summary.invoices > LISTED as u64,
        },
    )
}

fn render(template: &str, view: &impl Serialize) -> Result<Vec<u8>> {
    Ok(templates()?.get_template(template)?.render(Serde(view))?.into_bytes())
}

impl<'a> From<&'a Heading> for HeadingView<'a> {
    fn from(heading: &'a Heading) -> Self {
        Self {
            provider: &heading.provider,
            service: &heading.service,
            status: heading.status,
            time_zone: heading.time_zone.name(),
            sql: &heading.sql,
            plans_sha256: &heading.plans_sha256,
            fingerprint: &heading.fingerprint,
        }
    }
}

fn line_view(line: &Line<'_>, currency: Currency) -> LineView {
    let plan = line.plan.map(|plan| format!("plan {} of {}", plan.plan, plan.effective_from)).unwrap_or_default();
    let charge = line.charge.map(|charge| charge.id.clone()).unwrap_or_default();
    let (title, note) = match (line.kind, line.corrects) {
        (LineKind::Adjustment, Some(corrected)) => (
            format!("Usage of {} that turned up later", corrected.month),
            format!("due {}, billed {}", currency.format(corrected.due), currency.format(corrected.billed)),
        ),
        (LineKind::Tax, Some(corrected)) => (
            format!("Tax of {}, corrected", corrected.month),
            format!("due {}, billed {}", currency.format(corrected.due), currency.format(corrected.billed)),
        ),
        (LineKind::Tax, None) => (format!("Tax, {} %", percent(line.tax_rate)), String::new()),
        (LineKind::Discount, _) => ("Discount".to_owned(), String::new()),
        (LineKind::Usage, _) => {
            let charge_model = line.charge.map(|charge| charge.model.name()).unwrap_or_default();
            let meter = line.charge.and_then(|charge| charge.meter.as_deref()).unwrap_or_default();
            (charge, format!("{meter}, {charge_model}; {plan}"))
        }
        (kind, _) if charge.is_empty() => (capital(kind.name()), plan),
        (LineKind::Flat, _) => (charge, plan),
        (kind, _) => (format!("{} of {charge}", capital(kind.name())), plan),
    };
    let is_package = line.charge.is_some_and(|charge| matches!(charge.model, Model::Package { .. }));
    LineView {
        title,
        note,
        quantity: line.quantity.map(grouped).unwrap_or_default(),
        amount: currency.format(line.amount),
        parts: line.parts.iter().map(|part| part_view(part, is_package)).collect(),
    }
}

fn part_view(part: &Part, is_package: bool) -> PartView {
    let range = match part.up_to {
        Some(up_to) => format!("more than {} up to {}", grouped(part.over), grouped(up_to)),
        None if part.over.is_zero() => "all".to_owned(),
        None => format!("more than {}", grouped(part.over)),
    };
    PartView {
        range,
        quantity: if is_package { format!("{} packages", grouped(part.quantity)) } else { grouped(part.quantity) },
        unit: part.unit.normalize().to_string(),
        flat: if part.flat.is_zero() { String::new() } else { part.flat.normalize().to_string() },
        amount: exact(part.amount),
    }
}

/// An amount before rounding; where it has no decimal form, to twelve digits after the point.
fn exact(amount: Exact) -> String {
    let rounded = || amount.rounded(12).map(|rounded| format!("≈ {}", rounded.normalize())).unwrap_or_default();
    amount.to_decimal().map_or_else(rounded, |amount| amount.normalize().to_string())
}

fn percent(rate: Decimal) -> String {
    (rate * Decimal::ONE_HUNDRED).normalize().to_string()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// A number with commas between its thousands.
fn grouped(number: Decimal) -> String {
    let text = number.normalize().to_string();
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, part)| (whole, Some(part)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

/// A bar for each day of a month, also for those without calls.
fn day_bars(month: Month, days: &BTreeMap<Day, Decimal>) -> Vec<Bar> {
    bars(month.days().map(|day| (day.to_string(), days.get(&day).copied().unwrap_or_default())).collect())
}

fn bars(values: Vec<(String, Decimal)>) -> Vec<Bar> {
    let highest = values.iter().map(|(_, value)| *value).max().unwrap_or_default();
    let height = |value: Decimal| {
        let share = value.checked_mul(Decimal::ONE_HUNDRED).and_then(|value| value.checked_div(highest));
        share.and_then(|share| f64::try_from(share.round_dp(2)).ok()).unwrap_or_default()
    };
    values.into_iter().map(|(label, value)| Bar { height: height(value), value: grouped(value), label }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rating::Invoice;

    fn document<'a>(id: &'a str, name: &'a str) -> Document<'a> {
        let usd: Currency = "USD".parse().unwrap();
        Document::new("2023-01".parse().unwrap(), (id, name), Invoice::new(Vec::new(), usd).unwrap(), usd, true)
    }

    fn heading() -> Heading {
        Heading {
            month: "2023-01".parse().unwrap(),
            status: "draft",
            time_zone: chrono_tz::Tz::UTC,
            period: crate::export::period(chrono_tz::Tz::UTC, "2023-01".parse().unwrap()),
            provider: "<u>".to_owned(),
            service: "API".to_owned(),
            sql: "usage_month@1".to_owned(),
            plans_sha256: String::new(),
            fingerprint: String::new(),
            html: true,
            tally: Tally::default(),
        }
    }

    #[test]
    fn a_page_escapes_every_value_and_fetches_nothing() {
        let document = document("<script>alert(1)</script>", "\"&' <img src=x>");
        let page = String::from_utf8(invoice(&document, &heading(), &BTreeMap::new()).unwrap()).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<u>"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
        let mut summary = Summary::default();
        summary.add(&document).unwrap();
        summary.paths.insert("GET /<i>".to_owned(), Decimal::ONE);
        let page = String::from_utf8(index(&summary, &heading()).unwrap()).unwrap();
        assert!(page.contains("GET &#x2f;&lt;i&gt;") && !page.contains("<i>"), "{page}");
        assert!(!page.contains("http") && !page.contains("url("));
    }

    #[test]
    fn what_was_left_out_is_said_where_something_was() {
        let page = |tally| {
            let heading = Heading { tally, ..heading() };
            String::from_utf8(index(&Summary::default(), &heading).unwrap()).unwrap()
        };
        let tally = Tally { lines: 1212, calls: 1200, ..Tally::default() };
        assert!(!page(tally).contains("left out"));
        let page = page(Tally { malformed: 12, ..tally });
        for said in ["left out", "Of 1,212 lines", "1,200 became calls", "<td class=\"n\">12</td>", "malformed lines"] {
            assert!(page.contains(said), "{said}: {page}");
        }
        assert!(!page.contains("files of the log"));
    }

    #[test]
    fn the_page_of_the_month_says_who_is_left_out_and_why_and_nothing_where_nobody_is() {
        let page = |summary: &Summary| String::from_utf8(index(summary, &heading()).unwrap()).unwrap();
        let mut summary = Summary::default();
        assert!(!page(&summary).contains("Left out") && !page(&summary).contains("no plan covers"));
        summary.left_out.add("<b>", "cannot be billed for 2023-01: a < b");
        summary.uncovered = Decimal::ONE;
        summary.uncovered_of.add("gone", "has 1 call on 2023-01-20");
        let page = page(&summary);
        assert!(page.contains("<td>&lt;b&gt;</td><td>cannot be billed for 2023-01: a &lt; b</td>"), "{page}");
        assert!(page.contains("<td>gone</td><td>has 1 call on 2023-01-20</td>"), "{page}");
    }

    #[test]
    fn a_page_has_a_safe_name_of_its_own() {
        let name = |id: &str| page_name(&document(id, ""));
        assert!(name("../../etc/passwd").starts_with("customers/______etc_passwd-"));
        assert_ne!(name("a/b"), name("a_b"));
        assert_ne!(name("A"), name("a"));
        assert!(name(&"서울".repeat(200)).len() < 100);
    }

    #[test]
    fn thousands_are_told_apart() {
        let text = |number: &str| grouped(number.parse().unwrap());
        assert_eq!([text("1234567.50"), text("-1000"), text("999")], ["1,234,567.5", "-1,000", "999"]);
    }
}
