//! The signals by which a person or a supervisor asks a program to end.

use anyhow::{Context, Result};

/// Waits for Ctrl-C or SIGTERM; gives its name.
///
/// # Errors
/// The operating system does not let signals be waited for.
pub async fn stop_signal() -> Result<&'static str> {
    let interrupt = async { tokio::signal::ctrl_c().await.map(|()| "Ctrl-C") };
    let signal = tokio::select! {
        signal = interrupt => signal,
        signal = terminate() => signal,
    };
    signal.context("cannot wait for signals")
}

#[cfg(unix)]
async fn terminate() -> std::io::Result<&'static str> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?.recv().await;
    Ok("SIGTERM")
}

#[cfg(not(unix))]
async fn terminate() -> std::io::Result<&'static str> {
    std::future::pending().await
}
