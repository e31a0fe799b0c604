//! The arguments of `loadgen gateway`.

use std::time::Duration;

use clap::Args;
use meterlake_loadgen::{Options, Secret, gateway};
use reqwest::Url;

/// A second more than API Gateway itself waits.
const TIMEOUT: Duration = Duration::from_secs(30);

// No `Debug`: an argument may be a secret.
#[derive(Args)]
pub(crate) struct GatewayArgs {
    /// The stage's URL (the stack's output RestApiEndpoint), or that of the sample API below it
    #[arg(long, value_name = "URL", value_parser = gateway::endpoint)]
    url: Url,
    /// The ID token, from `loadgen login` [default: none is sent]; better given in the environment, which others on this
    /// machine cannot see
    #[arg(long, value_name = "TOKEN", env = "METERLAKE_TOKEN", hide_env_values = true, value_parser = clap::value_parser!(Secret))]
    token: Option<Secret>,
    /// How many calls to make
    #[arg(long, value_name = "N", default_value_t = 10)]
    count: u64,
    /// How many calls at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// Begin at most N calls a second
    #[arg(long, value_name = "N", value_parser = per_second)]
    qps: Option<f64>,
    /// Decides what the calls ask for
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    seed: u64,
    /// Print the summary only
    #[arg(long, short)]
    quiet: bool,
    /// Make no call, but print each as a line for a shell, which takes the token from the variable TOKEN
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl GatewayArgs {
    /// Which calls to make.
    pub(crate) fn options(self) -> gateway::Options {
        gateway::Options {
            endpoint: self.url,
            // A variable that is set to nothing, as by a log-in that failed, is no token.
            token: self.token.filter(|token| !token.reveal().is_empty()),
            count: self.count,
            concurrency: self.concurrency.into(),
            per_second: self.qps,
            timeout: TIMEOUT,
            seed: self.seed,
            quiet: self.quiet,
        }
    }
}

/// A rate that a clock can keep.
fn per_second(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.001..=100_000.0).contains(&rate) { Ok(rate) } else { Err("give 0.001 to 100000".to_owned()) }
}
