//! `focus.csv` is what FinOps FOCUS asks for: by its own validator (which knows 1.0), and by the rules that 1.2 adds.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use meterlake_tests::billing::{Invoices, Record, draft, finalize, used};
use meterlake_tests::lake::TestLake;
use meterlake_tests::python::{python, site_packages, succeed};
use rust_decimal::Decimal;

/// Every kind of line and every model of a price.
const PLANS: &str = "
default_plan = 'standard'
[[plans]]
id = 'standard'
effective_from = 2022-01-01
minimum = 3
maximum = 20
[[plans.charges]]
id = 'base'
model = 'flat'
price = 1
[[plans.charges]]
id = 'calls'
meter = 'billable_requests'
model = 'graduated'
tiers = [{ up_to = 10, unit = 0 }, { up_to = 100, unit = '0.07' }, { unit = '0.0333', flat = '0.5' }]
[[plans.charges]]
id = 'traffic'
meter = 'response_bytes'
model = 'package'
size = 100
price = '0.09'
free = 50
minimum = 1
[[plans.charges]]
id = 'volume'
meter = 'requests'
model = 'volume'
tiers = [{ up_to = 500, unit = '0.001' }, { unit = '0.0005', flat = 1 }]
[[plans.charges]]
id = 'writes'
meter = 'requests'
methods = ['POST']
model = 'per_unit'
unit = '0.0123'
[[customers]]
id = '12345'
name = '=HYPERLINK(\"x\")'
discount = '0.1'
tax_rate = '0.19'
[[customers]]
id = 'NA'
name = 'Not Available, Inc.'
";

/// Columns that 1.2 makes mandatory, and those of its conditional and recommended ones that apply here.
const MANDATORY: [&str; 21] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
];
const MAY_BE_NULL: [&str; 4] = ["ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit"];
const OF_A_PRICE: [&str; 7] = [
    "PricingQuantity",
    "PricingUnit",
    "ListUnitPrice",
    "ContractedUnitPrice",
    "PricingCategory",
    "SkuId",
    "SkuPriceId",
];

/// Two months: the second adjusts the first, in both directions.
async fn two_months(currency: &str) -> (TestLake, Invoices, Invoices) {
    let lake = TestLake::with_plans(&format!("currency = '{currency}'\n{PLANS}")).await;
    let rows = [used("12345", "2023-01-05", 1234), used("b", "2023-01-05", 7), used("c", "2023-01-06", 300)];
    lake.put_usage("2023-01-05", &rows).await;
    lake.fill("2023-01").await;
    let january = lake.invoice(&finalize("2023-01")).await;
    lake.put_usage("2023-01-05", &[used("12345", "2023-01-05", 12), used("b", "2023-01-05", 300)]).await;
    lake.put_usage("2023-02-05", &[used("12345", "2023-02-05", 1234), used("b", "2023-02-05", 17)]).await;
    let february = lake.invoice(&draft("2023-02")).await;
    (lake, january, february)
}

fn number(record: &Record, column: &str) -> Option<Decimal> {
    let text = &record[column];
    let is_plain = text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    assert!(is_plain, "{column}: {text}");
    (!text.is_empty()).then(|| text.parse().unwrap())
}

