//! A tour: a month of synthetic traffic that arrives in a fresh lake, late files and all, while the schedules are played
//! in fast motion up to final invoices; and a check of every step against the truth.

mod check;
mod firehose;
mod lake;
mod tour;

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use chrono::Utc;
use clap::{CommandFactory, Parser};
use meterlake_core::config::{BillingConfig, GatesConfig};
use meterlake_core::period::{Month, Period};
use meterlake_core::run::{CommonArgs, WrongArguments, block_on, exit_code, parse_arguments, start_logging_at};

/// Plays a month of traffic and schedules in fast motion, up to final invoices, and checks the result
#[derive(Parser)]
#[command(name = "demo", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    /// The month; it and the days until its invoices are final must be over
    #[arg(long, default_value = "2023-01")]
    month: Month,
    /// Calls in an hour, on average
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    calls_per_hour: u32,
    /// Another seed gives other traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    // A month has hundreds of hours with malformed lines: the tour sums them up.
    start_logging_at(false, "error");
    exit_code(block_on(run()))
}

async fn run() -> Result<()> {
    let cli: Cli = parse_arguments(Cli::command())?;
    let last = Month::last_complete(Utc::now()).previous();
    if cli.month > last {
        let problem = format!("the month {} and its days of grace are not over yet: take {last} or before", cli.month);
        return Err(anyhow!(WrongArguments(problem)));
    }
    let mut config = cli.common.config()?;
    lake::make_fresh(&config)?;
    // The truth is told by days of UTC, and the schedules are made for the usual days of grace.
    config.billing = BillingConfig { plans: check::plans(&config.lake), ..BillingConfig::default() };
    // One line in a hundred is malformed, on purpose.
    config.gates = GatesConfig { malformed_percent: "2".to_owned(), ..GatesConfig::default() };
    let lake = meterlake_embedded::connect(config).await?;
    tour::run(&lake, tour::Traffic { month: cli.month, calls_per_hour: cli.calls_per_hour, seed: cli.seed }).await
}
