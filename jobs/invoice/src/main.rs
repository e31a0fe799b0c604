//! Turns a month of usage into invoices, and prices a quantity without a lake.

use std::process::ExitCode;

use anyhow::Result;
use chrono::Utc;
use clap::{CommandFactory, Parser, Subcommand};
use meterlake_core::period::{Day, Period};
use meterlake_core::run::{exit_code, parse_arguments, start_logging};
use meterlake_invoice::plans::PlanErrors;
use meterlake_invoice::quote::{self, QuoteArgs};

/// Turns a month of usage into invoices
#[derive(Parser)]
#[command(name = "invoice", version, arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what a quantity would cost in a whole month, without a lake
    #[command(allow_negative_numbers = true)]
    Quote(QuoteArgs),
}

fn main() -> ExitCode {
    start_logging(false);
    let result = run();
    match result.as_ref().err().and_then(|error| error.downcast_ref::<PlanErrors>()) {
        Some(errors) => {
            // Each fault of a plan file gets a line of its own.
            errors.lines().for_each(|line| tracing::error!("{line}"));
            ExitCode::FAILURE
        }
        None => exit_code(result),
    }
}

fn run() -> Result<()> {
    match parse_arguments::<Cli>(Cli::command())?.command {
        Command::Quote(args) => quote::run(&args, Day::containing(Utc::now())),
    }
}
