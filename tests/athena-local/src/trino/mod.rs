//! A client of Trino's protocol: a statement is posted, and its answer comes in pages, each of which names the next.

mod page;
mod rewrite;
mod values;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::Handle;
use tokio::time::sleep;

pub(crate) use self::rewrite::Rewritten;

use self::page::Page;
use self::values::Printer;

/// The catalog that stands for Glue, under the name that Athena gives it.
pub(crate) const CATALOG: &str = "awsdatacatalog";

/// How long a connection is kept for the next call. Trino closes idle ones itself, after a longer time.
const IDLE: Duration = Duration::from_secs(5);

/// A client of a Trino server.
#[derive(Debug, Clone)]
pub struct Trino {
    url: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// A statement, and the session that it runs in.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The statement, in Trino's own words.
    pub sql: &'a str,
    /// The database of names that carry none.
    pub database: &'a str,
    /// A session property of the catalog, and its value.
    pub property: Option<(&'a str, &'a str)>,
}

/// What a statement gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names and types of the result's columns. A timestamp has three digits, which its type does not say.
    pub columns: Vec<(String, String)>,
    /// Values as Athena prints them; NULL is `None`.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows a statement wrote, if it writes rows.
    pub written: Option<u64>,
    /// Bytes read from storage.
    pub scanned_bytes: u64,
}

/// Why Trino did not run a statement to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct QueryFailed {
    /// Trino's name of the error, such as `TABLE_NOT_FOUND`.
    pub name: String,
    /// Whose error it is: `USER_ERROR`, `INTERNAL_ERROR`, `INSUFFICIENT_RESOURCES` or `EXTERNAL`.
    pub kind: String,
    /// What Trino says. It begins with the place in the statement, if there is one.
    pub message: String,
    /// Line and column in the statement, from 1.
    pub place: Option<(usize, usize)>,
}

impl Trino {
    /// A client of the server at a URL, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// It is no `http` URL.
    pub fn new(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/');
        if !url.starts_with("http://") {
            bail!("`{url}` is no URL of a Trino server: write it like http://127.0.0.1:8080");
        }
        let mut builder = Client::builder(TokioExecutor::new());
        let http = builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build_http();
        Ok(Self { url: url.to_owned(), http })
    }

    /// Runs a statement. If the caller stops waiting, Trino stops the statement.
    ///
    /// # Errors
    /// [`QueryFailed`] if Trino ran it and it failed; any other error if Trino cannot be reached.
    pub async fn run(&self, query: &Query<'_>) -> Result<Answer> {
        let mut post = Request::post(format!("{}/v1/statement", self.url));
        for (header, value) in [
            ("X-Trino-User", "athena"),
            ("X-Trino-Source", "athena-local"),
            ("X-Trino-Catalog", CATALOG),
            ("X-Trino-Schema", query.database),
            ("X-Trino-Time-Zone", "UTC"),
            ("X-Trino-Language", "en-US"),
        ] {
            post = post.header(header, value);
        }
        if let Some((property, value)) = query.property {
            post = post.header("X-Trino-Session", format!("{CATALOG}.{property}={value}"));
        }
        let post = post.body(Full::from(query.sql.to_owned()))?;
        let mut running = Running { trino: self, next: None };
        let mut page: Page = self.call(post).await?;
        let mut answer = Answer::default();
        let mut printers = Vec::new();
        loop {
            running.next = page.next_uri.take();
            if let Some(error) = page.error.take() {
                running.next = None;
                return Err(QueryFailed::from(error).into());
            }
            if let Some(columns) = page.columns.take().filter(|_| printers.is_empty()) {
                printers = columns.iter().map(|column| Printer::of(&column.type_signature)).collect::<Result<_>>()?;
                answer.columns = columns.into_iter().map(|column| (column.name, column.type_name)).collect();
            }
            for row in page.data.take().unwrap_or_default() {
                let cells = printers.iter().zip(&row).map(|(printer, value)| printer.text(value));
                answer.rows.push(cells.collect::<Result<_>>().context("Trino gave a value that cannot be read")?);
            }
            let Some(next) = running.next.clone() else {
                answer.written = page.update_count;
                answer.scanned_bytes = page.stats.physical_input_bytes;
                return Ok(answer);
            };
            page = self.call(Request::get(next).body(Full::default())?).await?;
        }
    }

    /// Makes a call until the server has time for it.
    async fn call(&self, request: Request<Full<Bytes>>) -> Result<Page> {
        loop {
            let (status, body) = self.send(request.clone()).await?;
            match status {
                StatusCode::OK => return serde_json::from_slice(&body).context("Trino gave no page of an answer"),
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                    sleep(Duration::from_millis(100)).await;
                }
                _ => bail!("Trino answers {status}: {}", String::from_utf8_lossy(&body)),
            }
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        let unreachable = || format!("no answer from Trino at {}", self.url);
        let response = self.http.request(request).await.with_context(unreachable)?;
        let status = response.status();
        Ok((status, response.into_body().collect().await.with_context(unreachable)?.to_bytes()))
    }
}

/// A statement that runs. Trino is told if nobody waits for it any more.
struct Running<'a> {
    trino: &'a Trino,
    /// The next page, unless the statement is over.
    next: Option<String>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let (Some(next), Ok(runtime)) = (self.next.take(), Handle::try_current()) else { return };
        let Ok(stop) = Request::builder().method(Method::DELETE).uri(next).body(Full::default()) else { return };
        let trino = self.trino.clone();
        runtime.spawn(async move {
            if let Err(error) = trino.send(stop).await {
                tracing::debug!("Trino was not told to stop a statement: {error:#}");
            }
        });
    }
}
