//! Amazon Athena on this machine.

use std::sync::Arc;

use anyhow::{Context, Result};
use athena_local::{AthenaLocal, WorkGroup, serve};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use clap::Parser;
use meterlake_core::location::Location;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// A stand-in for Amazon Athena, over an S3 and a Glue on this machine.
#[derive(Debug, Parser)]
struct Args {
    /// The port to listen on, at 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// The URL of S3.
    #[arg(long)]
    s3_endpoint: String,
    /// The URL of Glue.
    #[arg(long)]
    glue_endpoint: String,
    /// Where results go, unless a query says: s3://bucket/results.
    #[arg(long)]
    output: Option<Location>,
    /// The name of the workgroup.
    #[arg(long, default_value = "primary")]
    workgroup: String,
    /// The region that the clients of S3 and Glue name.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// The access key for S3 and Glue.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "test", hide_env_values = true)]
    access_key: String,
    /// The secret of the access key.
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "test", hide_env_values = true)]
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
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,athena_local=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();
    let workgroup = WorkGroup { name: args.workgroup.clone(), output: args.output.clone(), ..WorkGroup::default() };
    let athena = AthenaLocal::new(&args.sdk(&args.s3_endpoint), &args.sdk(&args.glue_endpoint), workgroup)?;
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await.context("cannot listen on the port")?;
    tracing::info!("listening on {}", listener.local_addr()?);
    serve(listener, Arc::new(athena)).await
}
