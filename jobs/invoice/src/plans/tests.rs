//! A plan file is read, its faults are found, and a day finds its version.

use super::*;
use meterlake_core::period::Month;

const EXAMPLE: &str = include_str!("../../plans.example.toml");

/// A sound file; what comes after it in a test begins on line 9.
const SOUND: &str = "currency = 'USD'
default_plan = 'a'
[[plans]]
id = 'a'
effective_from = 2023-01-01
[[plans.charges]]
id = 'x'
model = 'flat'
price = 1
";

fn parse(text: &str) -> Result<Plans, PlanErrors> {
    Plans::parse("plans.toml", text, &METERS.into())
}

/// The faults of a file, as `line key: problem`.
fn faults(text: &str) -> Vec<String> {
    let errors = parse(text).expect_err(text);
    errors.faults.iter().map(|fault| format!("{} {}: {}", fault.line, fault.key, fault.problem)).collect()
}

/// The one fault of a sound file with something added.
fn fault(addition: &str) -> String {
    let faults = faults(&format!("{SOUND}{addition}"));
    assert_eq!(faults.len(), 1, "{addition}: {faults:?}");
    faults.into_iter().next().unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The plan versions of a customer's month: plan, version, first day, last day.
fn periods(plans: &Plans, customer: &str, month: &str) -> Vec<String> {
    let month: Month = month.parse().unwrap();
    let line = |period: &PlanPeriod<'_>| {
        let PlanVersion { plan, effective_from, .. } = period.version;
        format!("{plan} of {effective_from}: {} to {}", period.first, period.last)
    };
    plans.periods(customer, month).iter().map(line).collect()
}

#[test]
fn the_example_is_sound_and_says_what_it_says() {
    let plans = parse(EXAMPLE).unwrap();
    assert_eq!(plans.currency().code(), "USD");
    assert_eq!(plans.ids().collect::<Vec<_>>(), ["pro", "standard"]);
    assert_eq!(plans.meters().into_iter().collect::<Vec<_>>(), ["billable_requests", "response_bytes"]);
    let standard = plans.version_on("standard", day("2023-12-31")).unwrap();
    let Model::Graduated { tiers } = &standard.charges[0].model else { panic!("{standard:?}") };
    let tier = |at: usize| (tiers[at].up_to.map(|up_to| up_to.to_string()), tiers[at].unit.to_string());
    assert_eq!(tier(1), (Some("10000000".to_owned()), "0.0000035".to_owned()));
    assert_eq!((tier(2), tiers[2].flat.to_string()), ((None, "0.000001".to_owned()), "5".to_owned()));
    let pro = plans.version_on("pro", day("2023-01-01")).unwrap();
    assert_eq!(
        pro.charges.iter().map(|charge| charge.charge_zero_usage).collect::<Vec<_>>(),
        [true, true, false, true]
    );
    assert!(pro.charges[1].covers("GET", "/v1/items") && pro.charges[1].covers("HEAD", "/v2/search"));
    assert!(!pro.charges[1].covers("POST", "/v1/items") && !pro.charges[1].covers("GET", "/v2/items"));
    assert!(pro.charges[2].covers("POST", "/anything"));
    let customer = plans.customer("customer-0001").unwrap();
    assert_eq!((customer.name.as_str(), customer.terms.discount.to_string()), ("Example & Sons", "0.1".to_owned()));
    assert_eq!(plans.customer("customer-0002").unwrap().name, "customer-0002");
    assert_eq!(plans.terms("nobody"), Terms::default());
}

