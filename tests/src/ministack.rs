//! AWS on this machine: `ministack` from PyPI, an emulator of S3, Glue and more, started once per test process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use meterlake_core::location::Location;

use crate::python::python_with;
use crate::supervisor;

/// How long the emulator may take to start. It takes half a second where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulator. It ends with this process.
pub struct Server {
    /// The URL of all services.
    pub endpoint: String,
    _server: supervisor::Server,
}

/// The URL of all services.
#[must_use]
pub fn endpoint() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(|| start(&[])).endpoint
}

/// Settings of AWS clients that call the emulator, whatever the environment says.
#[must_use]
pub fn sdk_config() -> SdkConfig {
    sdk_config_for(endpoint())
}

/// Settings of AWS clients that call an endpoint, whatever the environment says.
#[must_use]
pub fn sdk_config_for(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// A new bucket.
pub async fn bucket() -> Location {
    static BUCKETS: AtomicU32 = AtomicU32::new(0);
    let name = format!("meterlake-test-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
    s3().create_bucket().bucket(&name).send().await.expect("a new bucket");
    format!("s3://{name}").parse().expect("a location")
}

/// A client of the emulator's S3.
#[must_use]
pub fn s3() -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&sdk_config()).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Starts an emulator of a test's own, with these variables in its environment.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn start(environment: &[(&str, &str)]) -> Server {
    let python = python_with(include_str!("../requirements-aws.txt"));
    let mut server = supervisor::Server::start("ministack", |port| {
        let mut command = Command::new(python);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.args(["-m", "ministack"]).env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
        command.env("LOG_LEVEL", "WARNING").envs(environment.iter().copied());
        command
    });
    server.wait(PATIENCE, is_healthy);
    Server { endpoint: format!("http://127.0.0.1:{}", server.port), _server: server }
}

/// Whether the emulator answers.
fn is_healthy(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ministack/health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1") && answer.contains(" 200"))
}
