//! Rating by example, among them what the best-known billing systems say.

use meterlake_core::period::Month;
use rust_decimal::Decimal;
use serde_json::Value;

use super::*;
use crate::currency::Currency;
use crate::plans::{Charge, DayShare, METERS, Plans};

const VECTORS: &str = include_str!("../../tests/pricing.json");

pub(super) fn number(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

/// Plans with the plan `a` from 2023-01-01 on, which every user has. `body` are its keys and charges.
pub(super) fn plans(currency: &str, body: &str) -> Plans {
    let head =
        format!("currency = '{currency}'\ndefault_plan = 'a'\n[[plans]]\nid = 'a'\neffective_from = 2023-01-01\n");
    Plans::parse("plans.toml", &format!("{head}{body}"), &METERS.into()).unwrap()
}

/// A charge of a plan in US dollars.
pub(super) fn charge(keys: &str) -> Charge {
    let plans = plans("USD", &format!("[[plans.charges]]\nid = 'x'\nmeter = 'requests'\n{keys}"));
    plans.versions("a")[0].charges[0].clone()
}

/// What a user's April (30 days) costs with this many requests on its 20th: `kind amount` of each line, and the total.
fn april(plans: &Plans, customer: &str, requests: &str) -> (Vec<String>, String) {
    let month: Month = "2023-04".parse().unwrap();
    let mut usage = CustomerMonth::new(plans, customer, month);
    usage.record("2023-04-20".parse().unwrap(), "GET", "/", |_| Ok(number(requests))).unwrap();
    let invoice = Invoice::new(usage.lines().unwrap(), plans.currency()).unwrap();
    let format = |amount: Decimal| plans.currency().format(amount);
    let lines = invoice.lines.iter().map(|line| format!("{} {}", line.kind, format(line.amount))).collect();
    (lines, format(invoice.totals.total))
}

fn lines(plans: &Plans, customer: &str, requests: &str) -> Vec<String> {
    april(plans, customer, requests).0
}

#[test]
fn amounts_are_those_of_the_best_known_billing_systems() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut cases = 0;
    for vector in vectors["charges"].as_array().unwrap() {
        let keys: toml::Table = serde_json::from_value(vector["charge"].clone()).unwrap();
        let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let charge = charge(&keys.join("\n"));
        for case in vector["cases"].as_array().unwrap() {
            let (quantity, amount) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
            let price = charge.price(number(quantity), DayShare::WHOLE).unwrap();
            let expected = Some(number(amount).normalize());
            assert_eq!(price.amount.to_decimal(), expected, "{}: {quantity}", vector["source"]);
            cases += 1;
        }
    }
    assert_eq!(cases, 28);
}

#[test]
fn a_price_shows_how_it_came_about() {
    let charge =
        charge("model = 'graduated'\ntiers = [{ up_to = 10, flat = 2 }, { up_to = 20, unit = 5 }, { unit = 1 }]");
    let price = charge.price(number("12.5"), DayShare::WHOLE).unwrap();
    let part = |part: &Part| {
        let up_to = part.up_to.map(|up_to| up_to.to_string()).unwrap_or_default();
        let amount = part.amount.to_decimal().unwrap();
        format!("{}..{up_to}: {} x {} + {} = {amount}", part.over, part.quantity, part.unit, part.flat)
    };
    let parts: Vec<String> = price.parts.iter().map(part).collect();
    assert_eq!(parts, ["0..10: 10 x 0 + 2 = 2", "10..20: 2.5 x 5 + 0 = 12.5"]);
}

