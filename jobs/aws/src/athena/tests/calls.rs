use meterlake_core::config::Config;
use meterlake_core::engine::Engine;
use tokio::time::Duration;

use super::super::api::Workgroup;
use super::fake::{Call, Script, as_is, engine, lost, page, refused, statement, succeeded, throttled};
use super::{CTAS, UNLOAD};

fn all_good() -> Script {
    Script { gets: [Ok(succeeded(7))].into(), results: [Ok(page(&["n"], true, &[]))].into(), ..Script::default() }
}

#[tokio::test(start_paused = true)]
async fn a_start_carries_the_text_the_database_the_workgroup_the_location_and_a_token() {
    fn settings(config: &mut Config) {
        config.athena.workgroup = "metering".to_owned();
        config.athena.output = "s3://bucket/results".to_owned();
    }
    let (fake, engine) = engine(all_good(), settings).await;
    engine.query(&statement("SELECT 1")).await.unwrap();
    let Call::Start { sql, token, database, workgroup, output } = &fake.calls()[0] else { panic!() };
    assert_eq!((sql.as_str(), token.len(), workgroup.as_str()), ("SELECT 1", 64, "metering"));
    assert_eq!((database.as_deref(), output.as_deref()), (Some("metering"), Some("s3://bucket/results")));
}

#[tokio::test(start_paused = true)]
async fn the_location_is_left_to_the_workgroup_where_the_settings_have_none() {
    let (fake, engine) = engine(all_good(), as_is).await;
    engine.query(&statement("SELECT 1")).await.unwrap();
    assert!(matches!(&fake.calls()[0], Call::Start { output: None, .. }));
}

#[tokio::test(start_paused = true)]
async fn the_database_is_not_named_before_it_exists() {
    let (fake, engine) = engine(all_good(), as_is).await;
    engine.execute(&statement("CREATE DATABASE IF NOT EXISTS `metering`")).await.unwrap();
    assert!(matches!(&fake.calls()[0], Call::Start { database: None, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_is_too_long_is_not_sent() {
    let (fake, engine) = engine(all_good(), as_is).await;
    // Bytes count, not letters.
    let error = engine.execute(&statement(&"é".repeat(131_073))).await.unwrap_err().to_string();
    assert!(error.contains("merge_hour@1") && error.contains("262146") && error.contains("262144"), "{error}");
    assert_eq!(fake.calls(), []);
    engine.query(&statement(&format!("SELECT {}", "1".repeat(262_137)))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_start_is_made_again_with_the_same_token() {
    let starts = [Err(throttled()), Err(throttled()), Err(throttled()), Ok("query-9".to_owned())];
    let (fake, engine) = engine(Script { starts: starts.into(), ..all_good() }, as_is).await;
    engine.query(&statement("SELECT 1")).await.unwrap();
    let tokens = fake.tokens();
    assert_eq!(tokens.len(), 4);
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    for (pause, longest) in fake.pauses().into_iter().zip([1, 2, 4].map(Duration::from_secs)) {
        assert!(pause >= longest / 2 && pause <= longest + Duration::from_millis(2), "{pause:?} of {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_that_does_not_end_is_an_error() {
    let starts = std::iter::repeat_n(Err(throttled()), 50).collect();
    let (fake, engine) = engine(Script { starts, ..all_good() }, as_is).await;
    let error = engine.query(&statement("SELECT 1")).await.unwrap_err().to_string();
    assert!(error.contains("merge_hour@1 cannot be started") && error.contains("Rate exceeded"), "{error}");
    assert_eq!(fake.calls().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_lost_joins_the_query_it_may_have_started() {
    let (fake, engine) = engine(Script { starts: [Err(lost())].into(), ..all_good() }, as_is).await;
    engine.query(&statement("SELECT 1")).await.unwrap();
    let tokens = fake.tokens();
    assert_eq!((tokens.len(), &tokens[0]), (2, &tokens[1]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_lost_is_an_error_soon() {
    let starts = std::iter::repeat_n(Err(lost()), 50).collect();
    let (fake, engine) = engine(Script { starts, ..all_good() }, as_is).await;
    assert!(engine.query(&statement("SELECT 1")).await.is_err());
    assert_eq!(fake.calls().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_athena_refuses_is_not_sent_again() {
    let starts = [Err(refused("line 1:8: mismatched\ninput 'FRM'"))].into();
    let (fake, engine) = engine(Script { starts, ..all_good() }, as_is).await;
    let error = engine.execute(&statement(CTAS)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "merge_hour@1 cannot be started on Athena: InvalidRequestException: line 1:8: mismatched input 'FRM'"
    );
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn looks_and_pages_are_repeated_while_athena_is_busy() {
    let script = Script {
        gets: [Err(throttled()), Err(lost()), Ok(succeeded(7))].into(),
        results: [Err(throttled()), Ok(page(&["n"], true, &[&[Some("1")]]))].into(),
        ..Script::default()
    };
    let (fake, engine) = engine(script, as_is).await;
    let rows = engine.query(&statement("SELECT 1 AS n")).await.unwrap();
    assert_eq!(rows.rows, [[Some("1".to_owned())]]);
    assert_eq!(fake.count(|call| matches!(call, Call::Start { .. })), 1);
    assert_eq!(fake.count(|call| matches!(call, Call::Get(_))), 3);
    assert_eq!(fake.count(|call| matches!(call, Call::Results { .. })), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_look_or_a_page_names_the_execution() {
    let script = Script { gets: [Err(refused("who?"))].into(), ..Script::default() };
    let (_, blind) = engine(script, as_is).await;
    let error = blind.execute(&statement(UNLOAD)).await.unwrap_err().to_string();
    assert!(error.contains("merge_hour@1") && error.contains("execution query-1") && error.contains("who?"), "{error}");

    let script = Script { results: [Err(refused("Could not find results"))].into(), ..all_good() };
    let (_, mute) = engine(script, as_is).await;
    let error = mute.query(&statement("SELECT 1")).await.unwrap_err().to_string();
    assert!(error.contains("execution query-1") && error.contains("Could not find results"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_statement_joins_one_that_was_started_with_its_token() {
    let (fake, engine) = engine(Script { workgroup: [Ok(Workgroup::default())].into(), ..all_good() }, |config| {
        config.athena.output = "s3://bucket/results".to_owned();
    })
    .await;
    let mut named = statement(UNLOAD);
    named.token = Some("merge 2023-01-31T06 of fingerprint 1".to_owned());
    engine.execute(&named).await.unwrap();
    engine.execute(&named).await.unwrap();
    engine.execute(&statement(UNLOAD)).await.unwrap();
    engine.execute(&statement(UNLOAD)).await.unwrap();
    let tokens = fake.tokens();
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[1], tokens[2]);
    assert_ne!(tokens[2], tokens[3]);
}
