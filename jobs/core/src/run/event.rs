//! The Lambda entry: an event in, reports out.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Map, Value};
use tracing::Instrument;

use super::{Connect, Context, Job, Output, metrics, one_line};
use crate::config::Config;
use crate::lake::Lake;

/// What is left of an invocation's time when its work is let go: enough to say so before Lambda ends the process.
const RESERVE: Duration = Duration::from_secs(3);
/// How far the clocks of AWS and of a lake may differ: an event's time may be later by so much.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Serves events until Lambda ends the process. The lake is opened once.
pub(super) async fn serve<J: Job>(connect: Connect) -> Result<()> {
    let lake = connect(Config::load(None, &[])?).await?;
    let lake = &lake;
    let handler = service_fn(move |event: LambdaEvent<Value>| async move {
        let invocation = tracing::info_span!("invocation", request_id = event.context.request_id);
        let deadline = Instant::now() + left(event.context.deadline).saturating_sub(RESERVE);
        // The runtime logs what it is given.
        let failed = |error: anyhow::Error| Diagnostic {
            error_type: format!("{}Failed", J::NAME),
            error_message: one_line(&error),
        };
        let handled = handle::<J>(lake, event.payload, deadline, &mut std::io::stdout()).instrument(invocation).await;
        handled.map_err(failed)
    });
    lambda_runtime::run(handler).await.map_err(|error| anyhow!("the Lambda runtime failed: {error}"))
}

/// Runs a job for an event; the answer is the list of its reports. Metrics go into the log.
///
/// # Errors
/// The event is wrong, the job failed, or its time is up. The next try goes on where this one stopped.
async fn handle<J: Job>(
    lake: &Lake,
    event: Value,
    deadline: Instant,
    log: &mut (impl Write + Send),
) -> Result<Vec<Value>> {
    let request = Request::parse(event, lake.clock.now())?;
    let args: J::Args = serde_json::from_value(Value::Object(request.args))
        .with_context(|| format!("the event asks for something that {} does not have", J::NAME))?;
    let context = Context { now: request.time, dry_run: request.dry_run, deadline: Some(deadline) };
    let mut output = Output::keep();
    let work = J::run(lake, &args, &context, &mut output);
    let done = tokio::time::timeout_at(deadline.into(), work).await;
    let reports = output.into_kept();
    // Also of what was done before an error, or before the time was up.
    for line in metrics::lines(&reports, request.is_scheduled, lake.clock.now()) {
        writeln!(log, "{line}")?;
    }
    let Ok(done) = done else {
        bail!(
            "the time of this invocation is up: what was published stays, nothing half-written is visible, and the next \
             try goes on (it joins a query that still runs on Athena); give the function more time if that happens often"
        );
    };
    done.map(|()| reports)
}

/// The time until a deadline in milliseconds since 1970, as Lambda gives it: by the machine's clock, whatever the lake goes by.
fn left(deadline: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline).saturating_sub(now)
}

/// An event, whichever service sent it.
#[derive(Debug, PartialEq)]
struct Request {
    time: DateTime<Utc>,
    /// It works on what is due at that time, and not on a period that it names.
    is_scheduled: bool,
    dry_run: bool,
    args: Map<String, Value>,
}

impl Request {
    /// Reads EventBridge's event (`time`), EventBridge Scheduler's input (`scheduled_time`, beside arguments), or a
    /// manual one (arguments, `time`, `dry_run`).
    ///
    /// The period comes from the event and never from the clock: a retry works on the period of the first try. The clock says
    /// what is over: a time that has not come is refused, and a period that the event names must be over by it too.
    fn parse(event: Value, clock: DateTime<Utc>) -> Result<Self> {
        let Value::Object(mut args) = event else { bail!("the event is no JSON object") };
        let time = args.remove("scheduled_time").or_else(|| args.remove("time"));
        // A rule without an input of its own passes on its whole event, which carries no arguments.
        if args.contains_key("detail-type") {
            args.clear();
        }
        let dry_run = match args.remove("dry_run") {
            None => false,
            Some(Value::Bool(dry_run)) => dry_run,
            Some(other) => bail!("the event's `dry_run` is {other}: give true or false"),
        };
        let names_a_period = ["hour", "day", "month", "from"].iter().any(|key| args.contains_key(*key));
        let time = match time {
            Some(Value::String(text)) => {
                text.parse().with_context(|| format!("the event's time `{text}` is not like 2023-01-31T07:10:00Z"))?
            }
            None if names_a_period => clock,
            _ => bail!(
                "the event says no time: give `time` or `scheduled_time` like 2023-01-31T07:10:00Z, or name the period"
            ),
        };
        if time > clock + SKEW {
            let [time, clock] = [time, clock].map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
            bail!("the event's time {time} has not come yet: it is {clock} by this lake's clock");
        }
        let time = if names_a_period { time.min(clock) } else { time };
        Ok(Self { time, is_scheduled: !names_a_period, dry_run, args })
    }
}

#[cfg(test)]
mod out_of_time;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_service_says_its_time_in_its_own_way() {
        let time: DateTime<Utc> = "2023-01-31T07:10:00Z".parse().unwrap();
        let rule = json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event",
            "time": "2023-01-31T07:10:00Z", "resources": [], "detail": {}});
        assert_eq!(
            Request::parse(rule, Utc::now()).unwrap(),
            Request { time, is_scheduled: true, dry_run: false, args: Map::new() }
        );
        let scheduler = json!({"scheduled_time": "2023-01-31T07:10:00Z", "lookback": 3});
        let request = Request::parse(scheduler, Utc::now()).unwrap();
        assert_eq!((request.time, &request.args["lookback"]), (time, &json!(3)));
        let now = time + chrono::TimeDelta::days(400);
        let manual = Request::parse(json!({"hour": "2023-01-31T06", "dry_run": true}), now).unwrap();
        assert!(manual.dry_run && !manual.is_scheduled && manual.args.len() == 1 && manual.time == now);
    }

    #[test]
    fn a_time_that_has_not_come_is_refused_but_for_some_minutes() {
        let clock: DateTime<Utc> = "2023-01-31T06:58:00Z".parse().unwrap();
        let at = |time: &str| Request::parse(json!({ "time": time }), clock);
        let error = at("2023-01-31T07:10:00Z").unwrap_err().to_string();
        assert!(error.contains("2023-01-31T07:10:00Z") && error.contains("2023-01-31T06:58:00Z"), "{error}");
        // The period of a schedule follows from its time, whatever the clock is behind.
        let time: DateTime<Utc> = "2023-01-31T07:01:00Z".parse().unwrap();
        assert_eq!(at("2023-01-31T07:01:00Z").unwrap().time, time);
    }

    #[test]
    fn a_period_that_is_named_must_be_over_by_the_clock() {
        let clock: DateTime<Utc> = "2023-01-31T06:58:00Z".parse().unwrap();
        let now = |event: Value| Request::parse(event, clock).unwrap().time;
        assert_eq!(now(json!({"hour": "2023-01-31T06", "time": "2023-01-31T07:01:00Z"})), clock);
        assert_eq!(now(json!({"hour": "2023-01-31T06"})), clock);
        let earlier = json!({"from": "2023-01-30T06", "scheduled_time": "2023-01-30T08:10:00Z"});
        assert_eq!(now(earlier), "2023-01-30T08:10:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn an_event_without_a_time_or_a_period_is_refused() {
        for event in [json!({}), json!([]), json!({"time": 5}), json!({"time": "soon"})] {
            assert!(Request::parse(event, Utc::now()).is_err());
        }
    }
}