#[test]
fn each_fault_is_found_with_its_line_and_key() {
    let charge = |text: &str| format!("[[plans.charges]]\nid = 'y'\nmeter = 'requests'\n{text}");
    let customer = |text: &str| format!("[[customers]]\nid = 'c'\n{text}");
    let plan = |text: &str| format!("[[plans]]\n{text}\n[[plans.charges]]\nid = 'y'\nmodel = 'flat'\nprice = 1");
    let cases = [
        ("[[plan]]".to_owned(), "10 plan: unknown key: the file has currency, default_plan, plans, customers"),
        (plan("id = 'a'\neffective_from = 2023-01-01"), "12 plans[1].effective_from: the plan `a` has"),
        (plan("id = 'b'"), "10 plans[1].effective_from: is missing"),
        (plan("effective_from = 2023-01-01"), "10 plans[1].id: is missing"),
        (plan("id = ' '\neffective_from = 2023-01-01"), "11 plans[1].id: is empty"),
        (plan("id = 'b'\neffective_from = '2023-01-01'"), "12 plans[1].effective_from: must be a date"),
        (plan("id = 'b'\neffective_from = 2023-01-01T00:00:00"), "12 plans[1].effective_from: `2023"),
        (plan("id = 'b'\neffective_from = 0001-01-01"), "12 plans[1].effective_from: `0001-01-01` is"),
        ("[[plans]]\nid = 'b'\neffective_from = 2023-01-01".to_owned(), "10 plans[1].charges: is missing: write"),
        (
            "[[plans]]\nid = 'b'\neffective_from = 2023-01-01\ncharges = []".to_owned(),
            "13 plans[1].charges: has no charge: write at least one; what is free has a flat price of 0",
        ),
        (charge("model = 'stairs'"), "13 plans[0].charges[1].model: unknown model `stairs`"),
        (charge(""), "10 plans[0].charges[1].model: is missing"),
        (charge("model = 'per_unit'\nunit = 1\nid2 = 1"), "15 plans[0].charges[1].id2: unknown key"),
        (charge("model = 'per_unit'\nunit = 1\nsize = 1"), "15 plans[0].charges[1].size: unknown key: a per_unit"),
        (charge("model = 'per_unit'"), "10 plans[0].charges[1].unit: is missing"),
        (
            charge("model = 'per_unit'\nunit = 0.5"),
            "14 plans[0].charges[1].unit: is a float: write it in quotes, \"0.5\"",
        ),
        (charge("model = 'per_unit'\nunit = '1e3'"), "14 plans[0].charges[1].unit: `1e3` is no number"),
        (
            charge("model = 'per_unit'\nunit = '0.0000000000001'"),
            "14 plans[0].charges[1].unit: `0.0000000000001` has too many digits: at most 16 before the",
        ),
        (charge("model = 'per_unit'\nunit = '-1'"), "14 plans[0].charges[1].unit: `-1` is negative"),
        (charge("model = 'per_unit'\nunit = -1"), "14 plans[0].charges[1].unit: `-1` is negative"),
        (charge("model = 'per_unit'\nunit = true"), "14 plans[0].charges[1].unit: must be a number in quotes"),
        (charge("model = 'per_unit'\nunit = 1\nmethods = ['get']"), "15 plans[0].charges[1].methods[0]: `get` is no"),
        (charge("model = 'per_unit'\nunit = 1\nmethods = 'GET'"), "15 plans[0].charges[1].methods: must be an array"),
        (charge("model = 'per_unit'\nunit = 1\npaths = ['v1']"), "15 plans[0].charges[1].paths[0]: `v1` is no pattern"),
        (
            charge("model = 'per_unit'\nunit = 1\nminimum = 2\nmaximum = 1"),
            "16 plans[0].charges[1].maximum: `1` is less",
        ),
        (
            charge("model = 'per_unit'\nunit = 1\ncharge_zero_usage = 0"),
            "15 plans[0].charges[1].charge_zero_usage: must",
        ),
        (charge("model = 'package'\nprice = 1\nsize = 0"), "15 plans[0].charges[1].size: `0` must be more than 0"),
        (charge("model = 'graduated'\ntiers = []"), "14 plans[0].charges[1].tiers: has no tier"),
        (charge("model = 'graduated'\ntiers = [{}]"), "14 plans[0].charges[1].tiers[0].unit: is missing"),
        (
            charge("model = 'volume'\ntiers = [{ unit = 1 }, { unit = 2 }]"),
            "14 plans[0].charges[1].tiers[0].up_to: is m",
        ),
        (
            charge("model = 'volume'\ntiers = [{ up_to = 5, unit = 1 }]"),
            "14 plans[0].charges[1].tiers[0].up_to: the la",
        ),
        (
            charge("model = 'volume'\ntiers = [\n{ up_to = 5, unit = 1 },\n{ up_to = 5, unit = 1 },\n{ unit = 1 }]"),
            "16 plans[0].charges[1].tiers[1].up_to: `5` is out of order: it must be more than 5",
        ),
        ("[[plans.charges]]\nid = 'y'\nmodel = 'per_unit'\nunit = 1".to_owned(), "10 plans[0].charges[1].meter: is m"),
        (
            "[[plans.charges]]\nid = 'x'\nmodel = 'flat'\nprice = 1".to_owned(),
            "11 plans[0].charges[1].id: the plan has",
        ),
        (
            "[[plans.charges]]\nid = 'y'\nmeter = 'clicks'\nmodel = 'per_unit'\nunit = 1".to_owned(),
            "12 plans[0].charges[1].meter: unknown meter `clicks`: there are billable_requests",
        ),
        (
            "[[plans.charges]]\nid = 'y'\nmethods = ['GET']\nmodel = 'flat'\nprice = 1".to_owned(),
            "12 plans[0].charges[1].methods: a flat charge looks at no usage",
        ),
        (customer("discount = '1.1'"), "12 customers[0].discount: `1.1` must be a share from 0 to 1"),
        (customer("tax_rate = 20"), "12 customers[0].tax_rate: `20` must be a share"),
        (customer("discount = '10%'"), "12 customers[0].discount: `10%` is no number"),
        (customer("plan = 'z'"), "12 customers[0].plan: unknown plan `z`: there are a"),
        (customer("plan = 'a'\nplans = [{ plan = 'a' }]"), "12 customers[0].plan: write either plan"),
        (customer("plans = []"), "12 customers[0].plans: has no plan"),
        (customer("plans = [{ plan = 'a', from = 2022-12-31 }]"), "12 customers[0].plans[0].from: the plan `a` has no"),
        (
            customer("plans = [{ plan = 'a', from = 2023-02-02, to = 2023-02-01 }]"),
            "12 customers[0].plans[0].to: the plan ends",
        ),
        (
            customer("plans = [{ plan = 'a', to = 2023-02-01 },\n{ plan = 'a', from = 2023-02-01 }]"),
            "13 customers[0].plans[1].from: overlaps the customer's plan `a`",
        ),
        ("[[customers]]\nid = '-'".to_owned(), "11 customers[0].id: `-` stands for calls without a user"),
        ("[[customers]]\nid = 'c'\n[[customers]]\nid = 'c'".to_owned(), "13 customers[1].id: the customer `c` is"),
        ("[[customers]]\nname = 'c'".to_owned(), "10 customers[0].id: is missing"),
        ("[customers]\nid = 'c'".to_owned(), "10 customers: must be an array of tables, not table"),
    ];
    for (addition, expected) in cases {
        let fault = fault(&addition);
        assert!(fault.starts_with(expected), "{addition}\n{fault}");
    }
}

