//! Amazon Athena on this machine.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use athena_local::{AthenaLocal, Trino, WorkGroup, serve};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use clap::{CommandFactory, Parser};
use meterlake_core::location::Location;
use meterlake_core::run::{block_on, exit_code, parse_arguments, start_logging};
use tokio::net::TcpListener;

/// A stand-in for Amazon Athena: its JSON protocol, over an S3 and a Glue on this machine
#[derive(Debug, Parser)]
#[command(name = "athena-local", version)]
struct Args {
    /// The port to listen on, at 127.0.0.1; 0: a free one, which is printed
    #[arg(long)]
    port: u16,
    /// The URL of S3
    #[arg(long, value_name = "URL")]
    s3_endpoint: String,
    /// The URL of Glue
    #[arg(long, value_name = "URL")]
    glue_endpoint: String,
    /// Let this Trino run queries, CTAS, INSERT and UNLOAD: its catalog `awsdatacatalog` is the same Glue
    #[arg(long, value_name = "URL")]
    trino: Option<String>,
    /// Where results go, unless a query says: s3://bucket/results
    #[arg(long, value_name = "LOCATION")]
    output: Option<Location>,
    /// Let results go there whatever a query says, and refuse a CTAS that says where its table lies
    #[arg(long, requires = "output")]
    enforce_output: bool,
    /// The name of the workgroup
    #[arg(long, value_name = "NAME", default_value = "primary")]
    workgroup: String,
    /// The region that the clients of S3 and Glue name
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// The access key for S3 and Glue
    #[arg(long, value_name = "KEY", env = "AWS_ACCESS_KEY_ID", default_value = "test", hide_env_values = true)]
    access_key: String,
    /// The secret of the access key
    #[arg(long, value_name = "SECRET", env = "AWS_SECRET_ACCESS_KEY", default_value = "test", hide_env_values = true)]
    secret_key: String,
}

impl Args {
    /// Settings of clients that call an endpoint, whatever else the environment says.
    fn sdk(&self, endpoint: &str) -> SdkConfig {
        let credentials = Credentials::new(&self.access_key, &self.secret_key, None, None, "arguments");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    fn workgroup(&self) -> WorkGroup {
        WorkGroup {
            name: self.workgroup.clone(),
            output: self.output.clone(),
            is_enforced: self.enforce_output,
            ..WorkGroup::default()
        }
    }
}

fn main() -> ExitCode {
    start_logging(false);
    exit_code(block_on(async { run(&parse_arguments::<Args>(Args::command())?).await }))
}

async fn run(args: &Args) -> Result<()> {
    let mut athena = AthenaLocal::new(&args.sdk(&args.s3_endpoint), &args.sdk(&args.glue_endpoint), args.workgroup())?;
    if let Some(url) = &args.trino {
        athena = athena.with_trino(Trino::new(url)?);
    }
    let listener = TcpListener::bind(("127.0.0.1", args.port));
    let listener = listener.await.with_context(|| format!("cannot listen on port {}", args.port))?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    serve(listener, Arc::new(athena)).await
}
