//! How a job runs: from the command line, or as a Lambda. A job supplies its arguments and its `run`.

mod event;
mod metrics;
mod output;
mod range;
mod signal;
mod standard_output;
mod terminal;
mod wait;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clap::{CommandFactory, FromArgMatches, Parser};
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{Config, Override};
use crate::lake::Lake;
use crate::period::Period;

pub use output::{Output, OutputFormat};
pub use range::{Pace, each, each_until};
pub use signal::stop_signal;
pub use standard_output::standard_output;
pub use terminal::{Progress, StatusLine, above_progress, start_logging, start_logging_at};
pub use wait::{NotYet, WaitUntil};

/// Opens the lake that a configuration names. The binary chooses what stands behind the seams.
pub type Connect = fn(Config) -> BoxFuture<'static, Result<Lake>>;

/// A job: its arguments and what it does with them.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// Its name, which is also its binary's.
    const NAME: &'static str;
    /// One line for `--help`.
    const ABOUT: &'static str;
    /// What can be asked of it, by flags or by an event's keys.
    type Args: clap::Args + DeserializeOwned + Default + Send + Sync;
    /// What it says of one unit of its work.
    type Report: Serialize + fmt::Display + Send;

    /// Does the work, unit by unit; reports each through `output`.
    ///
    /// # Errors
    /// One line that says what failed, where, and what to do.
    async fn run(lake: &Lake, args: &Self::Args, context: &Context, output: &mut Output<Self::Report>) -> Result<()>;
}

/// What a job knows of the run it is in.
#[derive(Debug, Clone)]
pub struct Context {
    /// The time that "last complete" refers to: the event's or `--at`, else the clock's.
    pub now: DateTime<Utc>,
    /// Print the plan and the SQL, change nothing.
    pub dry_run: bool,
    /// When it has to end, as a Lambda must.
    pub deadline: Option<Instant>,
}

/// The arguments were understood but ask for something impossible; the exit code is 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongArguments(pub String);

/// The flags that every job has.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CommonArgs {
    /// The lake: a folder, file:///path or s3://bucket [default: the folder `lake`]
    #[arg(long, value_name = "LOCATION", global = true)]
    pub lake: Option<String>,
    /// What runs the SQL: embedded or athena
    #[arg(long, global = true)]
    pub engine: Option<String>,
    /// The configuration file [default: meterlake.toml, here or in a folder above]
    #[arg(long, value_name = "FILE", env = "METERLAKE_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// The folder of the SQL files [default: those built into the program]
    #[arg(long, value_name = "FOLDER", global = true)]
    pub sql: Option<String>,
    /// Stop a query that runs on Athena when this program is stopped; else it runs on, and the next run joins it
    #[arg(long, global = true)]
    pub stop_on_exit: bool,
    /// Any other setting of meterlake.toml; may be repeated
    #[arg(long, value_name = "KEY=VALUE", global = true, value_parser = setting)]
    pub set: Vec<Override>,
}

impl CommonArgs {
    /// The configuration with these flags in force.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn config(&self) -> Result<Config> {
        let flags = [("lake", &self.lake), ("engine", &self.engine), ("sql", &self.sql)];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
        let stop = self.stop_on_exit.then(|| ("athena.stop_on_exit".to_owned(), true.to_string()));
        let overrides: Vec<Override> = self.set.iter().cloned().chain(flags).chain(stop).collect();
        Config::load(self.config.as_deref(), &overrides)
    }
}

/// A time that has come: a period that is not over must not be worked on.
fn past_time(text: &str) -> Result<DateTime<Utc>, String> {
    match text.parse() {
        Ok(time) if time <= Utc::now() => Ok(time),
        Ok(_) => Err("that time has not come yet".to_owned()),
        Err(_) => Err("write it like 2023-01-31T07:10:00Z".to_owned()),
    }
}

fn setting(text: &str) -> Result<Override, String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as merge.lookback=48")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Parser)]
#[command(version)]
struct Cli<A: clap::Args> {
    #[command(flatten)]
    job: A,
    #[command(flatten)]
    common: CommonArgs,
    /// Print the plan and the SQL, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Run as if it were this time: what "last complete" refers to, like 2023-01-31T07:10:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = past_time)]
    at: Option<DateTime<Utc>>,
    /// How reports are printed
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Runs a job: as a Lambda where `AWS_LAMBDA_RUNTIME_API` is set, else from the command line.
#[must_use]
pub fn main<J: Job>(connect: Connect) -> ExitCode {
    let is_lambda = std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some();
    start_logging(is_lambda);
    exit_code(block_on(async {
        if is_lambda { event::serve::<J>(connect).await } else { command_line::<J>(connect).await }
    }))
}

/// Runs a future to its end on a runtime of its own.
///
/// # Errors
/// The future's, or the runtime cannot be started.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// 0: done, or whoever read [`standard_output`] has read enough. 1: failed. 2: wrong arguments. Prints the error, in one line.
#[must_use]
pub fn exit_code(result: Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let code = code_of(&error);
    if code > 0 {
        tracing::error!("{}", one_line(&error));
    }
    ExitCode::from(code)
}

fn code_of(error: &anyhow::Error) -> u8 {
    if standard_output::is_enough_read(error) {
        0
    } else if error.is::<WrongArguments>() {
        2
    } else {
        1
    }
}

/// An error and its causes in one line. Many errors repeat their cause: what was said is not said again.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let said = error.chain().fold(String::new(), |said, cause| match cause.to_string() {
        cause if said.is_empty() => cause,
        cause if said.contains(&cause) => said,
        cause => format!("{said}: {cause}"),
    });
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Parses a command line; help is printed, a wrong one is an error in one line.
///
/// # Errors
/// [`WrongArguments`].
pub fn parse_arguments<P: CommandFactory + FromArgMatches>(command: clap::Command) -> Result<P> {
    let name = command.get_name().to_owned();
    let parsed = command.try_get_matches().and_then(|matches| P::from_arg_matches(&matches));
    parsed.map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let text = error.render().to_string();
        let problem = text.split("\n\nUsage").next().and_then(|text| text.split("\n\nFor more").next());
        let problem = problem.unwrap_or_default().trim_start_matches("error: ").trim();
        anyhow!(WrongArguments(format!("{problem} (see {name} --help)")))
    })
}

