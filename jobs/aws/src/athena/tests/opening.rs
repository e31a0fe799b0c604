use meterlake_core::config::Config;

use super::super::api::Workgroup;
use super::super::errors::CallError;
use super::fake::{Call, Script, as_is, lost, open, refused, throttled, usable};

/// What opening says with a workgroup and settings; nothing if it works.
async fn said(workgroup: Workgroup, settings: fn(&mut Config)) -> Option<String> {
    let script = Script { workgroup: [Ok(workgroup)].into(), ..Script::default() };
    let (_, engine) = open(script, settings).await;
    engine.err().map(|error| format!("{error:#}")).inspect(|error| assert!(!error.contains('\n'), "{error}"))
}

fn with_output(config: &mut Config) {
    config.athena.output = "s3://bucket/results".to_owned();
}

#[tokio::test]
async fn the_workgroup_of_the_settings_is_looked_up_before_anything_runs() {
    let (fake, engine) = open(Script::default(), |config| config.athena.workgroup = "metering".to_owned()).await;
    assert!(engine.is_ok());
    assert_eq!(fake.calls(), [Call::Workgroup("metering".to_owned())]);
}

#[tokio::test]
async fn a_workgroup_or_the_settings_may_say_where_results_go() {
    assert_eq!(said(usable(), as_is).await, None);
    assert_eq!(said(usable(), with_output).await, None);
    assert_eq!(said(Workgroup::default(), with_output).await, None);
}

#[tokio::test]
async fn without_any_result_location_nothing_runs() {
    let error = said(Workgroup::default(), as_is).await.unwrap();
    assert!(error.contains("set athena.output"), "{error}");
}

#[tokio::test]
async fn a_workgroup_that_enforces_its_result_location_is_refused_with_what_to_change() {
    for settings in [as_is as fn(&mut Config), with_output] {
        let error = said(Workgroup { is_enforced: true, ..usable() }, settings).await.unwrap();
        for part in ["primary", "s3://results/of-group", "EnforceWorkGroupConfiguration=false", "athena.workgroup"] {
            assert!(error.contains(part), "{error}");
        }
    }
    // What it enforces is something else then.
    assert_eq!(said(Workgroup { is_enforced: true, ..Workgroup::default() }, with_output).await, None);
}

#[tokio::test]
async fn a_disabled_workgroup_is_refused() {
    let error = said(Workgroup { is_disabled: true, ..usable() }, as_is).await.unwrap();
    assert!(error.contains("`primary` is disabled"), "{error}");
}

#[tokio::test]
async fn a_workgroup_that_keeps_results_itself_needs_no_location_and_takes_none() {
    let managed = Workgroup { keeps_results: true, ..Workgroup::default() };
    assert_eq!(said(managed.clone(), as_is).await, None);
    let error = said(managed, with_output).await.unwrap();
    assert!(error.contains("managed query results"), "{error}");
}

#[tokio::test]
async fn a_result_location_lies_in_s3() {
    let error = said(usable(), |config| config.athena.output = "/tmp/results".to_owned()).await.unwrap();
    assert!(error.contains("`athena.output` is `/tmp/results`"), "{error}");
}

#[tokio::test]
async fn a_wrong_price_is_refused() {
    let error = said(usable(), |config| config.athena.price_per_tb = "five".to_owned()).await.unwrap();
    assert!(error.contains("athena.price_per_tb"), "{error}");
}

#[tokio::test]
async fn a_missing_workgroup_and_a_missing_permission_say_what_to_do() {
    for (answer, hint) in [
        (refused("WorkGroup is not found."), "create it"),
        (CallError::service("AccessDeniedException", "User is not authorized"), "athena:GetWorkGroup"),
        (CallError::service("UnrecognizedClientException", "The security token is invalid"), "token is invalid"),
    ] {
        let (_, engine) = open(Script { workgroup: [Err(answer)].into(), ..Script::default() }, as_is).await;
        let error = engine.err().unwrap().to_string();
        assert!(error.contains("`primary`") && error.contains(hint), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_look_up_is_repeated_while_athena_is_busy() {
    let script = Script { workgroup: [Err(throttled()), Err(lost()), Ok(usable())].into(), ..Script::default() };
    let (fake, engine) = open(script, as_is).await;
    assert!(engine.is_ok());
    assert_eq!(fake.calls().len(), 3);
}
