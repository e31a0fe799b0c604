//! The HTTP client, and what it says when it fails.

use std::time::Duration;

use anyhow::{Context, Error, Result};
use reqwest::{Client, redirect};

/// An HTTP client that gives up on an answer after `timeout`.
///
/// HTTP/1.1 only: as many connections as calls at once, whatever the other side offers. It follows no redirect: what it
/// sends is secret and meant for one server.
///
/// # Errors
/// The certificates of this machine cannot be read.
pub(crate) fn client(timeout: Duration) -> Result<Client> {
    // An error would mean that the process has a provider already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = Client::builder().http1_only().redirect(redirect::Policy::none()).timeout(timeout);
    builder.user_agent(concat!("meterlake-loadgen/", env!("CARGO_PKG_VERSION"))).build().context("cannot use TLS")
}

/// Why there is no answer, without the URL.
pub(crate) fn failure(error: reqwest::Error) -> Error {
    let timed_out = error.is_timeout();
    let error = Error::new(error.without_url());
    if timed_out { error.context("no answer in time") } else { error }
}
