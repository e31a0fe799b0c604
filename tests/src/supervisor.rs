//! Servers that end with the test process, however it ends.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::python::target;

/// Starts a server in an empty folder and ends it, and what it started, when the test process is gone: then the standard
/// input ends.
const SUPERVISOR: &str = "
import os, select, signal, subprocess, sys, tempfile
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, cwd=folder)
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

/// A running server. It ends with this value, and at the latest with this process.
pub struct Server {
    /// Its port at 127.0.0.1.
    pub port: u16,
    name: String,
    log: PathBuf,
    /// Kept for its standard input.
    supervisor: Child,
}

impl Server {
    /// Starts a server: `command` with the environment that it is to see, for a port that is free.
    ///
    /// # Panics
    /// Python does not start.
    #[must_use]
    pub fn start(name: &str, command: impl FnOnce(u16) -> Command) -> Self {
        // Free now. That another process takes it before the server does is unlikely enough.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let command = command(port);
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let log = target().join(format!("tmp/{name}-{}.log", STARTED.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(target().join("tmp")).expect("a folder that can be made");
        let output = File::create(&log).expect("a log that can be written");
        let errors = output.try_clone().expect("a log that can be written");

        let mut supervisor = Command::new("python3");
        supervisor.args(["-c", SUPERVISOR]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => supervisor.env(name, value),
                None => supervisor.env_remove(name),
            };
        }
        supervisor.stdin(Stdio::piped()).stdout(output).stderr(errors);
        let supervisor = supervisor.spawn().expect("Python starts");
        Self { port, name: name.to_owned(), log, supervisor }
    }

    /// Waits until the server is ready.
    ///
    /// # Panics
    /// It ended, or took longer than is reasonable.
    pub fn wait(&mut self, patience: Duration, is_ready: impl Fn(u16) -> bool) {
        let begun = Instant::now();
        while !is_ready(self.port) {
            let ended = self.supervisor.try_wait().expect("a child process");
            if ended.is_some() || begun.elapsed() > patience {
                let _ = self.supervisor.kill();
                let log = match fs::read_to_string(&self.log) {
                    Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
                    log => log.expect("a log that can be read"),
                };
                panic!("{} did not start: {log}", self.name);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}
