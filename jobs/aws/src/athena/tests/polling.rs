use meterlake_core::engine::Engine;
use tokio::time::Duration;

use super::super::api::{Execution, State};
use super::UNLOAD;
use super::fake::{Call, Script, as_is, engine, execution, statement, succeeded};

async fn end_in(states: Vec<Execution>) -> (Vec<Call>, Result<u64, String>) {
    let script = Script { gets: states.into_iter().map(Ok).collect(), ..Script::default() };
    let (fake, engine) = engine(script, as_is).await;
    let outcome = engine.execute(&statement(UNLOAD)).await;
    (fake.calls(), outcome.map(|outcome| outcome.scan.bytes).map_err(|error| format!("{error:#}")))
}

#[tokio::test(start_paused = true)]
async fn a_query_is_watched_from_queued_over_running_to_its_end() {
    let states = [State::Queued, State::Queued, State::Running].map(execution);
    let (calls, outcome) = end_in([&states[..], &[succeeded(4096)]].concat()).await;
    assert_eq!(outcome, Ok(4096));
    assert_eq!(calls.len(), 5);
    assert!(calls[1..].iter().all(|call| *call == Call::Get("query-1".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_running_query_may_go_back_into_the_queue() {
    let states = [State::Running, State::Queued, State::Running].map(execution);
    let (calls, outcome) = end_in([&states[..], &[succeeded(1)]].concat()).await;
    assert_eq!((calls.len(), outcome), (5, Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_query_is_an_error_that_says_where_and_why() {
    let cancelled = Execution {
        reason: Some("Query cancelled by user".to_owned()),
        scanned_bytes: 99,
        ..execution(State::Cancelled)
    };
    let (calls, outcome) = end_in(vec![cancelled]).await;
    assert_eq!(
        outcome.unwrap_err(),
        "merge_hour@1 was cancelled in the Athena workgroup `primary` (execution query-1, 99 bytes scanned): Query \
         cancelled by user"
    );
    assert_eq!(calls.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_query_without_a_reason_names_the_possible_ones() {
    let (_, outcome) = end_in(vec![execution(State::Cancelled)]).await;
    assert!(outcome.unwrap_err().contains("more than the workgroup allows"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_state_is_an_error_and_not_an_endless_wait() {
    let (_, outcome) = end_in(vec![execution(State::Other("PAUSED".to_owned()))]).await;
    let error = outcome.unwrap_err();
    assert!(error.contains("`PAUSED`") && error.contains("query-1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn looks_come_rarer_with_time_but_never_rarer_than_every_five_seconds() {
    let states = std::iter::repeat_n(execution(State::Running), 30).chain([succeeded(0)]);
    let script = Script { gets: states.map(Ok).collect(), ..Script::default() };
    let (fake, engine) = engine(script, as_is).await;
    engine.execute(&statement(UNLOAD)).await.unwrap();
    let mut longest = Duration::from_millis(200);
    for pause in fake.pauses() {
        assert!(pause >= longest / 2 && pause <= longest + Duration::from_millis(2), "{pause:?} of {longest:?}");
        longest = longest.mul_f64(1.5).min(Duration::from_secs(5));
    }
    // Chance plays a part: pauses of the same length would all be equal.
    let last = &fake.pauses()[20..];
    assert!(last.iter().any(|pause| *pause != last[0]));
}