#[test]
fn a_currency_must_be_there_and_known() {
    let with = |currency: &str| faults(&SOUND.replace("currency = 'USD'", currency));
    assert_eq!(with(""), ["1 currency: is missing: write currency = \"USD\""]);
    assert!(with("currency = 'usd'")[0].starts_with("1 currency: `usd` is no currency"));
    assert!(with("currency = 'XAU'")[0].contains("no minor unit"));
    assert!(faults(&SOUND.replace("'a'\n[[", "'b'\n[["))[0].starts_with("2 default_plan: unknown plan `b`"));
    assert!(faults("currency = 'USD'")[0].starts_with("1 plans: is missing"));
}

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_file() {
    let text = format!("{SOUND}minimum = 0.5\nx = 1\n[[customers]]\nid = 'c'\nplan = 'z'\ntax_rate = '-1'")
        .replace("price = 1", "price = -1");
    let lines: Vec<usize> = parse(&text).unwrap_err().faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [9, 10, 11, 14, 15]);
    let errors = parse(&text).unwrap_err();
    assert_eq!(errors.lines().next().unwrap(), "plans.toml:9: plans[0].charges[0].price: `-1` is negative");
    assert_eq!(errors.to_string().split("; ").count(), 5);
}

#[test]
fn a_plan_that_is_wrong_is_known_all_the_same() {
    let text = SOUND.replace("effective_from = 2023-01-01", "effective_from = 1");
    assert_eq!(faults(&text).len(), 1);
}

#[test]
fn what_is_no_toml_is_reported_with_its_lines_alone() {
    let faults = faults(&format!("{SOUND}a = \nb = 1.2.3\n[[customers]]\nid = 1\n"));
    assert!(faults.iter().any(|fault| fault.starts_with("10 a: ")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.starts_with("11 b: ")), "{faults:?}");
    assert!(!faults.iter().any(|fault| fault.starts_with("13 ")), "{faults:?}");
}

