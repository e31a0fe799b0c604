use std::time::Duration;

use meterlake_core::config::Config;
use meterlake_core::engine::Engine;
use tokio::time::{sleep, timeout};

use super::super::api::State;
use super::UNLOAD;
use super::fake::{Call, Script, as_is, engine, execution, failed, refused, statement, succeeded};

fn running() -> Script {
    Script { gets: [Ok(execution(State::Running))].into(), ..Script::default() }
}

fn stopping(config: &mut Config) {
    config.athena.stop_on_exit = true;
}

fn is_stop(call: &Call) -> bool {
    *call == Call::Stop("query-1".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_query_runs_on_when_nobody_waits_any_more() {
    let (fake, engine) = engine(running(), as_is).await;
    timeout(Duration::from_secs(60), engine.execute(&statement(UNLOAD))).await.unwrap_err();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.count(is_stop), 0);
}

#[tokio::test(start_paused = true)]
async fn a_query_is_stopped_where_the_settings_say_so() {
    let (fake, engine) = engine(running(), stopping).await;
    timeout(Duration::from_secs(60), engine.execute(&statement(UNLOAD))).await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.count(is_stop), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_waits_for_the_stop() {
    let (fake, engine) = engine(running(), stopping).await;
    timeout(Duration::from_millis(500), engine.execute(&statement(UNLOAD))).await.unwrap_err();
    assert_eq!(fake.count(is_stop), 1);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_over_is_not_stopped() {
    for (end, works) in [(succeeded(0), true), (failed(false), false), (execution(State::Cancelled), false)] {
        let (fake, engine) = engine(Script { gets: [Ok(end)].into(), ..Script::default() }, stopping).await;
        assert_eq!(engine.execute(&statement(UNLOAD)).await.is_ok(), works);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(fake.count(is_stop), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_lost_sight_of_is_stopped_where_the_settings_say_so() {
    let (fake, engine) = engine(Script { gets: [Err(refused("gone"))].into(), ..Script::default() }, stopping).await;
    engine.execute(&statement(UNLOAD)).await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.count(is_stop), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_fails_harms_nobody() {
    let script = Script { stops: [Err(refused("no"))].into(), ..running() };
    let (fake, engine) = engine(script, stopping).await;
    timeout(Duration::from_secs(60), engine.execute(&statement(UNLOAD))).await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.count(is_stop), 1);
}
