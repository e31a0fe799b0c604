//! AWS on this machine: `ministack` from PyPI, an emulator of S3, Glue and more, started once per test process.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use meterlake_core::location::Location;

use crate::python::{python_with, target};

/// Starts the emulator and ends it, and what it started, when this process is gone: then the standard input ends.
const SUPERVISOR: &str = "
import os, select, signal, subprocess, sys
server = subprocess.Popen([sys.executable, '-m', 'ministack'], stdin=subprocess.DEVNULL, start_new_session=True)
try:
    while server.poll() is None and not select.select([sys.stdin], [], [], 0.5)[0]:
        pass
finally:
    for end in signal.SIGTERM, signal.SIGKILL:
        try:
            os.killpg(server.pid, end)
            server.wait(2)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
";

/// How long the emulator may take to start. It takes half a second where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulator. It ends with this process.
pub struct Server {
    /// The URL of all services.
    pub endpoint: String,
    /// Kept for its standard input.
    _supervisor: Child,
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
    // Free now. That another process takes it before the emulator does is unlikely enough.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let log = target().join(format!("tmp/ministack-{}.log", STARTED.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(target().join("tmp")).expect("a folder that can be made");
    let output = File::create(&log).expect("a log that can be written");
    let errors = output.try_clone().expect("a log that can be written");

    let mut supervisor = Command::new(python);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            supervisor.env_remove(name);
        }
    }
    supervisor.args(["-c", SUPERVISOR]).env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
    supervisor.env("LOG_LEVEL", "WARNING").envs(environment.iter().copied());
    supervisor.stdin(Stdio::piped()).stdout(output).stderr(errors);
    let mut supervisor = supervisor.spawn().expect("Python starts");

    let begun = Instant::now();
    while !is_healthy(port) {
        let ended = supervisor.try_wait().expect("a child process");
        if ended.is_some() || begun.elapsed() > PATIENCE {
            let _ = supervisor.kill();
            panic!("ministack did not start: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Server { endpoint: format!("http://127.0.0.1:{port}"), _supervisor: supervisor }
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