#[test]
fn a_first_tiers_flat_price_is_owed_at_zero_unless_told_otherwise() {
    for model in ["graduated", "volume"] {
        let keys = format!("model = '{model}'\ntiers = [{{ up_to = 10, flat = 7 }}, {{ flat = 9 }}]");
        let amount = |keys: &str, quantity: &str| {
            charge(keys).price(number(quantity), DayShare::WHOLE).unwrap().amount.to_decimal().unwrap().to_string()
        };
        assert_eq!(amount(&keys, "0"), "7");
        let asked = format!("{keys}\ncharge_zero_usage = false");
        assert_eq!((amount(&asked, "0").as_str(), amount(&asked, "0.001").as_str()), ("0", "7"));
    }
    let flat = charge("model = 'flat'\nprice = 5\ncharge_zero_usage = false");
    let is_owed = |quantity: Decimal| !flat.price(quantity, DayShare::WHOLE).unwrap().parts[0].flat.is_zero();
    assert!(!is_owed(Decimal::ZERO));
}

#[test]
fn a_line_is_rounded_once_half_away_from_zero_to_the_minor_unit() {
    let unit = "[[plans.charges]]\nid = 'x'\nmeter = 'requests'\nmodel = 'per_unit'\nunit = '0.0005'";
    for (currency, requests, amount) in [
        ("USD", "30", "0.02"),
        ("USD", "29", "0.01"),
        ("JPY", "1000", "1"),
        ("JPY", "999", "0"),
        ("KWD", "1", "0.001"),
        ("KWD", "0.9", "0.000"),
    ] {
        assert_eq!(april(&plans(currency, unit), "u", requests).1, amount, "{requests} {currency}");
    }
}

#[test]
fn a_flat_price_counts_by_days_and_a_package_does_not() {
    let plans = plans(
        "USD",
        "[[plans.charges]]\nid = 'f'\nmodel = 'flat'\nprice = 10\n\
         [[plans.charges]]\nid = 'p'\nmeter = 'requests'\nmodel = 'package'\nsize = 10\nprice = 1\n\
         [[plans.charges]]\nid = 't'\nmeter = 'requests'\nmodel = 'volume'\ntiers = [{ flat = 1, unit = '0.1' }]\n\
         [[customers]]\nid = 'late'\nplans = [{ plan = 'a', from = 2023-04-11 }]",
    );
    assert_eq!(lines(&plans, "u", "11"), ["flat 10.00", "usage 2.00", "usage 2.10"]);
    assert_eq!(lines(&plans, "late", "11"), ["flat 6.67", "usage 2.00", "usage 1.77"]);
}

#[test]
fn a_minimum_or_maximum_is_reached_by_a_line_of_its_own() {
    let charge = "[[plans.charges]]\nid = 'x'\nmeter = 'requests'\nmodel = 'per_unit'\nunit = 1\n";
    let customer = "[[customers]]\nid = 'late'\nplans = [{ plan = 'a', from = 2023-04-21 }]";
    let own = plans("USD", &format!("{charge}minimum = 10\nmaximum = 20\n{customer}"));
    assert_eq!(lines(&own, "u", "0"), ["minimum 10.00"]);
    assert_eq!(lines(&own, "u", "4"), ["usage 4.00", "minimum 6.00"]);
    assert_eq!(lines(&own, "u", "10"), ["usage 10.00"]);
    assert_eq!(lines(&own, "u", "20"), ["usage 20.00"]);
    assert_eq!(lines(&own, "u", "25.5"), ["usage 25.50", "maximum -5.50"]);
    let whole = plans("USD", &format!("minimum = 10\nmaximum = 20\n{charge}maximum = 30"));
    assert_eq!(lines(&whole, "u", "4"), ["usage 4.00", "minimum 6.00"]);
    assert_eq!(
        april(&whole, "u", "40"),
        (["usage 40.00", "maximum -10.00", "maximum -10.00"].map(str::to_owned).into(), "20.00".to_owned())
    );
    let month: Month = "2023-04".parse().unwrap();
    let late = CustomerMonth::new(&own, "late", month).lines().unwrap();
    assert_eq!((late[0].kind, late[0].amount), (LineKind::Minimum, number("3.33")));
}

