//! `loadgen`: traffic for a lake, and what the right totals are.

mod args;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{CommandFactory, Parser, Subcommand};
use meterlake_aws::{S3Store, sdk_config};
use meterlake_core::run::{WrongArguments, block_on, exit_code, parse_arguments, start_logging};
use meterlake_core::store::{LocalStore, Store};
use meterlake_loadgen::write_files;

use crate::args::FilesArgs;

#[derive(Parser)]
#[command(name = "loadgen", version, about = "Traffic for a lake, and what the right totals are")]
#[command(arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the raw objects that Firehose would, and print what is true of them as JSON
    #[command(allow_negative_numbers = true)]
    Files(FilesArgs),
}

fn main() -> ExitCode {
    start_logging(false);
    exit_code(block_on(async {
        match parse_arguments::<Cli>(Cli::command())?.command {
            Command::Files(args) => files(&args).await,
        }
    }))
}

async fn files(args: &FilesArgs) -> Result<()> {
    let options = args.options();
    options.check().map_err(|error| anyhow!(WrongArguments(error.to_string())))?;
    let layout = args.layout()?;
    let store: Box<dyn Store> = match layout.root.to_path() {
        Some(_) => Box::new(LocalStore),
        None => Box::new(S3Store::new(&sdk_config().await)),
    };
    let truth = write_files(&*store, &layout, &options).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&truth)?)?;
    Ok(())
}
