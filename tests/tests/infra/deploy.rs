//! From a user's sign-up to that user's invoice, with the stack as it is deployed.

use chrono::{DateTime, Utc};
use meterlake_tests::programs::{Ran, program};
use serde_json::{Value, json};

use crate::access_log::record;
use crate::deployed::Deployed;

const EMAIL: &str = "somebody@example.com";
const PASSWORD: &str = "A-password-of-22-chars";
const CALLS: usize = 5;
/// When the stack was made, and when the invoices of its first month are drafted.
const MADE: &str = "2023-01-10T14:20:00Z";
const FIRST: &str = "2023-02-01T12:30:00Z";
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

    // What the rule passes on when the stack was made, in the middle of a month. The lake begins with that hour.
    let made = json!({"version": "0", "source": "aws.cloudformation", "time": MADE,
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
    log(&stack, &user);

    // From here on only the schedules do something. Nobody merges an hour by hand, no first night and no first month fails.
    let early = stack.scheduled("merge", "2023-01-10T14:10:00Z").unwrap();
    assert_eq!(early, json!([]), "the hour before the lake began");
    let merged = stack.scheduled("merge", "2023-01-10T15:10:00Z").unwrap();
    assert_eq!((&merged[0]["rows"], &merged[0]["status"]), (&json!(2 * CALLS), &json!("published")), "{merged}");
    stack.scheduled("repair", "2023-01-11T00:40:00Z").unwrap();
    let night = stack.scheduled("merge", "2023-01-11T01:10:00Z").unwrap();
    assert_eq!((night.as_array().unwrap().len(), all(&night, "status", "empty")), (10, true), "{night}");
    let usage = stack.scheduled("aggregate", "2023-01-11T01:30:00Z").unwrap();
    assert_eq!((&usage[0]["requests"], &usage[0]["unattributed"]), (&json!(2 * CALLS), &json!(CALLS)), "{usage}");

    // Three weeks in which nothing ran.
    let refused = stack.scheduled("invoice-draft", FIRST).unwrap_err();
    assert!(refused.contains("there is no plan file at"), "{refused}");
    let (bucket, key) = stack.output("PlansLocation").strip_prefix("s3://").unwrap().split_once('/').unwrap();
    stack.emulator.aws("s3", "put_object", json!({"Bucket": bucket, "Key": key, "Body": PLANS}));
    let draft = stack.scheduled("invoice-draft", FIRST).unwrap();
    assert_eq!((&draft[0]["status"], &draft[0]["invoices"]), (&json!("draft"), &json!(1)), "{draft}");
    let waiting = stack.scheduled("invoice-final", "2023-02-03T02:00:00Z").unwrap();
    assert_eq!(waiting[0]["status"], "waiting", "{waiting}");
    let caught_up = stack.scheduled("merge-late", "2023-02-04T00:25:00Z").unwrap();
    assert!(all(&caught_up, "status", "empty"), "{caught_up}");
    stack.scheduled("merge", "2023-02-04T01:10:00Z").unwrap();
    stack.scheduled("aggregate", "2023-02-04T01:30:00Z").unwrap();
    let last = stack.scheduled("invoice-final", "2023-02-04T02:00:00Z").unwrap();
    assert_eq!(last[0]["status"], "final", "{last}");
    let again = stack.scheduled("invoice-final", "2023-02-05T02:00:00Z").unwrap();
    assert_eq!(again[0]["status"], "already final", "{again}");

    let folder = last[0]["output"].as_str().unwrap().strip_prefix(&format!("s3://{bucket}/")).unwrap();
    let invoices = stack.read(&format!("{folder}/invoices.csv"));
    let mut invoices = csv::Reader::from_reader(invoices.as_bytes());
    let headings = invoices.headers().unwrap().clone();
    let invoices: Vec<_> = invoices.records().map(Result::unwrap).collect();
    let cell = |heading: &str| &invoices[0][headings.iter().position(|found| found == heading).unwrap()];
    assert_eq!((invoices.len(), cell("customer_id"), cell("total")), (1, user.as_str(), "1.25"));

    stack.scheduled("vacuum", "2023-02-05T05:40:00Z").unwrap();
    stack.scheduled("repair-full", "2023-02-05T06:20:00Z").unwrap();
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

/// Puts records of the calls that were made into the stream, as the gateway would, and what Firehose delivers into the hour in
/// which the stack was made: no job works on an hour that is not over.
fn log(stack: &Deployed, user: &str) {
    let records: Vec<Value> = (0..2 * CALLS)
        .map(|call| {
            let (user, status) = if call < CALLS { (user, "200") } else { ("-", "401") };
            let record = record(&|name| match name {
                "requestId" | "extendedRequestId" => format!("{name}-{call}"),
                "identity.sourceIp" => "203.0.113.9".to_owned(),
                "authorizer.claims.sub" => user.to_owned(),
                "requestTimeEpoch" => MADE.parse::<DateTime<Utc>>().unwrap().timestamp_millis().to_string(),
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
    for key in keys {
        let (folder, name) = key.rsplit_once('/').unwrap();
        let format = "json-data/year=%Y/month=%m/day=%d/hour=%H:%M";
        chrono::NaiveDateTime::parse_from_str(&format!("{folder}:00"), format).expect("an hour's folder");
        stack.move_object(&key, &format!("json-data/year=2023/month=01/day=10/hour=14/{name}"));
    }
}