#[test]
fn a_discount_comes_off_everything_and_tax_goes_on_what_is_left() {
    let plans = plans(
        "USD",
        "minimum = 1\n[[plans.charges]]\nid = 'x'\nmeter = 'requests'\nmodel = 'per_unit'\nunit = '0.01'\n\
         [[customers]]\nid = 'c'\ndiscount = '0.15'\ntax_rate = '0.075'\n[[customers]]\nid = 'free'\ndiscount = 1",
    );
    let expected = ["usage 0.30", "minimum 0.70", "discount -0.15", "tax 0.06"].map(str::to_owned);
    assert_eq!(april(&plans, "c", "30"), (expected.into(), "0.91".to_owned()));
    assert_eq!(lines(&plans, "c", "1003"), ["usage 10.03", "discount -1.50", "tax 0.64"]);
    assert_eq!(april(&plans, "free", "5000").1, "0.00");
}

#[test]
fn tax_is_rounded_once_for_each_rate_and_an_adjustment_may_turn_it_negative() {
    let usd: Currency = "USD".parse().unwrap();
    let line = |kind, amount: &str, rate: &str| Line::bare(kind, number(amount), number(rate));
    let lines = vec![
        line(LineKind::Usage, "0.05", "0.1"),
        line(LineKind::Flat, "0.10", "0.1"),
        line(LineKind::Adjustment, "-0.15", "0.50"),
        line(LineKind::Adjustment, "-0.10", "0"),
    ];
    let invoice = Invoice::new(lines, usd).unwrap();
    let tax: Vec<_> =
        invoice.lines[4..].iter().map(|line| (line.tax_rate.to_string(), line.amount.to_string())).collect();
    let expected = [("0.1", "0.02"), ("0.50", "-0.08")].map(|(rate, tax)| (rate.to_owned(), tax.to_owned()));
    assert_eq!(tax, expected);
    let Totals { subtotal, tax, total } = invoice.totals;
    assert_eq!([subtotal, tax, total].map(|sum| usd.format(sum)), ["-0.10", "-0.06", "-0.16"]);
}

#[test]
fn two_versions_in_a_month_each_rate_the_usage_of_their_days() {
    let tiers =
        "[[plans.charges]]\nid = 'x'\nmeter = 'requests'\nmodel = 'graduated'\ntiers = [{ up_to = 10, unit = 0 }, ";
    let plans = plans(
        "USD",
        &format!(
            "{tiers}{{ unit = 1 }}]\n[[plans]]\nid = 'a'\neffective_from = 2023-04-11\n{tiers}{{ unit = 2, flat = 3 }}]"
        ),
    );
    let mut month = CustomerMonth::new(&plans, "u", "2023-04".parse().unwrap());
    for day in ["2023-04-01", "2023-04-10", "2023-04-11", "2023-04-30"] {
        month.record(day.parse().unwrap(), "GET", "/", |_| Ok(number("8"))).unwrap();
    }
    let amounts: Vec<_> = month.lines().unwrap().iter().map(|line| line.amount.to_string()).collect();
    assert_eq!(amounts, ["6.00", "14.00"]);
}

#[test]
fn a_month_with_nothing_to_bill_has_no_line() {
    let plans = plans("USD", "[[plans.charges]]\nid = 'x'\nmeter = 'requests'\nmodel = 'per_unit'\nunit = 1");
    let month: Month = "2023-04".parse().unwrap();
    assert!(CustomerMonth::new(&plans, "u", month).lines().unwrap().is_empty());
    assert!(CustomerMonth::new(&plans, "u", "2022-12".parse().unwrap()).lines().unwrap().is_empty());
}

