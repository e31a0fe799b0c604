//! The proxy's HTTP: requests and answers pass through it byte by byte.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, server::conn::http1};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::{Call, Fate, Line, Service, Services};

/// For how long a connection to a service is kept for the next call: the emulator closes it after some seconds.
const KEPT_FOR: Duration = Duration::from_secs(1);

type Body = BoxBody<Bytes, hyper::Error>;

pub(super) struct Server {
    services: Services,
    line: Arc<Line>,
    client: Client<HttpConnector, Body>,
}

impl Server {
    pub(super) fn new(services: Services, line: Arc<Line>) -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        let client = client.pool_timer(TokioTimer::new()).pool_idle_timeout(KEPT_FOR).build_http();
        Self { services, line, client }
    }

    pub(super) async fn serve(self, listener: TcpListener) {
        let server = Arc::new(self);
        while let Ok((stream, _)) = listener.accept().await {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let service = service_fn(|request| server.pass(request));
                // What is refused ends its connection, without an answer.
                if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                    tracing::debug!("a connection ended: {error}");
                }
            });
        }
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let (mut parts, body) = request.into_parts();
        let (body, told) = if Call::is_told_by_body(&parts) {
            let told = body.collect().await?.to_bytes();
            (Full::new(told.clone()).map_err(|never| match never {}).boxed(), told)
        } else {
            (body.boxed(), Bytes::new())
        };
        let call = Call::of(&parts, &told).with_context(|| format!("an unknown call: {parts:?}"))?;
        parts.uri = self.uri(call.service, &parts.uri)?;
        // The header Host stays, because S3's signatures cover it.
        let request = Request::from_parts(parts, body);
        match self.line.note(call) {
            Fate::Answered => {
                let answer = self.client.request(request).await?;
                match self.line.is_over() {
                    true => Err(self.line.refusal().await),
                    false => Ok(answer.map(BodyExt::boxed)),
                }
            }
            Fate::CutBefore => Err(self.line.cut_off()),
            Fate::CutAfter => {
                let acted =
                    async { self.client.request(request).await?.into_body().collect().await.context("no answer") };
                let acted = acted.await;
                let cut_off = self.line.cut_off();
                acted.and(Err(cut_off))
            }
            Fate::Refused => Err(self.line.refusal().await),
        }
    }

    /// Where a request to the proxy goes.
    fn uri(&self, service: Service, asked: &Uri) -> Result<Uri> {
        let url = match service {
            Service::S3 | Service::Glue => &self.services.aws,
            Service::Athena => self.services.athena.as_ref().context("there is no Athena here")?,
        };
        let path = asked.path_and_query().context("a request without a path")?;
        Ok(format!("{url}{path}").parse()?)
    }
}