async fn command_line<J: Job>(connect: Connect) -> Result<()> {
    let command = Cli::<J::Args>::command().name(J::NAME).about(J::ABOUT);
    let cli: Cli<J::Args> = parse_arguments(command)?;
    let context = Context { now: cli.at.unwrap_or_else(Utc::now), dry_run: cli.dry_run, deadline: None };
    let mut output = Output::print(cli.output);
    let work = async {
        let lake = connect(cli.common.config()?).await?;
        J::run(&lake, &cli.job, &context, &mut output).await
    };
    tokio::select! {
        biased;
        done = work => done,
        signal = stop_signal() => Err(stopped(signal?)),
    }
}

/// The work is let go as it stands, as if the program had been killed, which harms nothing.
fn stopped(signal: &str) -> anyhow::Error {
    anyhow!(
        "stopped by {signal}: what was published stays, nothing half-written is visible; run it again to go on (a query \
         that still runs on Athena is joined then)"
    )
}

/// The periods that the arguments ask for: one, a range, or the last complete one.
///
/// # Errors
/// [`WrongArguments`]: half a range, a range and one, an end before the start, or a period that is not over.
pub fn selected_periods<P: Period>(
    one: Option<Option<P>>,
    from: Option<P>,
    to: Option<P>,
    now: DateTime<Utc>,
) -> Result<Vec<P>> {
    let last = P::last_complete(now);
    let unit = P::UNIT;
    let wrong = |problem: String| Err(anyhow!(WrongArguments(problem)));
    let (from, to) = match (one, from, to) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            return wrong(format!("give either --{unit} or --from and --to"));
        }
        (Some(Some(one)), None, None) => (one, one),
        (_, None, None) => (last, last),
        (None, Some(from), to) => (from, to.unwrap_or(last)),
        (None, None, Some(_)) => return wrong("--to needs --from".to_owned()),
    };
    if to > last {
        return wrong(format!("the {unit} {to} is not over yet: the last complete one is {last} (UTC)"));
    }
    if to < from {
        return wrong(format!("the range ends ({to}) before it starts ({from})"));
    }
    Ok(P::range(from, to).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::Hour;

    fn hour(text: &str) -> Option<Hour> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_last_complete_period_is_the_default() {
        let now = "2023-01-31T07:10:00Z".parse().unwrap();
        for one in [None, Some(None)] {
            assert_eq!(selected_periods::<Hour>(one, None, None, now).unwrap(), [hour("2023-01-31T06").unwrap()]);
        }
        assert_eq!(selected_periods(None, hour("2023-01-31T04"), None, now).unwrap().len(), 3);
        assert_eq!(selected_periods(None, hour("2023-01-31T04"), hour("2023-01-31T05"), now).unwrap().len(), 2);
    }

    #[test]
    fn a_time_to_run_at_has_come_and_names_its_zone() {
        assert_eq!(past_time("2023-01-31T16:10:00+09:00").unwrap(), past_time("2023-01-31T07:10:00Z").unwrap());
        assert!(past_time("2999-01-31T07:10:00Z").unwrap_err().contains("not come"));
        assert!(past_time("2023-01-31T07:10:00").unwrap_err().contains("07:10:00Z"));
    }

    #[test]
    fn an_error_is_one_line_that_says_nothing_twice() {
        let error = anyhow!("disk full").context("cannot copy: disk full").context("cannot\n write");
        assert_eq!(one_line(&error), "cannot write: cannot copy: disk full");
    }

    #[test]
    fn a_pipe_that_breaks_is_a_failure_and_a_wrong_argument_is_a_2() {
        let upload = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(code_of(&anyhow::Error::from(upload).context("cannot upload")), 1);
        assert_eq!(code_of(&anyhow!(WrongArguments("no".to_owned())).context("why")), 2);
    }

    #[test]
    fn what_cannot_be_is_a_wrong_argument() {
        let now = "2023-01-31T07:10:00Z".parse().unwrap();
        let early = hour("2023-01-31T04");
        for (one, from, to) in [
            (Some(hour("2023-01-31T07")), None, None),
            (Some(None), early, None),
            (None, None, early),
            (None, early, hour("2023-01-31T03")),
            (None, early, hour("2999-01-01T00")),
        ] {
            assert!(selected_periods(one, from, to, now).unwrap_err().is::<WrongArguments>());
        }
    }
}
