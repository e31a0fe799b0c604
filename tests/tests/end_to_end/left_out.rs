//! One customer's fault is that customer's: who is left out of a month, what is not billed, and who bills it later.

use std::fs;

use meterlake_core::notes::DayNotes;
use meterlake_invoice::Args;
use meterlake_tests::billing::{Used, day, draft, finalize, used};
use meterlake_tests::lake::TestLake;
use meterlake_tests::programs;
use serde_json::json;

/// A cent a call. `gone` left on the 19th of January.
const PLANS: &str = "
currency = 'USD'
default_plan = 'a'
[[plans]]
id = 'a'
effective_from = 2010-01-01
[[plans.charges]]
id = 'calls'
meter = 'billable_requests'
model = 'per_unit'
unit = '0.01'
[[customers]]
id = 'gone'
plans = [{ plan = 'a', from = 2023-01-01, to = 2023-01-19 }]
";

/// A cent a byte.
const BYTES: &str = "
currency = 'USD'
default_plan = 'a'
[[plans]]
id = 'a'
effective_from = 2010-01-01
[[plans.charges]]
id = 'traffic'
meter = 'response_bytes'
model = 'per_unit'
unit = '0.01'
";

/// Publishes a day with a row for each of some users, who made one call each on that day and got so many bytes.
async fn put_bytes(lake: &TestLake, arrival: &str, rows: &[(&str, i64)]) {
    let values: Vec<String> = rows.iter().map(|(user, bytes)| format!("('{user}', {bytes})")).collect();
    let select = format!(
        "SELECT u AS \"user\", DATE '{arrival}' AS usage_date, 'GET' AS httpmethod, '/v1' AS resourcepath, \
         CAST(1 AS bigint) AS requests, CAST(1 AS bigint) AS billable_requests, CAST(b AS decimal(38,0)) AS \
         response_bytes FROM (VALUES {}) AS t (u, b)",
        values.join(", ")
    );
    let noted = DayNotes { rows: rows.len() as u64, ..DayNotes::default() };
    lake.publish_usage(day(arrival), Some(select), noted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_after_the_end_of_a_plan_is_reported_and_the_next_month_bills_it_once_a_plan_covers_it() {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("gone", "2023-01-05", 9)]).await;
    let others: Vec<String> = (0..20).map(|number| format!("cust-{number:02}")).collect();
    let mut rows: Vec<Used> = others.iter().map(|user| used(user, "2023-01-20", 1)).collect();
    rows.push(used("gone", "2023-01-20", 1));
    lake.put_usage("2023-01-20", &rows).await;
    lake.fill("2023-01").await;

    let made = lake.invoice(&Args { no_html: false, ..finalize("2023-01") }).await;
    let expected: Vec<String> =
        others.iter().map(|user| format!("{user} 0.01")).chain(["gone 0.09".to_owned()]).collect();
    assert_eq!((made.status(), made.totals()), ("final", expected));
    let why = "has 1 call on 2023-01-20: the customer has plans of its own, and none for then: give it one";
    for report in [&made.report, &lake.invoice(&finalize("2023-01")).await.report] {
        assert_eq!((&report["uncovered_requests"], &report["customers_left_out"]), (&json!(1), &json!(0)));
        assert_eq!(report["uncovered"], json!([{"customer": "gone", "why": why}]));
        assert_eq!(report["unpriced_requests"], 0);
    }
    assert!(made.text("index.html").contains("has 1 call on 2023-01-20"));

    // Nobody covers it yet.
    assert!(lake.invoice(&draft("2023-02")).await.totals().is_empty());
    lake.set_plans(&PLANS.replace("to = 2023-01-19", "to = 2023-01-31"));
    lake.fill("2023-02").await;
    let february = lake.invoice(&finalize("2023-02")).await;
    assert_eq!(february.lines(), ["gone adjustment  2023-01  0.01"]);
    // What February billed stays billed, though the file does not cover it any more, or covers it at another price.
    lake.set_plans(PLANS);
    assert!(lake.invoice(&draft("2023-03")).await.totals().is_empty());
    lake.set_plans(&PLANS.replace("to = 2023-01-19", "to = 2023-01-31").replace("0.01", "0.02"));
    assert!(lake.invoice(&draft("2023-03")).await.totals().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_plan_that_begins_after_the_usage_is_named_with_its_days() {
    let (plans, _) = PLANS.split_once("[[customers]]").unwrap();
    let lake = TestLake::with_plans(&plans.replace("2010-01-01", "2023-01-20")).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 2), used("a", "2023-01-07", 3)]).await;
    lake.put_usage("2023-01-20", &[used("a", "2023-01-20", 4)]).await;
    let made = lake.invoice(&draft("2023-01")).await;
    assert_eq!((made.totals(), &made.report["uncovered_requests"]), (vec!["a 0.04".to_owned()], &json!(5)));
    let why = made.report["uncovered"][0]["why"].as_str().unwrap();
    assert!(
        why.starts_with("has 5 calls from 2023-01-05 to 2023-01-07: the default plan `a` covers days from"),
        "{why}"
    );
    assert!(why.contains("from 2023-01-20 on") && !why.contains("set default_plan"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meter_that_went_backwards_keeps_only_its_customer_from_being_billed() {
    let lake = TestLake::with_plans(BYTES).await;
    put_bytes(&lake, "2023-01-05", &[("<neg>", -2), ("ok", 300)]).await;
    lake.fill("2023-01").await;
    let why = "cannot be billed for 2023-01: the charge `traffic` of the plan `a`: the quantity -2 is negative: a meter \
               must count up";
    let left_out = json!([{"customer": "<neg>", "why": why}]);
    let made = lake.invoice(&draft("2023-01")).await;
    assert_eq!(
        (made.status(), made.totals(), &made.report["left_out"]),
        ("draft", vec!["ok 3.00".to_owned()], &left_out)
    );
    let error = lake.invoice_fails(&Args { customer: Some("<neg>".to_owned()), ..draft("2023-01") }).await;
    assert!(error.contains(&format!("`<neg>` has no invoice: it {why}")), "{error}");

    let made = lake.invoice(&Args { no_html: false, ..finalize("2023-01") }).await;
    assert_eq!((made.status(), made.totals()), ("final", vec!["ok 3.00".to_owned()]));
    for report in [&made.report, &lake.invoice(&finalize("2023-01")).await.report] {
        assert_eq!((&report["customers_left_out"], &report["left_out"]), (&json!(1), &left_out));
    }
    assert!(made.text("index.html").contains("<td>&lt;neg&gt;</td><td>cannot be billed for 2023-01"));

    // Its next month is billed, though its January cannot be corrected.
    put_bytes(&lake, "2023-02-05", &[("<neg>", 50), ("ok", 100)]).await;
    let february = lake.invoice(&draft("2023-02")).await;
    assert_eq!(february.totals(), ["<neg> 0.50", "ok 1.00"]);
    let left_out = &february.report["left_out"];
    assert_eq!((left_out.as_array().unwrap().len(), &left_out[0]["customer"]), (1, &json!("<neg>")));
    assert!(
        left_out[0]["why"].as_str().unwrap().starts_with("cannot be adjusted for 2023-01: the charge"),
        "{left_out}"
    );

    // The day is built again as it should be: now its January is billed too.
    put_bytes(&lake, "2023-01-05", &[("<neg>", 200), ("ok", 300)]).await;
    let mended = lake.invoice(&draft("2023-02")).await;
    assert_eq!(
        (mended.totals(), &mended.report["customers_left_out"]),
        (vec!["<neg> 2.50".to_owned(), "ok 1.00".to_owned()], &json!(0))
    );
    assert_eq!(mended.report.get("left_out"), None);
    lake.assert_no_stray("after a customer was left out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_no_amount_holds_is_mended_in_the_plan_file_and_the_next_month_bills_by_it() {
    let lake = TestLake::with_plans(&BYTES.replace("0.01", "9999999999999999")).await;
    put_bytes(&lake, "2023-01-05", &[("big", 10_000_000_000_000), ("ok", 3)]).await;
    lake.fill("2023-01").await;
    let made = lake.invoice(&finalize("2023-01")).await;
    assert_eq!((made.status(), made.totals()), ("final", vec!["ok 29999999999999997.00".to_owned()]));
    assert_eq!(made.report["left_out"][0]["customer"], "big");
    lake.set_plans(BYTES);
    // Whoever was billed keeps the price of then.
    assert_eq!(lake.invoice(&draft("2023-02")).await.lines(), ["big adjustment  2023-01  100000000000.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_names_a_hundred_of_those_left_out_and_the_line_three() {
    let lake = TestLake::with_plans(BYTES).await;
    let users: Vec<String> = (0..120).map(|number| format!("user-{number:03}")).collect();
    let rows: Vec<(&str, i64)> = users.iter().map(|user| (user.as_str(), -1)).chain([("ok", 300)]).collect();
    put_bytes(&lake, "2023-01-05", &rows).await;
    let (folder, beside) = (lake.folder().display().to_string(), lake.beside.path());
    let invoice = |more: &[&str]| {
        programs::run("invoice", beside, &[&["--lake", &folder, "--month", "2023-01", "--no-html"], more].concat())
    };
    let report = invoice(&["--output", "json"]).reports().remove(0);
    let left_out = report["left_out"].as_array().unwrap();
    assert_eq!((&report["invoices"], &report["customers_left_out"], left_out.len()), (&json!(1), &json!(120), 100));
    assert_eq!(left_out[99]["customer"], "user-099");
    let text = invoice(&[]).stdout;
    assert!(text.contains("120 customers are left out: `user-000` cannot be billed for 2023-01"), "{text}");
    assert!(text.contains("`user-002`") && text.contains("and 117 more") && !text.contains("`user-003`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_file_that_cannot_be_read_stops_only_the_corrections_of_its_month() {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15)]).await;
    lake.fill("2023-01").await;
    let january = lake.invoice(&finalize("2023-01")).await;
    lake.put_usage("2023-02-09", &[used("a", "2023-01-31", 85), used("a", "2023-02-09", 30)]).await;
    lake.fill("2023-02").await;
    let kept = january.folder.join("_plans.toml");

    // By today's rules a price is no float.
    fs::write(&kept, PLANS.replace("'0.01'", "0.01")).unwrap();
    let made = lake.invoice(&draft("2023-02")).await;
    assert_eq!((made.totals(), &made.report["adjustments"]), (vec!["a 0.30".to_owned()], &json!(0)));
    let not_adjusted = &made.report["months_not_adjusted"];
    assert_eq!((not_adjusted.as_array().unwrap().len(), &not_adjusted[0]["month"]), (1, &json!("2023-01")));
    assert!(not_adjusted[0]["why"].as_str().unwrap().contains("is a float"), "{not_adjusted}");
    assert!(made.text("_inputs.json").contains("is a float"));

    fs::write(&kept, [0xFF_u8]).unwrap();
    let made = lake.invoice(&Args { no_html: false, ..finalize("2023-02") }).await;
    assert_eq!((made.status(), made.totals()), ("final", vec!["a 0.30".to_owned()]));
    for report in [&made.report, &lake.invoice(&finalize("2023-02")).await.report] {
        let why = report["months_not_adjusted"][0]["why"].as_str().unwrap();
        assert!(why.contains("not UTF-8"), "{why}");
    }
    assert!(made.text("index.html").contains("2023-01 is corrected for nobody"));

    fs::write(&kept, PLANS).unwrap();
    assert_eq!(lake.invoice(&draft("2023-03")).await.lines(), ["a adjustment  2023-01  0.85"]);
    fs::remove_file(&kept).unwrap();
    lake.set_plans(&format!("{PLANS}\n"));
    let error = lake.invoice_fails(&draft("2023-03")).await;
    assert!(error.contains("the plans of the final month 2023-01 are gone"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_no_charge_counts_are_counted_also_for_who_has_an_invoice() {
    let reads = PLANS.replace("model =", "methods = ['GET']\nmodel =");
    let by =
        |user: &str, method: &str, requests| Used { method: method.to_owned(), ..used(user, "2023-01-20", requests) };
    let lake = TestLake::with_plans(&reads).await;
    let of_a = [by("a", "GET", 10), by("a", "POST", 30), by("a", "QUERY", 3), by("a", "get", 1)];
    lake.put_usage("2023-01-20", &[&of_a[..], &[by("b", "POST", 5), by("-", "POST", 7)]].concat()).await;
    for no_html in [true, false] {
        let made = lake.invoice(&Args { no_html, ..draft("2023-01") }).await;
        assert_eq!((made.totals(), &made.report["unpriced_requests"]), (vec!["a 0.10".to_owned()], &json!(39)));
    }
    // Where no charge tells methods apart, rows are grouped by less, and all of them are counted by a charge.
    lake.set_plans(PLANS);
    let made = lake.invoice(&draft("2023-01")).await;
    assert_eq!(
        (made.totals(), &made.report["unpriced_requests"]),
        (vec!["a 0.44".to_owned(), "b 0.05".to_owned()], &json!(0))
    );
    // A flat price is for the days, and no price of what is used on them.
    lake.set_plans(&PLANS.replace("meter = 'billable_requests'\nmodel = 'per_unit'\nunit", "model = 'flat'\nprice"));
    let made = lake.invoice(&draft("2023-01")).await;
    assert_eq!((made.report["invoices"].as_u64(), &made.report["unpriced_requests"]), (Some(3), &json!(49)));
}
