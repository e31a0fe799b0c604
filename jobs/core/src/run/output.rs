//! Where reports and plans go.

use std::fmt;
use std::io::{ErrorKind, Write};

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::Job;

/// How reports are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Takes a job's reports: prints them, or keeps them as the answer of a Lambda.
///
/// Where the reader of standard output, such as `head`, closes it, later reports are dropped and the work goes on: a report says
/// what was done, and whether somebody reads it must not decide what is done.
pub struct Output<R> {
    sink: Sink,
    reports: std::marker::PhantomData<fn(R)>,
}

enum Sink {
    Print(Printer),
    Keep(Vec<Value>),
}

struct Printer {
    format: OutputFormat,
    to: Box<dyn Write + Send + Sync>,
    is_closed: bool,
}

/// What a dry run shows instead of a report.
#[derive(Serialize)]
struct Plan<'a> {
    plan: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sql: Vec<&'a str>,
}

/// What a run says of a period that waits for something.
#[derive(Serialize)]
struct Waiting<'a> {
    job: &'a str,
    period: String,
    status: &'a str,
    waiting_for: &'a str,
}

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: waiting: {}", self.job, self.period, self.waiting_for)
    }
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-- {}", self.plan)?;
        self.sql.iter().try_for_each(|statement| write!(f, "\n{statement};\n"))
    }
}

impl<R: Serialize + fmt::Display> Output<R> {
    /// Prints to standard output.
    #[must_use]
    pub fn print(format: OutputFormat) -> Self {
        Self::print_to(format, Box::new(std::io::stdout()))
    }

    fn print_to(format: OutputFormat, to: Box<dyn Write + Send + Sync>) -> Self {
        let sink = Sink::Print(Printer { format, to, is_closed: false });
        Self { sink, reports: std::marker::PhantomData }
    }

    /// Keeps what it is given.
    #[must_use]
    pub fn keep() -> Self {
        Self { sink: Sink::Keep(Vec::new()), reports: std::marker::PhantomData }
    }

    /// Takes one report.
    ///
    /// # Errors
    /// It cannot be printed.
    pub fn report(&mut self, report: &R) -> Result<()> {
        self.put(report)
    }

    /// Takes what a dry run would do, with the statements it would run.
    ///
    /// # Errors
    /// It cannot be printed.
    pub fn plan(&mut self, plan: &str, statements: &[String]) -> Result<()> {
        self.put(&Plan { plan, sql: statements.iter().map(String::as_str).collect() })
    }

    /// Takes what stands in place of the report of a period that waits for something.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(super) fn wait<J: Job>(&mut self, period: &impl fmt::Display, what: &str) -> Result<()> {
        self.put(&Waiting { job: J::NAME, period: period.to_string(), status: "waiting", waiting_for: what })
    }

    /// Takes what stands in place of the reports of periods for which there was no time.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(super) fn stop(&mut self, stopped: Value) -> Result<()> {
        self.put(&stopped)
    }

    /// What was kept.
    #[must_use]
    pub fn into_kept(self) -> Vec<Value> {
        match self.sink {
            Sink::Keep(values) => values,
            Sink::Print(_) => Vec::new(),
        }
    }

    fn put(&mut self, value: &(impl Serialize + fmt::Display)) -> Result<()> {
        match &mut self.sink {
            Sink::Keep(values) => values.push(serde_json::to_value(value)?),
            Sink::Print(printer) => printer.print(value)?,
        }
        Ok(())
    }
}

impl Printer {
    fn print(&mut self, value: &(impl Serialize + fmt::Display)) -> Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let line = match self.format {
            OutputFormat::Text => value.to_string(),
            OutputFormat::Json => serde_json::to_string(value)?,
        };
        match super::terminal::above_progress(|| writeln!(self.to, "{line}")) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_closed = true,
            printed => printed?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::standard_output::tests::Fails;
    use super::*;

    fn report_twice(fails: ErrorKind) -> Result<()> {
        let mut output: Output<u32> = Output::print_to(OutputFormat::Text, Box::new(Fails(fails)));
        output.report(&1)?;
        output.report(&2)
    }

    #[test]
    fn a_reader_who_has_read_enough_stops_no_work() {
        report_twice(ErrorKind::BrokenPipe).unwrap();
        assert!(report_twice(ErrorKind::StorageFull).is_err());
    }
}
