//! A tour: a fresh lake of synthetic traffic, every job over it, and a check of the result against the truth.

mod lake;
mod tour;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use meterlake_core::run::{CommonArgs, block_on, exit_code, parse_arguments, start_logging};

/// Makes a lake of synthetic traffic, runs every job over it, and checks the result
#[derive(Parser)]
#[command(name = "demo", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    /// How many hours of traffic
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=744))]
    hours: u32,
    /// Calls in an hour, on average
    #[arg(long, default_value_t = 1000)]
    calls_per_hour: u32,
    /// Another seed gives other traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    start_logging(false);
    exit_code(block_on(run()))
}

async fn run() -> Result<()> {
    let cli: Cli = parse_arguments(Cli::command())?;
    let config = cli.common.config()?;
    lake::make_fresh(&config)?;
    let lake = meterlake_embedded::connect(config).await?;
    tour::run(&lake, cli.hours, cli.calls_per_hour, cli.seed).await
}
