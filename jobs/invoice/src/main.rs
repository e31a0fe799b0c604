//! The job `invoice`, from the command line or as a Lambda; and `invoice quote`, which needs no lake.

use std::process::ExitCode;

use anyhow::Result;
use chrono::Utc;
use clap::{CommandFactory, Parser, Subcommand};
#[cfg(not(feature = "embedded"))]
use meterlake_aws::connect;
use meterlake_core::period::{Day, Period};
use meterlake_core::run::{exit_code, parse_arguments, start_logging};
#[cfg(feature = "embedded")]
use meterlake_embedded::connect;
use meterlake_invoice::InvoiceJob;
use meterlake_invoice::plans::PlanErrors;
use meterlake_invoice::quote::{self, QuoteArgs};

/// Turns a month of usage into invoices
#[derive(Parser)]
#[command(name = "invoice", version)]
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
    if std::env::args_os().nth(1).is_none_or(|first| first != "quote") {
        return meterlake_core::run::main::<InvoiceJob>(connect);
    }
    start_logging(false);
    let result = quote();
    match result.as_ref().err().and_then(|error| error.downcast_ref::<PlanErrors>()) {
        Some(errors) => {
            // Each fault of a plan file gets a line of its own.
            errors.lines().for_each(|line| tracing::error!("{line}"));
            ExitCode::FAILURE
        }
        None => exit_code(result),
    }
}

fn quote() -> Result<()> {
    let Command::Quote(args) = parse_arguments::<Cli>(Cli::command())?.command;
    quote::run(&args, Day::containing(Utc::now()))
}
