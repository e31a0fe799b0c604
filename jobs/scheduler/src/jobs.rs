//! The jobs that can be scheduled. A new one is a line in [`JOBS`].

use anyhow::{Context as _, Result, anyhow};
use chrono::{DateTime, Utc};
use clap::Args as _;
use futures::future::{BoxFuture, FutureExt};
use meterlake_aggregate::AggregateJob;
use meterlake_core::config::Config;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Hour, Month, Period};
use meterlake_core::run::{Context, Job, Output, OutputFormat};
use meterlake_invoice::InvoiceJob;
use meterlake_merge::MergeJob;
use meterlake_repair::RepairJob;
use serde_json::{Map, Value};

/// What a job is given: the keys of an event, which are its flags as well.
pub type Args = Map<String, Value>;

/// Where a job's reports go.
#[derive(Debug, Clone, Copy)]
pub enum Reports {
    /// To standard output.
    Print(OutputFormat),
    /// To the caller.
    Keep,
}

/// A job that can be scheduled.
pub struct Known {
    /// Its name, which is also its program's.
    pub name: &'static str,
    work: FindWork,
    check: fn(&Args) -> Result<()>,
    run: RunJob,
}

/// What a run works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// For a person: `2023-01-31T06`.
    pub period: String,
    /// When that was over, UTC.
    pub end: DateTime<Utc>,
}

type FindWork = fn(&Config, DateTime<Utc>) -> Result<Work>;
type RunJob = for<'a> fn(&'a Lake, &'a Args, Context, Reports) -> BoxFuture<'a, Result<Vec<Value>>>;

/// All of them.
pub static JOBS: [Known; 4] = [
    known::<MergeJob>(|_, at| Ok(Work::on(Hour::last_complete(at)))),
    known::<RepairJob>(repaired),
    known::<AggregateJob>(|_, at| Ok(Work::on(Day::last_complete(at)))),
    known::<InvoiceJob>(invoiced),
];

/// Arguments that name a period or a time: a schedule has these from its times.
const NOT_SCHEDULED: [&str; 6] = ["hour", "day", "month", "from", "to", "dry_run"];

const fn known<J: Job>(work: FindWork) -> Known {
    Known { name: J::NAME, work, check: check::<J>, run: run::<J> }
}

impl Known {
    /// The job of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        JOBS.iter().find(|job| job.name == name)
    }

    /// What a run at a time works on.
    ///
    /// # Errors
    /// A setting that it depends on is wrong.
    pub fn work(&self, config: &Config, at: DateTime<Utc>) -> Result<Work> {
        (self.work)(config, at)
    }

    /// Whether the job takes these arguments, in an event and as flags.
    ///
    /// # Errors
    /// It does not; the error says which, and what there is.
    pub fn check(&self, args: &Args) -> Result<()> {
        if let Some(key) = args.keys().find(|key| NOT_SCHEDULED.contains(&key.as_str())) {
            return Err(anyhow!("`{key}` cannot be scheduled: what a run works on follows from its time"));
        }
        (self.check)(args).with_context(|| format!("{} does not take these arguments", self.name))
    }

    /// Runs it in this process.
    ///
    /// # Errors
    /// The job's.
    pub async fn run(&self, lake: &Lake, args: &Args, context: Context, reports: Reports) -> Result<Vec<Value>> {
        (self.run)(lake, args, context, reports).await
    }
}

impl Work {
    fn on(period: impl Period) -> Self {
        Self { period: period.to_string(), end: period.end() }
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn of_event<J: Job>(args: &Args) -> Result<J::Args> {
    Ok(serde_json::from_value(Value::Object(args.clone()))?)
}

fn check<J: Job>(args: &Args) -> Result<()> {
    of_event::<J>(args)?;
    let command = J::Args::augment_args(clap::Command::new(J::NAME)).no_binary_name(true);
    command.try_get_matches_from(flags(args)).map(drop).map_err(|error| {
        let text = error.render().to_string();
        anyhow!("{}", text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
    })
}

fn run<'a, J: Job>(
    lake: &'a Lake,
    args: &'a Args,
    context: Context,
    reports: Reports,
) -> BoxFuture<'a, Result<Vec<Value>>> {
    async move {
        let mut output = match reports {
            Reports::Print(format) => Output::print(format),
            Reports::Keep => Output::keep(),
        };
        J::run(lake, &of_event::<J>(args)?, &context, &mut output).await?;
        Ok(output.into_kept())
    }
    .boxed()
}

/// The flags that say on a command line what these keys say in an event.
#[must_use]
pub fn flags(args: &Args) -> Vec<String> {
    let flag = |(key, value): (&String, &Value)| {
        let name = key.replace('_', "-");
        match value {
            Value::Bool(false) => None,
            Value::Bool(true) => Some(format!("--{name}")),
            Value::String(text) => Some(format!("--{name}={text}")),
            other => Some(format!("--{name}={other}")),
        }
    };
    args.iter().filter_map(flag).collect()
}

fn repaired(config: &Config, at: DateTime<Utc>) -> Result<Work> {
    let hours = i32::try_from(config.repair.hours.max(1)).context("the setting repair.hours is too large")?;
    let running = Hour::containing(at);
    Ok(Work { period: format!("{}/{running}", running.offset(-hours)), end: at })
}

fn invoiced(config: &Config, at: DateTime<Utc>) -> Result<Work> {
    let local = at.with_timezone(&config.billing.zone()?).naive_local().and_utc();
    Ok(Work::on(Month::last_complete(local)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(value: Value) -> Args {
        value.as_object().unwrap().clone()
    }

    fn refusal(job: &str, value: Value) -> String {
        let error = Known::of_name(job).unwrap().check(&args(value)).unwrap_err();
        meterlake_core::run::one_line(&error)
    }

    #[test]
    fn the_keys_of_an_event_are_flags_on_a_command_line() {
        let args = args(json!({"allow_missing": true, "force": false, "lookback": 48, "plans": "a b.toml"}));
        assert_eq!(flags(&args), ["--allow-missing", "--lookback=48", "--plans=a b.toml"]);
    }

    #[test]
    fn what_a_job_does_not_take_is_refused_when_it_is_scheduled() {
        for (job, good) in [
            ("merge", json!({"lookback": 48})),
            ("repair", json!({"vacuum": true, "full": true})),
            ("aggregate", json!({"lookback": 3, "allow_missing": false})),
            (
                "invoice",
                json!({"finalize": true, "plans": "s3://bucket/plans.toml", "no_html": true, "wait_until": "+9d"}),
            ),
        ] {
            Known::of_name(job).unwrap().check(&args(good)).unwrap();
        }
        assert!(refusal("invoice", json!({"finalise": true})).contains("`finalise`"));
        assert!(refusal("invoice", json!({"finalize": true, "wait_until": "soon"})).contains("+9d"));
        assert!(refusal("merge", json!({"lookback": -1})).contains("merge does not take these arguments"));
        // An event would be taken, but a command line not.
        assert!(refusal("invoice", json!({"finalize": true, "customer": "x"})).contains("--customer"));
        for key in NOT_SCHEDULED {
            assert!(refusal("merge", json!({key: "2023-01-31T06"})).contains(key));
        }
    }

    #[test]
    fn an_invoice_is_for_the_month_that_is_over_where_bills_are_told() {
        let mut config = Config::default();
        let at = "2023-02-01T04:00:00Z".parse().unwrap();
        assert_eq!(invoiced(&config, at).unwrap().period, "2023-01");
        config.billing.time_zone = "America/Los_Angeles".to_owned();
        assert_eq!(invoiced(&config, at).unwrap().period, "2022-12");
    }
}
