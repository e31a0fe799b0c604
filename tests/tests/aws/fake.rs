//! A service that answers as a test wants it to, for what an emulator does not do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use meterlake_tests::ministack;

/// What a client asked for.
pub(crate) struct Request {
    /// Method and target, such as `GET /bucket/key?x-id=GetObject`.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header, by its name in small letters; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// An answer: status, headers as lines, and body.
pub(crate) type Answer = (u16, String, String);

/// An answer without headers of its own.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    (status, String::new(), body.to_owned())
}

/// An error as S3 sends it.
pub(crate) fn error(status: u16, code: &str) -> Answer {
    answer(status, &format!("<Error><Code>{code}</Code><Message>Words of {code}.</Message></Error>"))
}

/// A service on this machine.
pub(crate) struct Fake {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Starts one that answers so; the number of the request counts from 1.
    pub(crate) fn start(mut answers: impl FnMut(usize, &Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let number = {
                    let mut lines = lines.lock().unwrap();
                    lines.push(request.line.clone());
                    lines.len()
                };
                let (status, headers, body) = answers(number, &request);
                let length = match headers.contains("Content-Length") {
                    true => String::new(),
                    false => format!("Content-Length: {}\r\n", body.len()),
                };
                let answer = format!("HTTP/1.1 {status} .\r\nConnection: close\r\n{length}{headers}\r\n{body}");
                // The client may have gone.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { endpoint, asked }
    }

    /// Settings of clients that call it. They try again as ours do, but at once.
    pub(crate) fn sdk_config(&self) -> SdkConfig {
        let retry = RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(1));
        ministack::sdk_config_for(&self.endpoint).into_builder().retry_config(retry).build()
    }

    /// Method and target of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Reads a request to its end; `None` if the client closed the connection.
fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let line = next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = Vec::new();
    while let Some(header) = next().filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':')?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let request = Request { line, headers };
    if request.header("expect") == "100-continue" {
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    std::io::copy(&mut lines.take(length), &mut std::io::sink()).ok()?;
    Some(request)
}