fn validate(file: &Path) -> String {
    let mut command = Command::new(python());
    let main = "import sys; from focus_validator.main import main; sys.exit(main())";
    command.args(["-c", main, "--data-file"]).arg(file).args(["--validate-version", "1.0"]);
    // It opens its list of currencies by a path relative to here.
    command.current_dir(site_packages());
    succeed(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_validator_finds_nothing_wrong() {
    for currency in ["USD", "JPY"] {
        let (_lake, january, february) = two_months(currency).await;
        for made in [&january, &february] {
            let said = validate(&made.folder.join("focus.csv"));
            assert_eq!(said.lines().last(), Some("Validation succeeded."), "{currency}: {said}");
        }
        // It does find what is wrong.
        let spoilt = january.folder.join("spoilt.csv");
        std::fs::write(&spoilt, january.text("focus.csv").replace(",Integration,", ",APIs,")).unwrap();
        assert!(validate(&spoilt).contains("Validation failed!"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn billed_costs_add_up_to_what_each_invoice_asks_for() {
    let (_lake, january, february) = two_months("USD").await;
    for made in [january, february] {
        let mut costs: BTreeMap<String, Decimal> = BTreeMap::new();
        for record in made.records("focus.csv") {
            *costs.entry(record["InvoiceId"].clone()).or_default() += number(&record, "BilledCost").unwrap();
        }
        let payable = made
            .records("invoices.csv")
            .into_iter()
            .map(|invoice| (invoice["invoice_id"].clone(), invoice["total"].parse::<Decimal>().unwrap()));
        assert_eq!(costs, payable.collect());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_that_1_2_adds_hold() {
    let (_lake, january, february) = two_months("USD").await;
    let mut kinds: Vec<String> = Vec::new();
    for record in [january, february].iter().flat_map(|made| made.records("focus.csv")) {
        kinds.push(record["x_LineKind"].clone());
        let says = |column: &str| !record[column].is_empty();
        let (category, is_correction) = (record["ChargeCategory"].as_str(), record["ChargeClass"] == "Correction");
        for column in MANDATORY.iter().filter(|column| !MAY_BE_NULL.contains(column)) {
            assert!(says(column), "{column} is null: {record:?}");
        }
        for column in ["ChargeFrequency", "InvoiceId", "ServiceSubcategory"] {
            assert!(says(column), "{column} is null: {record:?}");
        }
        assert!(["Usage", "Purchase", "Tax", "Credit", "Adjustment"].contains(&category));
        assert!(is_correction || !says("ChargeClass"));
        // What corrects an earlier month says so, and nothing else does.
        assert_eq!(is_correction, record["ChargePeriodEnd"] <= record["BillingPeriodStart"], "{record:?}");
        for period in ["Billing", "Charge"] {
            let [start, end] = ["Start", "End"].map(|side| record[&format!("{period}Period{side}")].clone());
            assert!(start < end && start.ends_with("T00:00:00Z") && end.ends_with("T00:00:00Z"), "{record:?}");
        }
        for column in OF_A_PRICE {
            match category {
                "Usage" | "Purchase" => assert!(says(column), "{column}: {record:?}"),
                _ => assert!(!says(column), "{column}: {record:?}"),
            }
        }
        assert_eq!(says("ConsumedQuantity"), category == "Usage");
        assert_eq!(says("ConsumedQuantity"), says("ConsumedUnit"));
        assert_eq!(says("PricingQuantity"), says("PricingUnit"));
        assert!(category != "Purchase" || record["ChargeFrequency"] != "Usage-Based");
        for side in ["List", "Contracted"] {
            let cost = number(&record, &format!("{side}Cost")).unwrap();
            match number(&record, &format!("{side}UnitPrice")) {
                Some(price) => {
                    let quantity = number(&record, "PricingQuantity").unwrap();
                    assert!(price >= Decimal::ZERO);
                    assert_eq!(price * quantity, cost, "{record:?}");
                    let off = (cost - number(&record, "BilledCost").unwrap()).abs();
                    assert!(off <= "0.0051".parse().unwrap(), "{record:?}");
                }
                None => assert_eq!(Some(cost), number(&record, "BilledCost")),
            }
        }
        assert_eq!(record["EffectiveCost"], record["BilledCost"]);
        assert_eq!(
            (record["ServiceCategory"].as_str(), record["ServiceSubcategory"].as_str()),
            ("Integration", "API Management")
        );
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds, ["adjustment", "discount", "flat", "maximum", "minimum", "tax", "usage"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_is_right_for_huge_quantities_too() {
    let plans = "currency = 'USD'\ndefault_plan = 'p'\n[[plans]]\nid = 'p'\neffective_from = 2022-01-01\n\
                 [[plans.charges]]\nid = 'traffic'\nmeter = 'response_bytes'\nmodel = 'graduated'\n\
                 tiers = [{ up_to = 10_000_000_000, unit = 0 }, { unit = '0.000000000091' }]\n";
    let lake = TestLake::with_plans(plans).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 700_000_000_003)]).await;
    let made = lake.invoice(&draft("2023-01")).await;
    let record = made.records("focus.csv").remove(0);
    assert_eq!(record["BilledCost"], "636.09");
    let off = number(&record, "ListCost").unwrap() - number(&record, "BilledCost").unwrap();
    assert!(off.abs() < "0.005".parse().unwrap(), "{record:?}");
    let product = number(&record, "ListUnitPrice").unwrap() * number(&record, "PricingQuantity").unwrap();
    assert_eq!(Some(product), number(&record, "ListCost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_our_own_come_last() {
    let (_lake, january, _) = two_months("KWD").await;
    let text = january.text("focus.csv");
    let columns: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    assert!(MANDATORY.iter().all(|column| columns.contains(column)));
    let first = columns.iter().position(|column| column.starts_with("x_")).unwrap();
    assert!(columns[first..].iter().all(|column| column.starts_with("x_")));
}
