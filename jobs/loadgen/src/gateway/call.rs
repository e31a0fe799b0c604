//! One call and how it went.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use meterlake_core::run::{WrongArguments, one_line};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};

use super::Options;
use super::request::call_url;
use crate::http;

/// How much of a body is kept, in bytes: more than the sample API's longest.
const LONGEST_BODY: usize = 4096;

/// Makes calls.
#[derive(Clone)]
pub(super) struct Caller {
    http: Client,
    endpoint: Url,
    token: Option<HeaderValue>,
    seed: u64,
}

/// A call that was made.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) url: Url,
    /// The answer, or why there is none.
    pub(super) outcome: Result<Answer, String>,
}

/// What the gateway answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// From the start of the call to the last byte of the body.
    pub(super) latency: Duration,
    body: String,
}

impl Caller {
    /// # Errors
    /// [`WrongArguments`]: the token cannot be sent.
    pub(super) fn new(options: &Options) -> Result<Self> {
        let token = options.token.as_ref().map(|token| {
            let mut header = HeaderValue::from_str(token.reveal())
                .map_err(|_| anyhow!(WrongArguments("the token has characters that no token has".to_owned())))?;
            header.set_sensitive(true);
            anyhow::Ok(header)
        });
        let http = http::client(options.timeout)?;
        Ok(Self { http, endpoint: options.endpoint.clone(), token: token.transpose()?, seed: options.seed })
    }

    /// Makes the call of this number.
    pub(super) async fn call(self, number: u64) -> Call {
        let url = call_url(&self.endpoint, self.seed, number);
        let answer = self.ask(url.clone()).await;
        Call { url, outcome: answer.map_err(|error| one_line(&http::failure(error))) }
    }

    async fn ask(self, url: Url) -> reqwest::Result<Answer> {
        let mut request = self.http.get(url);
        // As it is: the authorizer takes the bare token.
        if let Some(token) = self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let begun = Instant::now();
        let mut response = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend(chunk.iter().take(LONGEST_BODY - body.len()));
        }
        let (status, body) = (response.status().as_u16(), String::from_utf8_lossy(&body).into_owned());
        Ok(Answer { status, latency: begun.elapsed(), body })
    }
}

impl Call {
    /// Whether it got what it asked for.
    pub(super) fn is_success(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|answer| (200..300).contains(&answer.status))
    }
}

/// Status, body, URL, in one line.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            // A page of several lines, or one that plays with the terminal.
            Ok(Answer { status, body, .. }) => write!(f, "{status} {} ", body.trim().replace(char::is_control, " "))?,
            Err(error) => write!(f, "--- {error} ")?,
        }
        write!(f, "{}", self.url)
    }
}
