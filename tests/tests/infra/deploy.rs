//! From a user's sign-up to that user's invoice, with the stack as it is deployed.

use chrono::{DateTime, Datelike, Months, Utc};
use meterlake_tests::programs::{Ran, program};
use serde_json::{Value, json};

use crate::access_log::record;
use crate::deployed::Deployed;

const EMAIL: &str = "somebody@example.com";
const PASSWORD: &str = "A-password-of-22-chars";
const CALLS: usize = 5;
const PLANS: &str = "
currency = 'USD'
default_plan = 'standard'
[[plans]]
id = 'standard'
effective_from = 2023-01-01
[[plans.charges]]
id = 'calls'
meter = 'billable_requests'
model = 'per_unit'
unit = '0.25'
";

#[tokio::test(flavor = "multi_thread")]
async fn from_sign_up_to_an_invoice() {
    let stack = Deployed::new().await;

    // What the rule passes on when the stack was made.
    let made = json!({"version": "0", "source": "aws.cloudformation", "time": "2023-01-31T07:10:00Z",
        "detail-type": "CloudFormation Stack Status Change", "detail": {"status-details": {"status": "CREATE_COMPLETE"}}});
    let tables = stack.invoke(stack.output("TablesFuncName"), &made).unwrap();
    assert!(all(&tables, "status", "applied"), "{tables}");
    let again = stack.invoke(stack.output("TablesFuncName"), &made).unwrap();
    assert!(all(&again, "status", "unchanged"), "{again}");

    let token = sign_up(&stack);
    let user = subject(&stack);
    assert_eq!(statuses(&stack, Some(&token)), vec![200; CALLS]);
    assert_eq!(statuses(&stack, None), vec![401; CALLS]);

    // The one hop that no emulator has: what the gateway logs of these calls goes into the stream.
    let hour = log(&stack, &user);
    let day = hour.date_naive();
    let next_hour = (hour + chrono::Duration::hours(1)).format("%Y-%m-%dT%H:10:00Z").to_string();
    let tomorrow = day.succ_opt().unwrap();
    let next_month = day.with_day(1).unwrap().checked_add_months(Months::new(1)).unwrap();

    let repaired = stack.scheduled("repair", &next_hour).unwrap();
    assert_eq!(repaired[0]["added"], 1, "{repaired}");
    let merged = stack.scheduled("merge", &next_hour).unwrap();
    assert_eq!((&merged[0]["rows"], &merged[0]["status"]), (&json!(2 * CALLS), &json!("published")), "{merged}");
    let rest = json!({"scheduled_time": format!("{tomorrow}T00:10:00Z"), "from": format!("{day}T00"), "to": format!("{day}T23")});
    let rest = stack.invoke(stack.output("MergeFilesFuncName"), &rest).unwrap();
    assert_eq!(rest.as_array().unwrap().len(), 24, "{rest}");

    let usage = stack.scheduled("aggregate", &format!("{tomorrow}T01:30:00Z")).unwrap();
    assert_eq!((&usage[0]["requests"], &usage[0]["unattributed"]), (&json!(2 * CALLS), &json!(CALLS)), "{usage}");

    let first = format!("{next_month}T12:30:00Z");
    let refused = stack.scheduled("invoice-draft", &first).unwrap_err();
    assert!(refused.contains("there is no plan file at"), "{refused}");
    let (bucket, key) = stack.output("PlansLocation").strip_prefix("s3://").unwrap().split_once('/').unwrap();
    stack.emulator.aws("s3", "put_object", json!({"Bucket": bucket, "Key": key, "Body": PLANS}));
    let draft = stack.scheduled("invoice-draft", &first).unwrap();
    assert_eq!((&draft[0]["status"], &draft[0]["invoices"]), (&json!("draft"), &json!(1)), "{draft}");

    // A month with days that were never aggregated is not made final by itself: it waits, until the 10th of the next one.
    let waits = stack.scheduled("invoice-final", &format!("{}T02:00:00Z", next_month.with_day(3).unwrap())).unwrap();
    assert_eq!(waits[0]["status"], "waiting", "{waits}");
    assert!(waits[0]["waiting_for"].as_str().unwrap().contains("was never aggregated"), "{waits}");
    let event =
        json!({"scheduled_time": first, "month": day.format("%Y-%m").to_string(), "finalize": true, "force": true});
    let last = stack.invoke(stack.output("InvoiceFuncName"), &event).unwrap();
    assert_eq!(last[0]["status"], "final", "{last}");

    let folder = last[0]["output"].as_str().unwrap().strip_prefix(&format!("s3://{bucket}/")).unwrap();
    let invoices = stack.read(&format!("{folder}/invoices.csv"));
    let mut invoices = csv::Reader::from_reader(invoices.as_bytes());
    let headings = invoices.headers().unwrap().clone();
    let invoices: Vec<_> = invoices.records().map(Result::unwrap).collect();
    let cell = |heading: &str| &invoices[0][headings.iter().position(|found| found == heading).unwrap()];
    assert_eq!((invoices.len(), cell("customer_id"), cell("total")), (1, user.as_str(), "1.25"));

    stack.scheduled("vacuum", &next_hour).unwrap();
}

