//! The program `scheduler`: the list of schedules, in every form.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use chrono::{DateTime, Utc};
use clap::{CommandFactory, Parser, Subcommand};
use meterlake_core::period::{Day, Hour, Period};
use meterlake_core::run::{
    CommonArgs, Output, OutputFormat, WrongArguments, block_on, exit_code, parse_arguments, standard_output,
    start_logging,
};
use meterlake_embedded::connect;
use meterlake_scheduler::crontab::{Places, crontab};
use meterlake_scheduler::event_bridge::event_bridge;
use meterlake_scheduler::jobs::Reports;
use meterlake_scheduler::list::Schedules;
use meterlake_scheduler::next::{Upcoming, next, upcoming};
use meterlake_scheduler::replay::{Bare, Replay};
use meterlake_scheduler::run::{Programs, Settings, run};

/// Runs the jobs when they are due, or says when that is: by cron, by EventBridge, or by itself
#[derive(Parser)]
#[command(name = "scheduler", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    /// The list [default: schedules/schedules.toml, here or in a folder above, else the one built in]
    #[arg(long, value_name = "FILE", global = true)]
    schedules: Option<PathBuf>,
    /// How reports and firings are printed
    #[arg(long, value_enum, default_value_t, global = true)]
    output: OutputFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the lines of a crontab
    Crontab {
        /// The folder of the programs [default: that of this one]
        #[arg(long, value_name = "FOLDER")]
        programs: Option<PathBuf>,
    },
    /// Print the schedules of Amazon EventBridge, as JSON
    Eventbridge,
    /// Print what fires next, and what it would work on
    Next {
        /// How many firings
        #[arg(default_value_t = 10)]
        count: usize,
        /// After this time, such as 2023-01-31T07:10:00Z, 2023-01-31T07 or 2023-01-31 [default: now]
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<DateTime<Utc>>,
    },
    /// Run what is due, until stopped
    Run {
        /// Run what is due now, and end
        #[arg(long)]
        once: bool,
    },
    /// Play a stretch of time against the lake as fast as it can: everything that would have fired, in order
    Replay {
        /// When it begins, such as 2023-01-31T07:10:00Z, 2023-01-31T07 or 2023-01-31, UTC
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: DateTime<Utc>,
        /// When it is over; nothing fires then [default: now]
        #[arg(long, value_name = "TIME", value_parser = time)]
        to: Option<DateTime<Utc>>,
        /// Print what would fire, run nothing
        #[arg(long)]
        dry_run: bool,
    },
}

fn main() -> ExitCode {
    start_logging(false);
    exit_code(block_on(command()))
}

async fn command() -> Result<()> {
    let cli: Cli = parse_arguments(Cli::command())?;
    let schedules = Schedules::load(cli.schedules.as_deref())?;
    match &cli.command {
        Command::Crontab { programs } => print(crontab(&schedules, &cli.places(programs.as_ref())?).trim_end()),
        Command::Eventbridge => print(&serde_json::to_string_pretty(&event_bridge(&schedules)?)?),
        Command::Next { count, from } => {
            let config = cli.common.config()?;
            cli.print(&next(&schedules, &config, from.unwrap_or_else(Utc::now), *count)?)
        }
        Command::Run { once } => {
            let programs = Programs { folder: own_folder()?, flags: cli.flags_of_jobs() };
            let lake = connect(cli.common.config()?).await?;
            run(&lake, &schedules, &Settings { once: *once, ..Settings::new(programs) }).await
        }
        Command::Replay { from, to, dry_run } => {
            cli.replay(&schedules, *from, to.unwrap_or_else(Utc::now), *dry_run).await
        }
    }
}

impl Cli {
    async fn replay(&self, schedules: &Schedules, from: DateTime<Utc>, to: DateTime<Utc>, dry_run: bool) -> Result<()> {
        if to <= from {
            return Err(anyhow!(WrongArguments(format!("the replay ends ({to}) before it begins ({from})"))));
        }
        let lake = connect(self.common.config()?).await?;
        let replay = Replay { lake: &lake, schedules, from, to, reports: Reports::Print(self.output) };
        if dry_run {
            let firings = replay.firings().await?;
            let firings: Result<Vec<Upcoming>> = firings.iter().map(|firing| upcoming(&lake.config, firing)).collect();
            return self.print(&firings?);
        }
        replay.play(&mut Bare).await
    }

    fn print(&self, firings: &[Upcoming]) -> Result<()> {
        let mut output = Output::print(self.output);
        firings.iter().try_for_each(|firing| output.report(firing))
    }

    fn places(&self, programs: Option<&PathBuf>) -> Result<Places> {
        let programs = match programs {
            Some(programs) => programs.clone(),
            None => own_folder()?,
        };
        let config = self.common.config.clone().unwrap_or_else(|| "meterlake.toml".into());
        let text = |path: PathBuf| -> Result<String> {
            let path = std::path::absolute(path)?;
            path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
        };
        Ok(Places { programs: text(programs)?, config: text(config)? })
    }

    /// What this program was given and its jobs need as well.
    fn flags_of_jobs(&self) -> Vec<String> {
        let CommonArgs { lake, engine, config, sql, stop_on_exit, set } = &self.common;
        let config = config.as_ref().map(|config| config.display().to_string());
        let single = [("lake", lake.clone()), ("engine", engine.clone()), ("config", config), ("sql", sql.clone())];
        let single = single.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
        let set = set.iter().map(|(key, value)| format!("--set={key}={value}"));
        let is_json = matches!(self.output, OutputFormat::Json);
        let switches = [("--stop-on-exit", *stop_on_exit), ("--output=json", is_json)];
        let switches = switches.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag.to_owned());
        single.chain(set).chain(switches).collect()
    }
}

/// The folder of this program.
fn own_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(program.parent().map(PathBuf::from).unwrap_or_default())
}

fn print(text: &str) -> Result<()> {
    Ok(writeln!(standard_output(), "{text}")?)
}

/// An instant, or the beginning of an hour or a day.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let hour = || text.parse::<Hour>().map(Period::start).ok();
    let day = || text.parse::<Day>().map(Period::start).ok();
    let found = text.parse().ok().or_else(hour).or_else(day);
    found.ok_or_else(|| "write it like 2023-01-31T07:10:00Z, 2023-01-31T07 or 2023-01-31, UTC".to_owned())
}
