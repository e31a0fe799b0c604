//! A proxy between a job and the services that it calls: it knows each call, and can cut the job off at any of them.

mod call;
mod server;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use tokio::net::TcpListener;
use tokio::sync::SetOnce;
use tokio::task::AbortHandle;

pub use self::call::{Call, Resource, Service};
use self::server::Server;
use crate::cut::{CallName, CallNames, Cut, Moment};

/// The services behind a proxy, by their URLs.
#[derive(Debug, Clone)]
pub struct Services {
    /// S3 and Glue.
    pub aws: String,
    /// Athena, if it is to be called.
    pub athena: Option<String>,
}

/// A proxy on this machine, for one job. It passes calls on as they come and notes them, until it cuts the job off: then
/// neither that call nor any other is answered, however often it is tried.
pub struct Proxy {
    endpoint: String,
    line: Arc<Line>,
    server: AbortHandle,
}

impl Proxy {
    /// Starts one. `names` names the job's calls, for `cut`.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start(services: Services, names: CallNames, cut: Option<Cut>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a port of its own"));
        let line = Arc::new(Line { cut, seen: Mutex::new(Seen::by(names)), is_cut: SetOnce::new() });
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
    /// query, with nothing else done to it between them, are one call, because their number is a matter of time.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.line.seen).calls.iter().map(|(call, _)| call.clone()).collect()
    }

    /// The same, with their names.
    #[must_use]
    pub fn named_calls(&self) -> Vec<(Call, CallName)> {
        lock(&self.line.seen).calls.clone()
    }

    /// Whether the job is cut off, or about to be.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.line.is_over()
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
    seen: Mutex<Seen>,
    /// Set when what the service does of the call that was cut is done.
    is_cut: SetOnce<()>,
}

/// What the job has asked for.
struct Seen {
    calls: Vec<(Call, CallName)>,
    names: CallNames,
    /// The last of the calls is the one at which the job is cut off.
    is_over: bool,
}

impl Seen {
    fn by(names: CallNames) -> Self {
        Self { calls: Vec::new(), names, is_over: false }
    }

    /// Whether a call looks at an execution at which the last call on it looked, too.
    fn is_another_look(&self, call: &Call) -> bool {
        let mut on_it = self.calls.iter().rev().map(|(one, _)| one).filter(|one| one.resources == call.resources);
        call.operation == "GetQueryExecution" && on_it.next() == Some(call)
    }
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
        let mut seen = lock(&self.seen);
        if seen.is_over {
            return Fate::Refused;
        }
        if seen.is_another_look(&call) {
            return Fate::Answered;
        }
        let name = call.name(&mut seen.names);
        let cut = self.cut.as_ref().filter(|cut| cut.call == name);
        seen.calls.push((call, name));
        seen.is_over = cut.is_some();
        match cut.map(|cut| cut.moment) {
            Some(Moment::Before) => Fate::CutBefore,
            Some(Moment::After) => Fate::CutAfter,
            None => Fate::Answered,
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
        lock(&self.seen).is_over
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
