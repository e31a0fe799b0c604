//! Calls to a small server of the test's own.

use std::collections::HashMap;
use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use meterlake_core::run::WrongArguments;
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::time::sleep;

use super::*;

/// A server that answers all calls to the sample API in the same way.
struct Server {
    endpoint: Url,
    seen: Arc<Seen>,
}

/// What the server was asked, and how it answers.
struct Seen {
    /// The value of `Authorization` of each call.
    tokens: Mutex<Vec<Option<String>>>,
    calls: AtomicUsize,
    answer: Box<dyn Fn(usize) -> (u16, String) + Send + Sync>,
    /// Each answer waits until so many calls wait.
    together: Barrier,
    pause: Duration,
}

impl Server {
    async fn start(
        together: usize,
        pause: Duration,
        answer: impl Fn(usize) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Seen {
            tokens: Mutex::default(),
            calls: AtomicUsize::new(0),
            answer: Box::new(answer),
            together: Barrier::new(together),
            pause,
        });
        let router = Router::new().route("/prod/random/strings", get(strings)).with_state(Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = endpoint(&format!("http://{}/prod", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, seen }
    }

    /// One that always answers with an empty list.
    async fn plain() -> Self {
        Self::start(1, Duration::ZERO, |_| (200, "[]".to_owned())).await
    }

    fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }
}

async fn strings(State(seen): State<Arc<Seen>>, headers: HeaderMap, query: Query<HashMap<String, String>>) -> Response {
    assert_eq!(query.len(), 3);
    let token = headers.get(header::AUTHORIZATION).map(|token| token.to_str().unwrap().to_owned());
    seen.tokens.lock().unwrap().push(token);
    let number = seen.calls.fetch_add(1, Ordering::SeqCst);
    seen.together.wait().await;
    sleep(seen.pause).await;
    let (status, body) = (seen.answer)(number);
    (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, "/elsewhere")], body).into_response()
}

fn options(endpoint: &Url, count: u64) -> Options {
    Options {
        endpoint: endpoint.clone(),
        token: None,
        count,
        concurrency: 1,
        per_second: None,
        timeout: Duration::from_secs(30),
        seed: 1,
        quiet: false,
    }
}

/// The lines that were printed, and the summary.
async fn run(options: &Options) -> (Vec<String>, Summary) {
    let mut out = Vec::new();
    let summary = call_gateway(options, pending(), &mut out).await.unwrap();
    (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), summary)
}

#[tokio::test]
async fn each_call_carries_the_token_and_is_a_line_of_status_body_and_url() {
    let server = Server::start(1, Duration::ZERO, |number| (200, format!("[\"{number}\"]\n"))).await;
    let token = Some(Secret::from("header.payload.signature".to_owned()));
    let options = Options { token, ..options(&server.endpoint, 3) };
    let (lines, summary) = run(&options).await;
    let wanted = (0..3).map(|number| format!("200 [\"{number}\"] {}", call_url(&server.endpoint, 1, number)));
    assert_eq!(lines, wanted.collect::<Vec<_>>());
    assert_eq!(*server.seen.tokens.lock().unwrap(), vec![Some("header.payload.signature".to_owned()); 3]);
    assert_eq!((summary.statuses.clone(), summary.unanswered, summary.problem()), ([(200, 3)].into(), 0, None));
    assert!(!format!("{options:?}").contains("payload"));
}

#[tokio::test]
async fn without_a_token_none_is_sent() {
    let server = Server::plain().await;
    run(&options(&server.endpoint, 1)).await;
    assert_eq!(*server.seen.tokens.lock().unwrap(), [None]);
}

#[tokio::test]
async fn as_many_calls_as_asked_for_are_made_at_once() {
    // No call is answered before eight are there.
    let server = Server::start(8, Duration::ZERO, |_| (200, "[]".to_owned())).await;
    let (lines, summary) = run(&Options { concurrency: 8, ..options(&server.endpoint, 64) }).await;
    assert_eq!((lines.len(), summary.calls(), server.calls()), (64, 64, 64));
}

#[tokio::test]
async fn no_more_calls_than_asked_for_are_made_at_once() {
    let server = Server::start(3, Duration::ZERO, |_| (200, "[]".to_owned())).await;
    let options = Options { concurrency: 2, timeout: Duration::from_millis(200), ..options(&server.endpoint, 2) };
    // Two never become three: both wait in vain.
    let (lines, summary) = run(&options).await;
    assert_eq!((summary.unanswered, summary.calls()), (2, 2));
    assert!(lines.iter().all(|line| line.starts_with("--- no answer in time")), "{lines:?}");
}

