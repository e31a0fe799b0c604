//! The Lambda entry: an event in, reports out.

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Map, Value};

use super::{Connect, Context, Job, Output, one_line};
use crate::config::Config;
use crate::lake::Lake;

/// Serves events until Lambda ends the process. The lake is opened once.
pub(super) async fn serve<J: Job>(connect: Connect) -> Result<()> {
    let lake = connect(Config::load(None, &[])?).await?;
    let lake = &lake;
    let handler = service_fn(move |event: LambdaEvent<Value>| async move {
        // The runtime logs what it is given.
        let failed = |error: anyhow::Error| Diagnostic {
            error_type: format!("{}Failed", J::NAME),
            error_message: one_line(&error),
        };
        handle::<J>(lake, event.payload).await.map_err(failed)
    });
    lambda_runtime::run(handler).await.map_err(|error| anyhow!("the Lambda runtime failed: {error}"))
}

/// Runs a job for an event; the answer is the list of its reports.
async fn handle<J: Job>(lake: &Lake, event: Value) -> Result<Vec<Value>> {
    let request = Request::parse(event)?;
    let args: J::Args = serde_json::from_value(Value::Object(request.args))
        .with_context(|| format!("the event asks for something that {} does not have", J::NAME))?;
    let context = Context { now: request.time, dry_run: request.dry_run };
    let mut output = Output::keep();
    J::run(lake, &args, &context, &mut output).await?;
    Ok(output.into_kept())
}

/// An event, whichever service sent it.
#[derive(Debug, PartialEq)]
struct Request {
    time: DateTime<Utc>,
    dry_run: bool,
    args: Map<String, Value>,
}

impl Request {
    /// Reads EventBridge's event (`time`), EventBridge Scheduler's input (`scheduled_time`, beside arguments), or a
    /// manual one (arguments, `time`, `dry_run`).
    ///
    /// The period comes from the event and never from the clock: a retry works on the period of the first try.
    fn parse(event: Value) -> Result<Self> {
        let Value::Object(mut args) = event else { bail!("the event is no JSON object") };
        let time = args.remove("scheduled_time").or_else(|| args.remove("time"));
        // A rule without an input of its own passes on its whole event, which carries no arguments.
        if args.contains_key("detail-type") {
            args.clear();
        }
        let dry_run = args.remove("dry_run").is_some_and(|value| value == Value::Bool(true));
        let names_a_period = ["hour", "day", "month", "from"].iter().any(|key| args.contains_key(*key));
        let time = match time {
            Some(Value::String(text)) => {
                text.parse().with_context(|| format!("the event's time `{text}` is not like 2023-01-31T07:10:00Z"))?
            }
            None if names_a_period => Utc::now(),
            _ => bail!(
                "the event says no time: give `time` or `scheduled_time` like 2023-01-31T07:10:00Z, or name the period"
            ),
        };
        Ok(Self { time, dry_run, args })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_service_says_its_time_in_its_own_way() {
        let time: DateTime<Utc> = "2023-01-31T07:10:00Z".parse().unwrap();
        let rule = json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event",
            "time": "2023-01-31T07:10:00Z", "resources": [], "detail": {}});
        assert_eq!(Request::parse(rule).unwrap(), Request { time, dry_run: false, args: Map::new() });
        let scheduler = json!({"scheduled_time": "2023-01-31T07:10:00Z", "lookback": 3});
        let request = Request::parse(scheduler).unwrap();
        assert_eq!((request.time, &request.args["lookback"]), (time, &json!(3)));
        let manual = Request::parse(json!({"hour": "2023-01-31T06", "dry_run": true})).unwrap();
        assert!(manual.dry_run && manual.args.len() == 1);
    }

    #[test]
    fn an_event_without_a_time_or_a_period_is_refused() {
        for event in [json!({}), json!([]), json!({"time": 5}), json!({"time": "soon"})] {
            assert!(Request::parse(event).is_err());
        }
    }
}
