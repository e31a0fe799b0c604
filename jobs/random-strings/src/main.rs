//! `random-strings`: the sample API, as a Lambda behind API Gateway, or once from the command line.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{CommandFactory, Parser};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use meterlake_core::run::{WrongArguments, block_on, exit_code, parse_arguments, standard_output, start_logging};
use meterlake_random_strings::{Parameters, Request, answer};
use url::form_urlencoded;

#[derive(Parser)]
#[command(name = "random-strings", version, about = "The sample API: a JSON array of random strings")]
struct Cli {
    /// What a client puts after the `?`: any of chars=letters|lowercase|uppercase|digits, num=1..100 and len=1..20
    #[arg(value_name = "QUERY", default_value = "")]
    query: String,
}

fn main() -> ExitCode {
    let is_lambda = std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some();
    start_logging(is_lambda);
    exit_code(block_on(async { if is_lambda { serve().await } else { once() } }))
}

/// Answers requests until Lambda ends the process.
async fn serve() -> Result<()> {
    let handler =
        service_fn(async |event: LambdaEvent<Request>| Ok::<_, Error>(answer(&event.payload, &mut rand::rng())));
    lambda_runtime::run(handler).await.map_err(|error| anyhow!("the Lambda runtime failed: {error}"))
}

/// Prints what the API would answer to one query.
fn once() -> Result<()> {
    let query = parse_arguments::<Cli>(Cli::command())?.query;
    // Of a parameter given twice the last is kept, as by API Gateway.
    let query = form_urlencoded::parse(query.trim_start_matches('?').as_bytes()).into_owned().collect();
    let parameters = Parameters::parse(&query).map_err(|error| anyhow!(WrongArguments(error.to_string())))?;
    let strings = parameters.strings(&mut rand::rng());
    writeln!(standard_output(), "{}", serde_json::to_string(&strings)?)?;
    Ok(())
}