#[test]
fn what_cannot_be_rated_says_why() {
    let plans = plans("USD", "[[plans.charges]]\nid = 'x'\nmeter = 'requests'\nmodel = 'per_unit'\nunit = '1.5'");
    let month = |requests: &str| {
        let mut month = CustomerMonth::new(&plans, "u", "2023-04".parse().unwrap());
        month.record("2023-04-01".parse().unwrap(), "GET", "/", |_| Ok(number(requests))).unwrap();
        month.lines().map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(
        month("-1").unwrap_err(),
        "the charge `x` of the plan `a`: the quantity -1 is negative: a meter must count up"
    );
    assert!(month("79228162514264337593543950335").unwrap_err().contains("too many digits"));
}

#[test]
fn a_row_on_a_day_without_a_plan_counts_towards_nothing_and_stops_nothing() {
    let plans = plans(
        "USD",
        "[[plans.charges]]\nid = 'x'\nmeter = 'requests'\nmodel = 'per_unit'\nunit = 1\n\
         [[customers]]\nid = 'gone'\nplans = [{ plan = 'a', to = 2023-04-19 }]",
    );
    let mut month = CustomerMonth::new(&plans, "gone", "2023-04".parse().unwrap());
    let mut record = |day: &str| month.record(day.parse().unwrap(), "GET", "/", |_| Ok(number("3"))).unwrap();
    assert_eq!([record("2023-04-19"), record("2023-04-20")], [Coverage::Priced, Coverage::Uncovered]);
    let lines = month.lines().unwrap();
    assert_eq!((lines.len(), lines[0].quantity), (1, Some(number("3"))));
    // The first version of the plan begins later.
    let mut early = CustomerMonth::new(&plans, "u", "2022-12".parse().unwrap());
    let coverage = early.record("2022-12-31".parse().unwrap(), "GET", "/", |_| Ok(Decimal::ONE)).unwrap();
    assert_eq!((coverage, early.lines().unwrap().len()), (Coverage::Uncovered, 0));
}

#[test]
fn a_row_that_no_charge_counts_has_no_price_and_a_flat_price_counts_none() {
    let reads = "[[plans.charges]]\nid = 'r'\nmeter = 'requests'\nmethods = ['GET']\nmodel = 'per_unit'\nunit = 1\n";
    let flat = "[[plans.charges]]\nid = 'base'\nmodel = 'flat'\nprice = 5\n";
    let bytes = "[[plans.charges]]\nid = 'bytes'\nmeter = 'response_bytes'\nmodel = 'per_unit'\nunit = 1\n";
    let coverage = |charges: &str, method: &str| {
        let plans = plans("USD", charges);
        let mut month = CustomerMonth::new(&plans, "u", "2023-04".parse().unwrap());
        month.record("2023-04-01".parse().unwrap(), method, "/", |_| Ok(Decimal::ZERO)).unwrap()
    };
    assert_eq!([coverage(reads, "GET"), coverage(reads, "get")], [Coverage::Priced, Coverage::Unpriced]);
    assert_eq!(coverage(flat, "GET"), Coverage::Unpriced);
    assert_eq!(coverage(&format!("{flat}{reads}"), "POST"), Coverage::Unpriced);
    assert_eq!(coverage(&format!("{reads}{bytes}"), "POST"), Coverage::Priced);
}

#[test]
fn a_row_counts_only_where_method_and_path_fit() {
    let plans = plans(
        "USD",
        "[[plans.charges]]\nid = 'reads'\nmeter = 'requests'\nmethods = ['GET']\npaths = ['/v1/*']\nmodel = 'per_unit'\n\
         unit = 1\n[[plans.charges]]\nid = 'bytes'\nmeter = 'response_bytes'\nmodel = 'per_unit'\nunit = '0.01'",
    );
    let mut month = CustomerMonth::new(&plans, "u", "2023-04".parse().unwrap());
    for (method, path) in [("GET", "/v1/a"), ("POST", "/v1/a"), ("GET", "/v2/a")] {
        let meter = |name: &str| Ok(if name == "requests" { Decimal::TEN } else { Decimal::ONE_HUNDRED });
        month.record("2023-04-01".parse().unwrap(), method, path, meter).unwrap();
    }
    let lines = month.lines().unwrap();
    let line = |line: &Line<'_>| format!("{} {}", line.charge.unwrap().id, line.quantity.unwrap());
    assert_eq!(lines.iter().map(line).collect::<Vec<_>>(), ["reads 10", "bytes 300"]);
}
