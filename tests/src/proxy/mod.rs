//! A proxy between a job and the services that it calls: it knows each call, and can cut the job off at any of them.

mod call;
mod server;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use tokio::net::TcpListener;
use tokio::sync::SetOnce;
use tokio::task::AbortHandle;

pub use self::call::{Call, Resource, Service};
use self::server::Server;

/// The services behind a proxy, by their URLs.
#[derive(Debug, Clone)]
pub struct Services {
    /// S3 and Glue.
    pub aws: String,
    /// Athena, if it is to be called.
    pub athena: Option<String>,
}

/// Where a job is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// At which of its calls, counted from 1.
    pub at: usize,
    /// When.
    pub moment: Moment,
}

/// On which side of what a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the call reaches the service.
    Before,
    /// After the service has acted, before its answer reaches the job.
    After,
}

/// A proxy on this machine, for one job. It passes calls on as they come and notes them, until it cuts the job off: then
/// neither that call nor any other is answered, however often it is tried.
pub struct Proxy {
    endpoint: String,
    line: Arc<Line>,
    server: AbortHandle,
}

impl Proxy {
    /// Starts one.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start(services: Services, cut: Option<Cut>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a port of its own"));
        let line = Arc::new(Line { cut, calls: Mutex::default(), is_cut: SetOnce::new() });
        let server = Server::new(services, Arc::clone(&line));
        let server = tokio::spawn(server.serve(listener)).abort_handle();
        Self { endpoint, line, server }
    }

    /// The URL of all services.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The calls so far, in the order in which they came; the last is the one that was cut. Looks at an execution of a
    /// query that follow each other are one call, because their number is a matter of time.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.line.calls).clone()
    }

    /// Waits until the job is cut off: what the service does of that call is then done.
    pub async fn cut_off(&self) {
        self.line.is_cut.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What the proxy knows of its job.
struct Line {
    cut: Option<Cut>,
    calls: Mutex<Vec<Call>>,
    /// Set when what the service does of the call that was cut is done.
    is_cut: SetOnce<()>,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    CutBefore,
    CutAfter,
    /// The job is dead.
    Refused,
}

impl Line {
    /// Notes a call; says what is to become of it.
    fn note(&self, call: Call) -> Fate {
        let mut calls = lock(&self.calls);
        let is_over = self.cut.is_some_and(|cut| calls.len() >= cut.at);
        if is_over {
            return Fate::Refused;
        }
        if call.operation == "GetQueryExecution" && calls.last() == Some(&call) {
            return Fate::Answered;
        }
        calls.push(call);
        match self.cut {
            Some(Cut { at, moment: Moment::Before }) if at == calls.len() => Fate::CutBefore,
            Some(Cut { at, moment: Moment::After }) if at == calls.len() => Fate::CutAfter,
            _ => Fate::Answered,
        }
    }

    /// Says that the cut is done; gives the error that ends the connection.
    fn cut_off(&self) -> anyhow::Error {
        self.is_cut.set(()).expect("only one call is cut");
        anyhow!("the job is cut off")
    }

    /// The error that ends the connection of a call that comes later. It waits for the cut to be done: a job that makes
    /// several calls at once would see it coming.
    async fn refusal(&self) -> anyhow::Error {
        self.is_cut.wait().await;
        anyhow!("the job is dead")
    }

    /// Whether the job is dead, so that no answer may reach it.
    fn is_over(&self) -> bool {
        self.cut.is_some_and(|cut| lock(&self.calls).len() >= cut.at)
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "cut {moment} call {}", self.at)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
