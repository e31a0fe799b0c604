//! A newcomer's way: `loadgen login` at Cognito, then `loadgen gateway` with the token, as programs.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{
    ExplicitAuthFlowsType, PasswordPolicyType, UserPoolPolicyType, UsernameAttributeType, VerifiedAttributeType,
};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use meterlake_tests::ministack::{endpoint, sdk_config};
use meterlake_tests::programs::{Ran, program};
use tempfile::TempDir;
use tokio::net::TcpListener;

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "correct-Horse-7";

/// A user pool where people sign themselves up by e-mail; the id of its client.
async fn user_pool() -> String {
    let cognito = Client::new(&sdk_config());
    let policy = PasswordPolicyType::builder().minimum_length(12).build();
    let pool = cognito.create_user_pool().pool_name("meterlake");
    let pool =
        pool.username_attributes(UsernameAttributeType::Email).auto_verified_attributes(VerifiedAttributeType::Email);
    let pool = pool.policies(UserPoolPolicyType::builder().password_policy(policy).build()).send().await.unwrap();
    let pool = pool.user_pool().unwrap().id().unwrap().to_owned();
    let client = cognito.create_user_pool_client().user_pool_id(pool).client_name("loadgen");
    let client = client.explicit_auth_flows(ExplicitAuthFlowsType::AllowUserPasswordAuth).send().await.unwrap();
    client.user_pool_client().unwrap().client_id().unwrap().to_owned()
}

/// `loadgen login` at the emulator, with nothing secret on its command line, and with all that it could log.
fn login(client: &str, password: &str, args: &[&str], typed: &str) -> Ran {
    let folder = TempDir::new().unwrap();
    let mut command = program("loadgen", folder.path());
    command.args(["login", "--user-pool-client", client, "--email", EMAIL]).args(args);
    command.env("AWS_ENDPOINT_URL", endpoint()).env("AWS_REGION", "us-east-1").env("METERLAKE_LOG", "trace");
    let mut child = command.env("METERLAKE_PASSWORD", password).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    // Cognito masks the address in its answer, the emulator does not.
    let said = ran.stderr.replace(&format!("destination: Some(\"{EMAIL}\")"), "");
    for secret in [EMAIL, password, ran.stdout.trim()].into_iter().filter(|secret| !secret.is_empty()) {
        assert!(!said.contains(secret), "{secret} was logged: {said}");
    }
    ran
}

/// The token, which is all that standard output has.
fn token(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let token = ran.stdout.strip_suffix('\n').unwrap();
    assert!(token.split('.').count() == 3 && !token.contains(char::is_whitespace), "{token}");
    token
}

#[tokio::test]
async fn a_newcomer_gets_a_token_with_one_command_and_later_without_a_code() {
    let client = user_pool().await;
    token(&login(&client, PASSWORD, &["--code", "123456"], ""));
    token(&login(&client, PASSWORD, &[], ""));

    let wrong = login(&client, "wrong-Horse-7", &[], "");
    assert!(last_line(&wrong, 1).ends_with(
        "Cognito refused to log in: Incorrect username or password (NotAuthorizedException): check --email and the \
         password, and that the client has no secret"
    ));
}

#[tokio::test]
async fn the_code_is_asked_for_on_standard_error() {
    let client = user_pool().await;
    let nobody = login(&client, PASSWORD, &[], "");
    assert!(last_line(&nobody, 1).contains("run this again with --code, or with --resend-code for a new one"));
    // Signed up already. Nothing typed has a new code sent.
    let ran = login(&client, PASSWORD, &["--resend-code"], "\n123456\n");
    assert_eq!(ran.stderr.matches("Code from the e-mail").count(), 2);
    token(&ran);
}

#[tokio::test]
async fn a_password_that_the_pool_does_not_take_or_none_is_said_in_a_line() {
    let client = user_pool().await;
    let weak = login(&client, "short-Horse", &[], "");
    assert!(last_line(&weak, 1).contains("refused to sign up: Password did not conform with policy: "));
    let none = login(&client, "", &[], "");
    assert!(last_line(&none, 2).contains("no password: set METERLAKE_PASSWORD"));
}

/// The last line of standard error, which is the error.
fn last_line(ran: &Ran, code: i32) -> &str {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{}", ran.stderr);
    let line = ran.stderr.lines().last().unwrap();
    assert!(line.contains("ERROR"), "{line}");
    line
}

type Tokens = Arc<Mutex<Vec<String>>>;

