//! Where reports and plans go.

use std::fmt;
use std::io::Write;

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
pub struct Output<R> {
    sink: Sink,
    reports: std::marker::PhantomData<fn(R)>,
}

enum Sink {
    Print(OutputFormat),
    Keep(Vec<Value>),
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
        Self { sink: Sink::Print(format), reports: std::marker::PhantomData }
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
            Sink::Print(format) => {
                let line = match format {
                    OutputFormat::Text => value.to_string(),
                    OutputFormat::Json => serde_json::to_string(value)?,
                };
                super::terminal::above_progress(|| writeln!(std::io::stdout().lock(), "{line}"))?;
            }
        }
        Ok(())
    }
}