/// Whether all reports say this.
fn all(reports: &Value, key: &str, value: &str) -> bool {
    let reports = reports.as_array().unwrap();
    !reports.is_empty() && reports.iter().all(|report| report[key] == value)
}

/// Runs `loadgen`, which calls the emulator.
fn loadgen(stack: &Deployed, args: &[&str], token: Option<&str>) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("loadgen", folder.path());
    stack.emulator.for_program(&mut command).args(args).env("METERLAKE_PASSWORD", PASSWORD);
    if let Some(token) = token {
        command.env("METERLAKE_TOKEN", token);
    }
    Ran::of(command.output().unwrap())
}

/// Signs a user up, with the code that Cognito mails, and in.
fn sign_up(stack: &Deployed) -> String {
    let log_in = ["login", "--user-pool-client", stack.output("UserPoolClientId"), "--email", EMAIL];
    let asked = loadgen(stack, &log_in, None);
    assert_eq!(asked.code, Some(1), "{}", asked.stderr);
    let logged_in = loadgen(stack, &[&log_in[..], &["--code", &stack.mailed_code()]].concat(), None);
    assert_eq!(logged_in.code, Some(0), "{}", logged_in.stderr);
    logged_in.stdout.trim().to_owned()
}

/// The user's unchangeable id.
fn subject(stack: &Deployed) -> String {
    let user = json!({"UserPoolId": stack.output("UserPoolId"), "Username": EMAIL});
    let user = stack.emulator.aws("cognito-idp", "admin_get_user", user);
    let sub = user["UserAttributes"].as_array().unwrap().iter().find(|attribute| attribute["Name"] == "sub");
    sub.unwrap()["Value"].as_str().unwrap().to_owned()
}

/// Calls the API; gives the status of each call.
fn statuses(stack: &Deployed, token: Option<&str>) -> Vec<u16> {
    let count = CALLS.to_string();
    let ran = loadgen(stack, &["gateway", "--url", &stack.stage(), "--count", &count], token);
    // Each call is a line that starts with its status; a summary follows.
    let calls = ran.stdout.lines().take(CALLS);
    calls.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

/// Puts records of the calls that were made into the stream, as the gateway would; gives the hour that they arrived in.
fn log(stack: &Deployed, user: &str) -> DateTime<Utc> {
    let records: Vec<Value> = (0..2 * CALLS)
        .map(|call| {
            let (user, status) = if call < CALLS { (user, "200") } else { ("-", "401") };
            let record = record(&|name| match name {
                "requestId" | "extendedRequestId" => format!("{name}-{call}"),
                "identity.sourceIp" => "203.0.113.9".to_owned(),
                "authorizer.claims.sub" => user.to_owned(),
                "requestTimeEpoch" => Utc::now().timestamp_millis().to_string(),
                "httpMethod" => "GET".to_owned(),
                "resourcePath" => "/random/strings".to_owned(),
                "status" => status.to_owned(),
                "protocol" => "HTTP/1.1".to_owned(),
                "responseLength" => "27".to_owned(),
                other => panic!("the test does not know what the gateway logs for {other}"),
            });
            json!({"Data": record})
        })
        .collect();
    let stream = stack.output("RestApiAccessLogToFirehoseARN").rsplit('/').next().unwrap();
    let put =
        stack.emulator.aws("firehose", "put_record_batch", json!({"DeliveryStreamName": stream, "Records": records}));
    assert_eq!(put["FailedPutCount"], 0, "{put}");
    let keys = stack.keys("json-data/");
    assert!(!keys.is_empty(), "Firehose wrote nothing");
    let folders: Vec<&str> = keys.iter().filter_map(|key| Some(key.rsplit_once('/')?.0)).collect();
    assert!(folders.iter().all(|folder| *folder == folders[0]), "the hour ended: run the test again: {folders:?}");
    let format = "json-data/year=%Y/month=%m/day=%d/hour=%H:%M";
    chrono::NaiveDateTime::parse_from_str(&format!("{}:00", folders[0]), format).unwrap().and_utc()
}
