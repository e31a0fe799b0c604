//! The list and what is made from it cannot drift apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use meterlake_scheduler::crontab::{Places, crontab};
use meterlake_scheduler::event_bridge::event_bridge;
use meterlake_scheduler::list::Schedules;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schedules(list: &str) -> Schedules {
    Schedules::parse("schedules.toml", list).unwrap()
}

fn places() -> Places {
    Places { programs: "/opt/meterlake/bin".to_owned(), config: "/opt/meterlake/meterlake.toml".to_owned() }
}

#[test]
fn the_crontab_is_the_one_that_is_made_from_the_list() {
    let kept = fs::read_to_string(root().join("schedules/crontab")).unwrap();
    let command = "scheduler crontab --programs /opt/meterlake/bin --config /opt/meterlake/meterlake.toml";
    assert_eq!(kept, crontab(&Schedules::built_in().unwrap(), &places()), "run `{command} > schedules/crontab`");
}

/// Name, expression, time zone and event of a schedule.
type Form = (String, String, String, Value);

#[test]
fn the_template_has_the_schedules_of_the_list() {
    let listed = event_bridge(&Schedules::built_in().unwrap()).unwrap().into_iter().map(|one| {
        let input = serde_json::from_str(&one.input).unwrap();
        (one.name, one.schedule_expression, one.schedule_expression_timezone, input)
    });
    let mut listed: Vec<Form> = listed.collect();
    let mut found = template_schedules();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, listed, "put what `scheduler eventbridge` says into infra/");
}

/// The schedules of all templates in `infra/`. What each calls is looked at as well.
fn template_schedules() -> Vec<Form> {
    let jobs: BTreeMap<String, &str> =
        event_bridge(&Schedules::built_in().unwrap()).unwrap().into_iter().map(|one| (one.name, one.job)).collect();
    let mut found = Vec::new();
    for file in fs::read_dir(root().join("infra")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let template = Yaml::load_from_str(&text).unwrap();
        let Some(resources) = template[0].as_mapping_get("Resources").and_then(Yaml::as_mapping) else { continue };
        for resource in resources.values() {
            let text = |node: &Yaml<'_>, key: &str| node.as_mapping_get(key).and_then(Yaml::as_str).map(str::to_owned);
            if text(resource, "Type").as_deref() != Some("AWS::Scheduler::Schedule") {
                continue;
            }
            let properties = resource.as_mapping_get("Properties").unwrap();
            let target = properties.as_mapping_get("Target").unwrap();
            let name = text(properties, "Name").unwrap();
            // !GetAtt Merge.Arn
            let Some(Yaml::Tagged(_, function)) = target.as_mapping_get("Arn") else { panic!("{name} has no target") };
            let function = function.as_str().unwrap().to_lowercase();
            assert_eq!(jobs.get(&name).map(|job| format!("{job}.arn")), Some(function), "{name}");
            found.push((
                name,
                text(properties, "ScheduleExpression").unwrap(),
                text(properties, "ScheduleExpressionTimezone").unwrap(),
                serde_json::from_str(&text(target, "Input").unwrap()).unwrap(),
            ));
        }
    }
    found
}

#[test]
fn a_crontab_has_its_time_zones_and_no_percent_sign_of_its_own() {
    let list = "\
[[schedule]]
name = 'a'
job = 'invoice'
cron = '0 6 * * 1-5'
time_zone = 'Asia/Seoul'
args = { plans = \"100% it's.toml\", finalize = true }
[[schedule]]
name = 'b'
job = 'merge'
cron = '*/30 * * jan *'
";
    let text = crontab(&schedules(list), &places());
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(
        lines,
        [
            "SHELL=/bin/sh",
            "PROGRAMS=/opt/meterlake/bin",
            "METERLAKE_CONFIG=/opt/meterlake/meterlake.toml",
            "CRON_TZ=Asia/Seoul",
            r#"0 6 * * 1-5 "$PROGRAMS"/invoice --finalize '--plans=100\% it'\''s.toml'"#,
            "CRON_TZ=UTC",
            r#"*/30 * * jan * "$PROGRAMS"/merge"#,
        ]
    );
}

#[test]
fn event_bridge_gets_the_arguments_and_the_time_in_the_event() {
    let list = "\
[[schedule]]
name = 'a'
job = 'aggregate'
cron = '0 6 * * 0'
time_zone = 'Europe/Berlin'
args = { lookback = 3 }
";
    let made = event_bridge(&schedules(list)).unwrap().remove(0);
    assert_eq!(made.schedule_expression, "cron(0 6 ? * SUN *)");
    assert_eq!(made.schedule_expression_timezone, "Europe/Berlin");
    assert_eq!(made.input, r#"{"lookback":3,"scheduled_time":"<aws.scheduler.scheduled-time>"}"#);
}

#[test]
fn event_bridge_is_given_no_schedule_of_which_it_would_leave_something_out() {
    for (cron, time) in [("30 2 * * *", "02:30"), ("10 * * * *", "02:10")] {
        let list = format!("[[schedule]]\nname = 'a'\njob = 'merge'\ncron = '{cron}'\ntime_zone = 'Europe/Berlin'\n");
        let error = event_bridge(&schedules(&list)).unwrap_err().to_string();
        assert!(error.starts_with("schedules.toml:1: ") && error.contains(time) && error.contains("UTC"), "{error}");
    }
}
