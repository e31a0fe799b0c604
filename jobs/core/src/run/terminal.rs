//! Logs and progress bars, both on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::ChronoUtc;

static BARS: OnceLock<MultiProgress> = OnceLock::new();

fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Starts logging to standard error: text for people, JSON for Lambda. `METERLAKE_LOG` sets the level.
pub fn start_logging(is_lambda: bool) {
    start_logging_at(is_lambda, "warn,meterlake=info");
}

/// The same, at another level where `METERLAKE_LOG` sets none.
pub fn start_logging_at(is_lambda: bool, level: &str) {
    let filter = EnvFilter::try_from_env("METERLAKE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(StandardError);
    // A second start, as in tests, changes nothing.
    let _ = if is_lambda {
        builder.json().flatten_event(true).try_init()
    } else {
        let timer = ChronoUtc::new("%Y-%m-%dT%H:%M:%SZ".to_owned());
        builder.with_timer(timer).with_ansi(io::stderr().is_terminal()).try_init()
    };
}

struct StandardError;

impl<'a> MakeWriter<'a> for StandardError {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match above_progress(|| io::stderr().lock().write(bytes)) {
            // Nobody reads the log any more. The work goes on: told of this, the logger would panic.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Writes while no progress bar or status line is in the way.
pub fn above_progress<T>(write: impl FnOnce() -> T) -> T {
    bars().suspend(write)
}

/// A progress bar over a range of periods; not shown where there is one period or no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar of `length` steps.
    #[must_use]
    pub fn new(length: usize) -> Self {
        if length < 2 {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (about {eta} left)");
        let bar = ProgressBar::new(length as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bars().add(bar))
    }

    /// Shows what is being worked on.
    pub fn working_on(&self, what: &dyn std::fmt::Display) {
        self.0.set_message(what.to_string());
    }

    /// One step is done.
    pub fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A line at the bottom of the terminal that says what is going on; not shown where there is no terminal.
pub struct StatusLine(ProgressBar);

impl StatusLine {
    /// An empty line.
    #[must_use]
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self(bars().add(ProgressBar::new_spinner().with_style(style)))
    }

    /// Says something else from now on.
    pub fn say(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
        self.0.tick();
    }
}

impl Default for StatusLine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
