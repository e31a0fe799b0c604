use meterlake_core::engine::{Engine, StatementFailed};

use super::super::api::{Execution, State};
use super::fake::{Call, Script, as_is, engine, execution, failed, page, statement, succeeded};
use super::{CTAS, UNLOAD};

/// Whether a statement that failed may work later; `None`: it may not even be over.
fn is_retryable(error: &anyhow::Error) -> Option<bool> {
    error.downcast_ref::<StatementFailed>().map(|failed| failed.is_retryable)
}

fn is_start(call: &Call) -> bool {
    matches!(call, Call::Start { .. })
}

#[tokio::test(start_paused = true)]
async fn a_failed_query_is_not_run_again_and_says_what_athena_said() {
    let (fake, engine) = engine(Script { gets: [Ok(failed(false))].into(), ..Script::default() }, as_is).await;
    let error = engine.query(&statement("SELECT 1")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "merge_hour@1 failed on Athena (execution query-1, 123 bytes scanned, system error, type 401): \
         GENERIC_INTERNAL_ERROR: no more workers"
    );
    assert_eq!(is_retryable(&error), Some(false));
    assert_eq!(fake.count(is_start), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_query_without_details_is_not_run_again() {
    for (error, said) in [
        (Execution { error: None, ..failed(false) }, "(execution query-1, 123 bytes scanned): GENERIC"),
        (Execution { reason: None, error: None, ..failed(false) }, "Athena does not say why"),
    ] {
        let (fake, engine) = engine(Script { gets: [Ok(error)].into(), ..Script::default() }, as_is).await;
        let error = engine.query(&statement("SELECT 1")).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(fake.count(is_start), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_the_error_stands_in_for_that_of_the_state() {
    let mut execution = failed(false);
    execution.reason = None;
    execution.error.as_mut().unwrap().message = Some("HIVE_BAD_DATA".to_owned());
    execution.error.as_mut().unwrap().category = Some(2);
    let (_, engine) = engine(Script { gets: [Ok(execution)].into(), ..Script::default() }, as_is).await;
    let error = engine.query(&statement("SELECT 1")).await.unwrap_err().to_string();
    assert!(error.ends_with("user error, type 401): HIVE_BAD_DATA"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_query_is_run_again_with_another_token_where_athena_says_so() {
    let script = Script {
        gets: [Ok(failed(true)), Ok(failed(true)), Ok(succeeded(1))].into(),
        results: [Ok(page(&["n"], true, &[&[Some("1")]]))].into(),
        ..Script::default()
    };
    let (fake, engine) = engine(script, as_is).await;
    let rows = engine.query(&statement("SELECT 1 AS n")).await.unwrap();
    assert_eq!((rows.rows.len(), rows.scan.bytes), (1, 1));
    let mut tokens = fake.tokens();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
    // The rows are those of the attempt that worked.
    assert!(fake.calls().contains(&Call::Results { id: "query-3".to_owned(), token: None }));
}

#[tokio::test(start_paused = true)]
async fn a_query_is_run_three_times_at_most() {
    let (fake, engine) = engine(Script { gets: [Ok(failed(true))].into(), ..Script::default() }, as_is).await;
    let error = engine.query(&statement("SELECT 1")).await.unwrap_err();
    assert!(error.to_string().ends_with("tried 3 times") && error.to_string().contains("query-3"), "{error}");
    assert_eq!(fake.count(is_start), 3);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_fails_finally_after_a_passing_failure_is_not_run_again() {
    let gets = [Ok(failed(true)), Ok(failed(false))].into();
    let (fake, engine) = engine(Script { gets, ..Script::default() }, as_is).await;
    assert!(engine.query(&statement("SELECT 1")).await.is_err());
    assert_eq!(fake.count(is_start), 2);
}

#[tokio::test(start_paused = true)]
async fn what_writes_is_left_to_the_job_to_begin_afresh() {
    for sql in [CTAS, UNLOAD, "INSERT INTO t SELECT 1"] {
        let (fake, engine) = engine(Script { gets: [Ok(failed(true))].into(), ..Script::default() }, as_is).await;
        let error = engine.execute(&statement(sql)).await.unwrap_err().context("cannot merge the hour 2023-01-31T06");
        assert_eq!(is_retryable(&error), Some(true));
        assert!(format!("{error:#}").contains("may work if it is run again"), "{error:#}");
        assert_eq!(fake.count(is_start), 1, "{sql}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_writes_and_fails_for_good_is_not_to_be_begun_afresh() {
    for state in [failed(false), execution(State::Cancelled)] {
        let (fake, engine) = engine(Script { gets: [Ok(state)].into(), ..Script::default() }, as_is).await;
        let error = engine.execute(&statement(CTAS)).await.unwrap_err();
        assert_eq!(is_retryable(&error), Some(false));
        assert_eq!(fake.count(is_start), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_query_is_not_run_again() {
    let gets = [Ok(execution(State::Cancelled))].into();
    let (fake, engine) = engine(Script { gets, ..Script::default() }, as_is).await;
    assert!(engine.query(&statement("SELECT 1")).await.is_err());
    assert_eq!(fake.count(is_start), 1);
}

#[tokio::test(start_paused = true)]
async fn a_definition_is_run_again_where_athena_says_so() {
    let gets = [Ok(failed(true)), Ok(succeeded(0))].into();
    let (fake, engine) = engine(Script { gets, ..Script::default() }, as_is).await;
    engine.execute(&statement("MSCK REPAIR TABLE `metering`.`raw`")).await.unwrap();
    assert_eq!(fake.count(is_start), 2);
}
