//! `loadgen`: traffic, through a gateway or straight into a lake, and what the right totals are.

mod args;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{CommandFactory, Parser, Subcommand};
use meterlake_aws::{S3Store, sdk_config};
use meterlake_core::run::{WrongArguments, block_on, exit_code, parse_arguments, standard_output, start_logging};
use meterlake_core::store::{LocalStore, Store};
use meterlake_loadgen::login::{Code, Cognito, log_in};
use meterlake_loadgen::{gateway, write_files};

use crate::args::{FilesArgs, GatewayArgs, LoginArgs, ask_code};

#[derive(Parser)]
#[command(name = "loadgen", version, about = "Traffic, through a gateway or straight into a lake")]
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
    /// Call the sample API with parameters left to chance: a line for each call, then a summary
    ///
    /// The exit code is 1 if a call got no answer, or one that is no success (not 2xx). Ctrl-C ends it early, with the
    /// summary of the calls that were made.
    Gateway(GatewayArgs),
    /// Print an ID token of Cognito on standard output; a new user is signed up and confirmed
    ///
    /// What has to be asked for is asked on standard error, so that TOKEN=$(loadgen login …) works.
    Login(LoginArgs),
}

fn main() -> ExitCode {
    start_logging(false);
    exit_code(block_on(async {
        match parse_arguments::<Cli>(Cli::command())?.command {
            Command::Files(args) => files(&args).await,
            Command::Gateway(args) => call_gateway(args).await,
            Command::Login(args) => login(&args).await,
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
    writeln!(standard_output(), "{}", serde_json::to_string_pretty(&truth)?)?;
    Ok(())
}

async fn call_gateway(args: GatewayArgs) -> Result<()> {
    let (dry_run, mut out) = (args.dry_run, standard_output());
    let options = args.options();
    if dry_run {
        return gateway::print_curl(&options, &mut out);
    }
    let interrupted = async {
        // Where Ctrl-C cannot be listened for, it ends the process as it always does.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let summary = gateway::call_gateway(&options, interrupted, &mut out).await?;
    writeln!(out, "{summary}")?;
    match summary.problem() {
        Some(problem) => bail!(problem),
        None => Ok(()),
    }
}

async fn login(args: &LoginArgs) -> Result<()> {
    let user = args.user()?;
    let cognito = Cognito::connect(args.user_pool_client.clone(), args.region.clone()).await?;
    let code = match &args.code {
        Some(code) => Code::Known(code.clone()),
        None => Code::Ask { resend: args.resend_code, ask: &mut ask_code },
    };
    let token = log_in(&cognito, &user, code).await?;
    writeln!(standard_output(), "{}", token.reveal())?;
    Ok(())
}