#[test]
fn a_date_that_is_in_no_calendar_is_told_with_its_key_and_value() {
    assert_eq!(
        faults(&SOUND.replace("2023-01-01", "2023-02-30")),
        ["5 plans[0].effective_from: `2023-02-30` is no date of the calendar: expected day between 01 and 28"]
    );
    assert_eq!(
        fault("[[customers]]\nid = 'c'\nplans = [{ plan = 'a', from = 2023-01-05, to = 2023-13-01 }]"),
        "12 customers[0].plans[0].to: `2023-13-01` is no date of the calendar: expected month between 01 and 12"
    );
}

#[test]
fn what_is_something_else_than_toml_is_told_what_is_expected() {
    for (text, what) in [
        ("", "the file is empty"),
        (" \n\t\n", "the file is empty"),
        ("\u{feff}{\"currency\": \"USD\"}", "the file seems to be JSON"),
        ("{\n  \"currency\": ", "the file seems to be JSON"),
        ("[{\"id\": \"a\"}]", "the file seems to be JSON"),
        ("c\0u\0r\0", "the file seems to be UTF-16"),
    ] {
        let expected = "a plan file is TOML in UTF-8, such as jobs/invoice/plans.example.toml";
        assert_eq!(faults(text), [format!("1 : {what}: {expected}")], "{text}");
    }
    let text = |content: &[u8]| Plans::text("plans.toml", content.to_vec()).map_err(|errors| errors.to_string());
    assert!(text(b"\xff\xfec\0u\0\xe9").unwrap_err().starts_with("plans.toml:1: the file seems to be UTF-16: "));
    assert!(text(b"name = '\xe9'").unwrap_err().starts_with("plans.toml:1: the file is not UTF-8: "));
    assert_eq!(text("name = 'é'".as_bytes()).unwrap(), "name = 'é'");
}

#[test]
fn the_version_of_a_day_is_the_last_that_began() {
    let plans = parse(EXAMPLE).unwrap();
    let version = |on: &str| plans.version_on("standard", day(on)).map(|version| version.effective_from.to_string());
    assert_eq!(version("2022-12-31"), None);
    assert_eq!(version("2023-01-01").as_deref(), Some("2023-01-01"));
    assert_eq!(version("2023-12-31").as_deref(), Some("2023-01-01"));
    assert_eq!(version("2024-01-01").as_deref(), Some("2024-01-01"));
}

#[test]
fn a_month_is_split_where_the_customers_plan_changes() {
    let plans = parse(EXAMPLE).unwrap();
    let june = ["standard of 2023-01-01: 2023-06-01 to 2023-06-14", "pro of 2023-01-01: 2023-06-15 to 2023-06-30"];
    assert_eq!(periods(&plans, "customer-0001", "2023-06"), june);
    assert_eq!(periods(&plans, "customer-0001", "2024-02"), ["pro of 2023-01-01: 2024-02-01 to 2024-02-29"]);
    assert_eq!(periods(&plans, "nobody", "2024-01"), ["standard of 2024-01-01: 2024-01-01 to 2024-01-31"]);
    assert!(periods(&plans, "nobody", "2022-12").is_empty());
}

#[test]
fn a_month_is_split_where_a_version_begins_and_where_a_customer_comes_or_goes() {
    let text = format!(
        "{SOUND}[[plans]]\nid = 'a'\neffective_from = 2023-03-11\n[[plans.charges]]\nid = 'x'\nmodel = 'flat'\n\
         price = 1\n[[customers]]\nid = 'guest'\n\
         plans = [{{ plan = 'a', from = 2023-03-10, to = 2023-03-12 }}]\n[[customers]]\nid = 'twice'\n\
         plans = [{{ plan = 'a', from = 2023-05-05 }}, {{ plan = 'a', from = 2023-04-05, to = 2023-05-04 }}]"
    );
    let plans = parse(&text).unwrap();
    let all = ["a of 2023-01-01: 2023-03-01 to 2023-03-10", "a of 2023-03-11: 2023-03-11 to 2023-03-31"];
    assert_eq!(periods(&plans, "anybody", "2023-03"), all);
    let guest = ["a of 2023-01-01: 2023-03-10 to 2023-03-10", "a of 2023-03-11: 2023-03-11 to 2023-03-12"];
    assert_eq!(periods(&plans, "guest", "2023-03"), guest);
    assert!(periods(&plans, "guest", "2023-04").is_empty());
    assert_eq!(periods(&plans, "twice", "2023-05"), ["a of 2023-03-11: 2023-05-01 to 2023-05-31"]);
    let days = plans.periods("twice", "2023-04".parse().unwrap())[0].days();
    assert_eq!((days.covered(), days.of()), (26, 30));
}
