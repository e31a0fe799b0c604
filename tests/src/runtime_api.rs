//! Lambda's Runtime API, as far as a function uses it: it asks for the next event, and posts a response or an error.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::programs::{Ran, program};

/// How long a function may take to answer, beyond the time that it is given.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job that runs as a Lambda.
pub struct Function {
    child: Child,
    events: Sender<(Value, Duration)>,
    answers: Receiver<(bool, Value)>,
}

impl Function {
    /// Starts a job with these variables in its environment.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(job: &str, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (events, due) = channel();
        let (answer, answers) = channel();
        thread::spawn(move || serve(&listener, &due, &answer));
        let mut command: Command = program(job, folder);
        command.env("AWS_LAMBDA_RUNTIME_API", address).envs(variables.iter().copied());
        for (name, value) in [("NAME", job), ("VERSION", "1"), ("MEMORY_SIZE", "512")] {
            command.env(format!("AWS_LAMBDA_FUNCTION_{name}"), value);
        }
        command.env("AWS_LAMBDA_LOG_GROUP_NAME", "log").env("AWS_LAMBDA_LOG_STREAM_NAME", "log");
        Self { child: command.spawn().expect("a job that starts"), events, answers }
    }

    /// Invokes it, with a time limit; gives its response, or its error.
    ///
    /// # Errors
    /// The function's own, as Lambda gets it.
    pub fn invoke(&self, event: Value, limit: Duration) -> Result<Value, Value> {
        self.events.send((event, limit)).expect("a server that runs");
        let (is_response, content) = self.answers.recv_timeout(limit + PATIENCE).expect("an answer");
        if is_response { Ok(content) } else { Err(content) }
    }

    /// Ends it, and gives what it printed.
    #[must_use]
    pub fn stop(mut self) -> Ran {
        self.child.kill().expect("a job that runs");
        Ran::of(self.child.wait_with_output().expect("what it printed"))
    }
}

fn serve(listener: &TcpListener, due: &Receiver<(Value, Duration)>, answer: &Sender<(bool, Value)>) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        // One call after the other on a connection; the function opens another when this one ends.
        while let Some((path, body)) = request(&mut stream) {
            let written = if path.ends_with("/invocation/next") {
                let Ok((event, limit)) = due.recv() else { return };
                let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
                let deadline = (since_1970 + limit).as_millis();
                let headers =
                    format!("Lambda-Runtime-Aws-Request-Id: id\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n");
                respond(&mut stream, "200 OK", &headers, &event.to_string())
            } else {
                let content = serde_json::from_slice(&body).expect("JSON");
                let _ = answer.send((path.ends_with("/response"), content));
                respond(&mut stream, "202 Accepted", "", "{}")
            };
            if written.is_err() {
                break;
            }
        }
    }
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let kind = "Content-Type: application/json";
    write!(stream, "HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

/// The path and the body of the next request; `None` if there is none.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}
