//! Lambda's Runtime API, as far as a function uses it: it asks for the next event, and posts a response or an error.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::programs::{Ran, program};

/// How long a function may take to answer, beyond the time that it is given.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job that runs as a Lambda.
pub struct Function {
    child: Child,
    events: UnboundedSender<(Value, Duration)>,
    answers: Receiver<(bool, Value)>,
}

impl Function {
    /// Starts a job with these variables in its environment.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(job: &str, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (events, due) = unbounded_channel();
        let (answer, answers) = channel();
        thread::spawn(move || serve(listener, due, answer));
        let mut command: Command = program(job, folder);
        command.env("AWS_LAMBDA_RUNTIME_API", address).envs(variables.iter().copied());
        for (name, value) in [("NAME", job), ("VERSION", "1"), ("MEMORY_SIZE", "512")] {
            command.env(format!("AWS_LAMBDA_FUNCTION_{name}"), value);
        }
        command.env("AWS_LAMBDA_LOG_GROUP_NAME", "log").env("AWS_LAMBDA_LOG_STREAM_NAME", "log");
        Self { child: command.spawn().expect("a job that starts"), events, answers }
    }

    /// Invokes it, with a time limit; gives its response, or its error.
    ///
    /// # Errors
    /// The function's own, as Lambda gets it.
    pub fn invoke(&self, event: Value, limit: Duration) -> Result<Value, Value> {
        self.events.send((event, limit)).expect("a server that runs");
        let (is_response, content) = self.answers.recv_timeout(limit + PATIENCE).expect("an answer");
        if is_response { Ok(content) } else { Err(content) }
    }

    /// Ends it, and gives what it printed.
    #[must_use]
    pub fn stop(mut self) -> Ran {
        self.child.kill().expect("a job that runs");
        Ran::of(self.child.wait_with_output().expect("what it printed"))
    }
}

/// What the handlers of the Runtime API share.
struct Api {
    due: AsyncMutex<UnboundedReceiver<(Value, Duration)>>,
    answer: Mutex<Sender<(bool, Value)>>,
}

impl Api {
    fn answer(&self, is_response: bool, content: Value) -> (StatusCode, &'static str) {
        // No receiver: the test has ended.
        let _ = self.answer.lock().expect("no test that failed").send((is_response, content));
        (StatusCode::ACCEPTED, "{}")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(listener: TcpListener, due: UnboundedReceiver<(Value, Duration)>, answer: Sender<(bool, Value)>) {
    let api = Arc::new(Api { due: AsyncMutex::new(due), answer: Mutex::new(answer) });
    let response = |State(api): State<Arc<Api>>, body: String| async move { api.answer(true, json(&body)) };
    let error = |State(api): State<Arc<Api>>, body: String| async move { api.answer(false, json(&body)) };
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(error))
        .with_state(api);
    listener.set_nonblocking(true).expect("a socket of this machine");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
    axum::serve(listener, routes).await.expect("a socket that listens");
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let Some((event, limit)) = api.due.lock().await.recv().await else {
        // The test has ended, and its function is about to be killed.
        return std::future::pending().await;
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let deadline = (since_1970 + limit).as_millis().to_string();
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Lambda-Runtime-Aws-Request-Id", "id".to_owned()),
        ("Lambda-Runtime-Deadline-Ms", deadline),
    ];
    (headers, event.to_string())
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).expect("JSON")
}