#[tokio::test]
async fn what_is_no_success_is_counted_by_its_status_and_fails_the_run() {
    let statuses = [200, 204, 302, 401, 429, 500];
    let server = Server::start(1, Duration::ZERO, move |number| (statuses[number % 6], String::new())).await;
    let (_, summary) = run(&options(&server.endpoint, 12)).await;
    assert_eq!(summary.statuses, statuses.map(|status| (status, 2)).into());
    assert_eq!(server.calls(), 12, "a redirect was followed");
    let problem = summary.problem().unwrap();
    assert_eq!(problem, "8 of 12 calls failed: get a new token with `loadgen login`, and check --url");
}

#[tokio::test]
async fn a_server_that_is_not_there_fails_each_call_with_a_reason() {
    // Bound and let go: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = endpoint(&format!("http://127.0.0.1:{port}")).unwrap();
    let (lines, summary) = run(&options(&nobody, 2)).await;
    assert!(
        lines.len() == 2 && lines.iter().all(|line| line.starts_with("--- ") && line.contains("refused")),
        "{lines:?}"
    );
    assert!(lines[0].ends_with(call_url(&nobody, 1, 0).as_str()));
    assert_eq!(summary.problem().unwrap(), "2 of 2 calls failed");
    assert!(!summary.to_string().contains("latency"));
}

#[tokio::test]
async fn a_latency_is_what_the_server_took() {
    let server = Server::start(1, Duration::from_millis(50), |_| (200, "[]".to_owned())).await;
    let (_, summary) = run(&options(&server.endpoint, 4)).await;
    assert_eq!(summary.latencies.len(), 4);
    assert!(summary.latencies.iter().all(|latency| *latency >= Duration::from_millis(50)));
    assert!(summary.latencies.iter().sum::<Duration>() <= summary.elapsed);
}

#[tokio::test]
async fn a_rate_is_kept() {
    let server = Server::plain().await;
    let options = Options { per_second: Some(50.0), concurrency: 10, ..options(&server.endpoint, 11) };
    let (_, summary) = run(&options).await;
    // The eleventh call begins ten fiftieths of a second after the first.
    assert!(summary.elapsed >= Duration::from_millis(200), "{summary}");
}

#[tokio::test]
async fn an_interrupted_run_tells_of_the_calls_that_were_made() {
    let server = Server::plain().await;
    let mut out = Vec::new();
    let options = Options { per_second: Some(20.0), ..options(&server.endpoint, 1_000_000) };
    let summary = call_gateway(&options, sleep(Duration::from_millis(500)), &mut out).await.unwrap();
    assert!((1..=11).contains(&summary.calls()), "{summary}");
    assert_eq!(String::from_utf8(out).unwrap().lines().count() as u64, summary.calls());
    assert!(summary.to_string().starts_with("interrupted after "));
    assert_eq!(summary.problem(), None);
    let at_once = call_gateway(&options, ready(()), &mut Vec::new()).await.unwrap();
    assert_eq!(at_once.calls(), 0);
}

#[tokio::test]
async fn a_page_in_place_of_json_stays_one_line_of_bounded_length() {
    let page = format!("<html>\r\n\u{1b}[2J{}", "x".repeat(100_000));
    let server = Server::start(1, Duration::ZERO, move |_| (502, page.clone())).await;
    let (lines, _) = run(&options(&server.endpoint, 1)).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("502 <html>   [2Jxxx") && lines[0].len() < 4300, "{}", lines[0].len());
}

#[tokio::test]
async fn a_quiet_run_prints_no_calls() {
    let server = Server::plain().await;
    let (lines, summary) = run(&Options { quiet: true, ..options(&server.endpoint, 3) }).await;
    assert_eq!((lines.len(), summary.calls()), (0, 3));
}

#[tokio::test]
async fn a_dry_run_prints_the_same_calls_and_makes_none() {
    let server = Server::plain().await;
    let options = options(&server.endpoint, 3);
    let mut out = Vec::new();
    print_curl(&options, &mut out).unwrap();
    assert_eq!(server.calls(), 0);
    let (lines, _) = run(&options).await;
    let printed = String::from_utf8(out).unwrap();
    assert_eq!(printed.lines().count(), 3);
    for (line, made) in printed.lines().zip(lines) {
        let url = made.rsplit(' ').next().unwrap();
        assert_eq!(line, format!(r#"curl -sS -H "Authorization: $TOKEN" '{url}'"#));
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_a_wrong_argument_and_is_not_repeated() {
    let server = Server::plain().await;
    let token = Some(Secret::from("secret\nline".to_owned()));
    let error = call_gateway(&Options { token, ..options(&server.endpoint, 1) }, pending(), &mut Vec::new()).await;
    let error = error.unwrap_err();
    assert!(error.is::<WrongArguments>() && !format!("{error:?}").contains("secret"));
}
