//! Usage that turns up for a final month is billed by the next invoice, once, at the month's own prices.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use meterlake_core::clock::Clock;
use meterlake_core::publications;
use meterlake_core::slot::Slot;
use meterlake_tests::billing::{Invoices, Used, accept, draft, finalize, month, used};
use meterlake_tests::lake::TestLake;
use rust_decimal::Decimal;

use crate::invoices::PLANS;

/// Makes January final with 15 calls of `a` (0.03) and 1500 of `pro` (54.54).
async fn january() -> TestLake {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15), used("pro", "2023-01-05", 1500)]).await;
    lake.fill("2023-01").await;
    assert_eq!(lake.invoice(&finalize("2023-01")).await.totals(), ["a 0.03", "pro 54.54"]);
    lake
}

fn adjusting(made: &Invoices) -> Vec<String> {
    made.lines().into_iter().filter(|line| line.contains("2023-01") && !line.contains("2023-02 ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn late_usage_is_rated_with_its_own_month_and_the_difference_is_a_line() {
    let lake = january().await;
    // 15 and 85 calls are 100: 90 of them at half a cent.
    lake.put_usage("2023-02-09", &[used("a", "2023-01-31", 85), used("late", "2023-01-30", 20)]).await;
    let made = lake.invoice(&draft("2023-02")).await;
    assert_eq!(adjusting(&made), ["a adjustment  2023-01  0.42", "late adjustment  2023-01  0.05"]);
    // `a` has no usage in February, and gets an invoice for the adjustment all the same.
    assert_eq!(made.totals(), ["a 0.42", "late 0.05", "pro 52.92"]);
    assert_eq!(made.report["adjustments"], 2);

    lake.fill("2023-02").await;
    assert_eq!(lake.invoice(&finalize("2023-02")).await.totals(), made.totals());
    // It is not billed again.
    assert!(adjusting(&lake.invoice(&draft("2023-03")).await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_is_gone_is_credited_and_its_tax_with_it() {
    let lake = january().await;
    lake.put_usage("2023-01-05", &[used("pro", "2023-01-05", 500)]).await;
    let made = lake.invoice(&draft("2023-02")).await;
    // pro: (49 + 0.50) less 10 % is 44.55, and 8.91 tax; billed were 45.45 and 9.09.
    assert_eq!(
        adjusting(&made),
        ["a adjustment  2023-01  -0.03", "pro adjustment  2023-01  -0.90", "pro tax  2023-01  -0.18"]
    );
    assert_eq!(made.totals(), ["a -0.03", "pro 51.84"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_month_keeps_its_plans_whatever_becomes_of_the_file() {
    let lake = january().await;
    lake.put_usage("2023-02-09", &[used("a", "2023-01-31", 85)]).await;
    lake.set_plans(&PLANS.replace("0.005", "7").replace("price = 49", "price = 1"));
    assert_eq!(adjusting(&lake.invoice(&draft("2023-02")).await), ["a adjustment  2023-01  0.42"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_the_kept_plans_do_not_know_is_priced_by_those_of_now() {
    let without_default = PLANS.replace("default_plan = 'standard'\n", "");
    let lake = TestLake::with_plans(&without_default).await;
    lake.put_usage("2023-01-05", &[used("pro", "2023-01-05", 1500)]).await;
    lake.fill("2023-01").await;
    lake.invoice(&finalize("2023-01")).await;
    lake.put_usage("2023-02-09", &[used("new", "2023-01-20", 1000)]).await;
    // Nobody can price it yet.
    assert!(adjusting(&lake.invoice(&draft("2023-02")).await).is_empty());
    // Whatever their new plan counts: another meter, some paths only, or a price that begins within the month.
    let own = |charge: &str| {
        format!(
            "{without_default}[[customers]]\nid = 'new'\nplan = 'n'\n[[plans]]\nid = 'n'\n\
        effective_from = 2022-01-01\n[[plans.charges]]\nid = 'x'\nmodel = 'per_unit'\nunit = '0.01'\n{charge}\n"
        )
    };
    for (charge, amount) in [
        ("meter = 'response_bytes'", "100.00"),
        ("meter = 'requests'\npaths = ['/v1']\nmethods = ['GET']", "10.00"),
        (
            "meter = 'requests'\n[[plans]]\nid = 'n'\neffective_from = 2023-01-15\n[[plans.charges]]\nid = 'y'\n\
             model = 'per_unit'\nunit = '0.02'\nmeter = 'requests'",
            "20.00",
        ),
    ] {
        lake.set_plans(&own(charge));
        let made = lake.invoice(&draft("2023-02")).await;
        assert_eq!(adjusting(&made), [format!("new adjustment  2023-01  {amount}")], "{charge}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_claim_leaves_no_other_claim_and_what_is_accepted_does_not_break_it() {
    let lake = january().await;
    for text in ["2022-12", "2023-02", "2023-03"] {
        lake.fill(text).await;
    }
    lake.invoice(&accept("days=40", finalize("2022-12"))).await;
    // March claims December alone, as a run that was cut off may leave it.
    claim(&lake, "2022-12", "2023-03", "2999-01-01T00:00:00Z").await;
    let claim_of = async |text: &str| {
        let head = publications::head(&lake.lake, &lake.lake.layout.invoices, month(text)).await.unwrap();
        head.publication().unwrap().notes.adjusted_by
    };
    let before = claim_of("2023-01").await;
    for args in [finalize("2023-02"), accept("days=40", finalize("2023-02"))] {
        let error = lake.invoice_fails(&args).await;
        assert!(error.contains("invoice --month 2023-03 --finalize"), "{error}");
        assert_eq!(claim_of("2023-01").await, before);
    }
    assert_eq!(lake.invoice(&finalize("2023-03")).await.status(), "final");
    assert_eq!(lake.invoice(&finalize("2023-02")).await.status(), "final");
    lake.assert_no_stray("after refused claims").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_behind_an_adjustment_are_among_the_inputs() {
    let lake = january().await;
    lake.put_usage("2023-01-05", &[used("pro", "2023-01-05", 500)]).await;
    assert!(lake.invoice(&draft("2023-02")).await.text("_inputs.json").contains("\"2023-01-05\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_billed_in_another_currency_is_adjusted_in_it_on_an_invoice_of_its_own() {
    let lake = january().await;
    lake.put_usage("2023-02-09", &[used("pro", "2023-01-31", 1000)]).await;
    lake.set_plans(&PLANS.replace("USD", "JPY"));
    let made = lake.invoice(&draft("2023-02")).await;
    assert_eq!(made.report["totals"], serde_json::json!({"JPY": "53", "USD": "1.08"}));
    assert_eq!(made.totals(), ["pro 53", "pro 1.08"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_back_as_many_months_as_it_is_told_to() {
    let lake = january().await;
    lake.put_usage("2023-02-09", &[used("a", "2023-01-31", 85)]).await;
    assert_eq!(adjusting(&lake.invoice(&draft("2023-04")).await), ["a adjustment  2023-01  0.42"]);
    assert!(adjusting(&lake.invoice(&draft("2023-05")).await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_made_final_after_a_later_one_bills_nothing_twice() {
    let lake = january().await;
    lake.put_usage("2023-02-09", &[used("a", "2023-01-31", 85), used("a", "2023-02-09", 30)]).await;
    for text in ["2023-02", "2023-03"] {
        lake.fill(text).await;
    }
    assert_eq!(lake.invoice(&finalize("2023-03")).await.totals(), ["a 0.42", "pro 52.92"]);
    assert_eq!(lake.invoice(&finalize("2023-02")).await.totals(), ["a 0.10", "pro 52.92"]);
    assert_eq!(lake.invoice(&draft("2023-04")).await.totals(), ["pro 52.92"]);
}

/// Lets a month claim another, as a run that was cut off may leave it.
async fn claim(lake: &TestLake, adjusted: &str, by: &str, since: &str) {
    let (lake, table) = (&lake.lake, &lake.lake.layout.invoices);
    let head = publications::head(lake, table, month(adjusted)).await.unwrap();
    let (mut publication, there) = (head.publication().unwrap(), head.partition.unwrap());
    publication.notes.adjusted_by = Some(month(by));
    publication.notes.adjusted_since = Some(since.parse().unwrap());
    let claim = publication.partition(there.values, there.location).unwrap();
    assert!(publications::append(lake, table, month(adjusted), head.number, Some(&claim)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimant_that_died_long_ago_stops_nobody_and_bills_nothing_any_more() {
    let lake = january().await;
    for text in ["2023-02", "2023-03"] {
        lake.fill(text).await;
    }
    lake.put_usage("2023-02-09", &[used("a", "2023-01-31", 85)]).await;
    // A run for February looked at its month, claimed January, and sleeps before it publishes.
    let asleep = Slot::look(&lake.lake, &lake.lake.layout.invoices, month("2023-02")).await.unwrap();
    claim(&lake, "2023-01", "2023-02", "2023-02-03T00:00:00Z").await;

    let march = lake.invoice(&finalize("2023-03")).await;
    assert_eq!((march.status(), march.totals()), ("final", vec!["a 0.42".to_owned(), "pro 52.92".to_owned()]));
    // It wakes. What March billed, it does not bill too.
    let publication = publications::head(&lake.lake, &lake.lake.layout.invoices, month("2023-01")).await.unwrap();
    let folder = asleep.draft("invoice").unwrap().folder;
    assert!(asleep.publish(&publication.publication().unwrap(), &folder).await.unwrap().is_none());
    assert_eq!(lake.invoice(&finalize("2023-02")).await.totals(), ["pro 52.92"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_claimant_stops_nobody_for_longer_than_a_run_may_take() {
    let mut lake = january().await;
    for text in ["2023-02", "2023-03"] {
        lake.fill(text).await;
    }
    lake.put_usage("2023-02-09", &[used("a", "2023-01-31", 85)]).await;
    let since: DateTime<Utc> = "2023-04-05T00:00:00Z".parse().unwrap();
    claim(&lake, "2023-01", "2023-02", "2023-04-05T00:00:00Z").await;
    let clock = Clock::at(since);
    lake.lake.clock = clock.clone();
    clock.move_to(since + lake.lake.config.vacuum_after - TimeDelta::seconds(1));
    let error = lake.invoice_fails(&finalize("2023-03")).await;
    assert!(error.contains("invoice --month 2023-02 --finalize"), "{error}");
    clock.move_to(since + lake.lake.config.vacuum_after);
    let march = lake.invoice(&finalize("2023-03")).await;
    assert_eq!((march.status(), march.totals()), ("final", vec!["a 0.42".to_owned(), "pro 52.92".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_another_is_adjusting_waits_for_it() {
    let lake = january().await;
    for text in ["2023-02", "2023-03"] {
        lake.fill(text).await;
    }
    // As a run for February that was cut off after its claim leaves it.
    claim(&lake, "2023-01", "2023-02", "2999-01-01T00:00:00Z").await;
    let error = lake.invoice_fails(&finalize("2023-03")).await;
    assert!(error.contains("invoice --month 2023-02 --finalize"), "{error}");
    assert_eq!(lake.invoice(&draft("2023-03")).await.status(), "draft");
    assert_eq!(lake.invoice(&finalize("2023-02")).await.status(), "final");
    assert_eq!(lake.invoice(&finalize("2023-03")).await.status(), "final");
}

/// A draw that is the same on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What each customer was billed for each month of use, with tax, over all invoices.
fn billed(all: &[Invoices]) -> BTreeMap<(String, String), Decimal> {
    let mut billed = BTreeMap::new();
    for line in all.iter().flat_map(|made| made.records("line_items.csv")) {
        let amount: Decimal = line["amount"].parse().unwrap();
        *billed.entry((line["customer_id"].clone(), line["usage_month"].clone())).or_insert(Decimal::ZERO) += amount;
    }
    billed.retain(|_, amount| !amount.is_zero());
    billed
}

#[tokio::test(flavor = "multi_thread")]
async fn in_whatever_order_usage_arrives_all_invoices_together_are_its_price() {
    // Odd prices, so that rounding has something to do.
    let plans = PLANS.replace("0.005", "0.00333").replace("'0.001'", "'0.00777'").replace("'0.1'", "'0.0725'");
    let months = ["2023-01", "2023-02", "2023-03"];
    for seed in 0..4 {
        let mut chance = Chance(seed);
        // What arrives on a day, and after how many of the months have been made final.
        let mut arrivals: Vec<(String, Vec<Used>, u64)> = Vec::new();
        for number in 0..12 {
            let rows = (0..=chance.below(3)).map(|_| {
                let user = ["a", "b", "pro", "-"][chance.below(4) as usize];
                let date = format!("{}-{:02}", months[chance.below(3) as usize], 1 + chance.below(28));
                used(user, &date, chance.below(700))
            });
            let rows: Vec<Used> = rows.collect();
            arrivals.push((format!("2023-04-{:02}", 1 + number), rows, chance.below(4)));
        }
        // One day is built again, with other numbers.
        let (day, rows, _) = arrivals[0].clone();
        let rebuilt = rows.into_iter().map(|row| Used { requests: row.requests / 2, ..row }).collect();
        arrivals.push((day, rebuilt, 3));

        let lake = TestLake::with_plans(&plans).await;
        let mut all = Vec::new();
        for (at, text) in months.iter().chain(&["2023-04"]).enumerate() {
            for (day, rows, _) in arrivals.iter().filter(|(_, _, after)| *after == at as u64) {
                lake.put_usage(day, rows).await;
            }
            lake.fill(text).await;
            all.push(lake.invoice(&finalize(text)).await);
        }

        let on_time = TestLake::with_plans(&plans).await;
        for (day, rows, _) in &arrivals {
            on_time.put_usage(day, rows).await;
        }
        let mut expected = Vec::new();
        for text in months.iter().chain(&["2023-04"]) {
            expected.push(on_time.invoice(&accept("days=40", finalize(text))).await);
        }
        assert!(expected.iter().all(|made| made.report["adjustments"] == 0), "seed {seed}");
        assert!(all.iter().any(|made| made.report["adjustments"] != 0), "seed {seed} adjusts nothing");
        assert_eq!(billed(&all), billed(&expected), "seed {seed}");
        for made in all.iter().chain(&expected) {
            let lines = made.records("line_items.csv");
            for invoice in made.records("invoices.csv") {
                let own: Vec<_> =
                    lines.iter().filter(|line| line["invoice_id"] == invoice["invoice_id"]).cloned().collect();
                let sum = meterlake_tests::billing::sum(&own, "amount");
                assert_eq!(sum, invoice["total"].parse().unwrap(), "seed {seed}");
            }
        }
    }
}