/// A gateway that lets pass who has the token `t.o.ken`; its URL, and the tokens that it saw.
async fn gateway() -> (String, Tokens) {
    async fn strings(State(tokens): State<Tokens>, headers: HeaderMap) -> (StatusCode, &'static str) {
        let token = headers.get("authorization").map_or("", |token| token.to_str().unwrap()).to_owned();
        let is_known = token == "t.o.ken";
        tokens.lock().unwrap().push(token);
        if is_known {
            (StatusCode::OK, r#"["a"]"#)
        } else {
            (StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized"}"#)
        }
    }
    let tokens = Tokens::default();
    let router = Router::new().route("/prod/random/strings", get(strings)).with_state(Arc::clone(&tokens));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prod/", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    (url, tokens)
}

fn load(folder: &Path, url: &str, token: &str) -> Command {
    let mut command = program("loadgen", folder);
    command.args(["gateway", "--url", url]).env("METERLAKE_TOKEN", token);
    command
}

async fn run(mut command: Command) -> Ran {
    tokio::task::spawn_blocking(move || Ran::of(command.output().unwrap())).await.unwrap()
}

#[tokio::test]
async fn calls_are_printed_and_summed_up_and_a_refusal_fails_the_run() {
    let folder = TempDir::new().unwrap();
    let (url, tokens) = gateway().await;
    let mut good = load(folder.path(), &url, "t.o.ken");
    good.args(["--count", "20", "--concurrency", "4"]);
    let good = run(good).await;
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    let calls = format!(r#"200 ["a"] {url}random/strings?chars="#);
    assert_eq!(good.stdout.lines().filter(|line| line.starts_with(&calls)).count(), 20, "{}", good.stdout);
    let summary: Vec<&str> = good.stdout.lines().skip(20).collect();
    assert!(summary[0].starts_with("20 calls in ") && summary[1] == "  200: 20", "{summary:?}");
    assert!(summary[2].starts_with("  latency: p50 ") && summary.len() == 3, "{summary:?}");
    assert_eq!(*tokens.lock().unwrap(), vec!["t.o.ken"; 20]);

    let mut bad = load(folder.path(), &url, "se.cr.et");
    bad.args(["--count", "2", "--quiet"]).env("METERLAKE_LOG", "trace");
    let bad = run(bad).await;
    assert!(bad.stdout.contains("\n  401: 2\n") && !bad.stdout.contains("se.cr.et"), "{}", bad.stdout);
    assert!(
        bad.stderr.trim_end().ends_with("2 of 2 calls failed: get a new token with `loadgen login`, and check --url")
    );
    assert!(!bad.stderr.contains("se.cr.et"), "{}", bad.stderr);
}

#[tokio::test]
async fn a_dry_run_names_no_token_and_calls_nobody() {
    let folder = TempDir::new().unwrap();
    let (url, tokens) = gateway().await;
    let mut command = load(folder.path(), &url, "t.o.ken");
    command.args(["--count", "2", "--dry-run"]);
    let ran = run(command).await;
    assert!(
        ran.code == Some(0) && ran.stdout.lines().count() == 2 && !ran.stdout.contains("t.o.ken"),
        "{}",
        ran.stdout
    );
    assert!(tokens.lock().unwrap().is_empty());
    // What a shell makes of the line.
    let mut shell = Command::new("sh");
    let line = ran.stdout.lines().next().unwrap();
    shell.args(["-c", &format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{line}")]).env("TOKEN", "t.o.ken");
    let ran = Ran::of(shell.output().unwrap());
    let words: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(words[..3], ["-sS", "-H", "Authorization: t.o.ken"]);
    assert!(words.len() == 4 && words[3].starts_with(&format!("{url}random/strings?chars=")), "{words:?}");
}

#[tokio::test]
async fn a_wrong_url_is_one_line_and_exit_code_2() {
    let folder = TempDir::new().unwrap();
    for wrong in ["prod", "ftp://a.example/prod", "https://a.example/prod?num=5"] {
        let ran = run(load(folder.path(), wrong, "t.o.ken")).await;
        assert!(ran.error(2).contains("write it like https://"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn ctrl_c_ends_a_run_with_its_summary() {
    let folder = TempDir::new().unwrap();
    let (url, tokens) = gateway().await;
    let mut command = load(folder.path(), &url, "t.o.ken");
    command.args(["--count", "100000", "--qps", "50"]);
    let child = command.spawn().unwrap();
    while tokens.lock().unwrap().len() < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let ran = tokio::task::spawn_blocking(|| Ran::of(child.wait_with_output().unwrap())).await.unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let calls = ran.stdout.lines().filter(|line| line.starts_with("200 ")).count();
    assert!(
        calls >= 4 && ran.stdout.contains(&format!("\ninterrupted after {calls} of 100000 calls in ")),
        "{}",
        ran.stdout
    );
}
