//! Queries that wait, fail, are stopped, or whose caller is not told.

use std::time::Duration;

use athena_local::{Cut, Fault, State};
use aws_sdk_athena::error::ProvideErrorMetadata;
use aws_sdk_athena::types::QueryExecutionState;
use meterlake_aws::AthenaEngine;
use meterlake_core::config::Config;
use meterlake_core::engine::{Engine, Statement};
use meterlake_core::store::Store;
use meterlake_tests::ministack::sdk_config_for;

use super::{StandIn, reason, state};

const FOREVER: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_queued_says_so_and_how_long_it_was() {
    let stand_in = StandIn::new().await;
    stand_in.athena.faults().queue_for(Duration::from_millis(200));
    let id = stand_in.start("SELECT 1").await;
    let queued = stand_in.get(&id).await;
    assert_eq!(state(&queued), QueryExecutionState::Queued);
    assert_eq!(queued.status().unwrap().completion_date_time(), None);
    let error = stand_in.client.get_query_results().query_execution_id(&id).send().await.unwrap_err();
    assert_eq!(error.message(), Some("Query has not yet finished. Current state: QUEUED"));
    let over = stand_in.wait(&id).await;
    assert_eq!(state(&over), QueryExecutionState::Succeeded);
    assert!(over.statistics().unwrap().query_queue_time_in_millis().unwrap() >= 200);
    assert!(over.status().unwrap().completion_date_time() >= over.status().unwrap().submission_date_time());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_stopped_is_cancelled_and_does_nothing_more() {
    let stand_in = StandIn::new().await;
    stand_in.athena.faults().queue_for(FOREVER);
    let id = stand_in.start("CREATE TABLE t AS SELECT 1 AS n").await;
    let stop = async |id: &str| stand_in.client.stop_query_execution().query_execution_id(id).send().await;
    stop(&id).await.unwrap();
    let stopped = stand_in.get(&id).await;
    assert_eq!(state(&stopped), QueryExecutionState::Cancelled);
    assert_eq!(reason(&stopped), "Query cancelled by user");
    // Once more, and of one that is over: nobody complains, and nothing changes.
    stop(&id).await.unwrap();
    stand_in.athena.faults().queue_for(Duration::ZERO);
    let over = stand_in.succeed("SELECT 1").await;
    stop(over.query_execution_id().unwrap()).await.unwrap();
    assert_eq!(state(&stand_in.get(over.query_execution_id().unwrap()).await), QueryExecutionState::Succeeded);
    assert!(stand_in.failure("SELECT n FROM t").await.starts_with("TABLE_NOT_FOUND: "));
    assert_eq!(stop("nobody").await.unwrap_err().code(), Some("InvalidRequestException"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_runs_can_be_stopped() {
    let stand_in = StandIn::new().await;
    // Longer than any patience, if it were left alone.
    let numbers = "UNNEST(sequence(1, 10000))";
    let id =
        stand_in.start(&format!("SELECT count(*) FROM {numbers} AS a(x), {numbers} AS b(y), {numbers} AS c(z)")).await;
    while state(&stand_in.get(&id).await) == QueryExecutionState::Queued {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stand_in.client.stop_query_execution().query_execution_id(&id).send().await.unwrap();
    assert_eq!(state(&stand_in.get(&id).await), QueryExecutionState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_whether_another_try_may_work() {
    let stand_in = StandIn::new().await;
    for retryable in [true, false] {
        stand_in.athena.faults().spoil(1, Fault::FailsBefore { retryable });
        let failed = stand_in.run("SELECT 1").await;
        assert_eq!(state(&failed), QueryExecutionState::Failed);
        let error = failed.status().unwrap().athena_error().unwrap();
        assert_eq!((error.retryable(), error.error_category()), (retryable, Some(if retryable { 1 } else { 2 })));
        assert_eq!(error.error_message(), Some(reason(&failed).as_str()));
        let id = failed.query_execution_id().unwrap();
        let error = stand_in.client.get_query_results().query_execution_id(id).send().await.unwrap_err();
        assert_eq!(error.message(), Some("Query did not finish successfully. Final query state: FAILED"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_fails_after_its_work_leaves_its_files() {
    let stand_in = StandIn::new().await;
    stand_in.athena.faults().spoil(1, Fault::FailsAfter { retryable: true });
    let folder = stand_in.root.join("t");
    let create = |table: &str| format!("CREATE TABLE {table} WITH (external_location = '{folder}/') AS SELECT 1 AS n");
    stand_in.failure(&create("t")).await;
    assert!(!stand_in.store.list(&folder).await.unwrap().is_empty());
    let reason = stand_in.failure(&create("other")).await;
    assert!(reason.starts_with("HIVE_PATH_ALREADY_EXISTS: "), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_breaks_off_before_or_after_a_call_took_effect() {
    let stand_in = StandIn::new().await;
    let token = "a token that has thirty-two characters";
    let before = stand_in.athena.executions().len();
    for (cut, expected) in [(Cut::BeforeTheCall, 0), (Cut::AfterTheCall, 1)] {
        stand_in.athena.faults().cut("StartQueryExecution", 1, cut);
        let start = stand_in.client.start_query_execution().query_string("SELECT 1").client_request_token(token);
        let error = start.send().await.unwrap_err();
        assert!(error.as_service_error().is_none(), "{error:?}");
        assert_eq!(stand_in.athena.executions().len() - before, expected, "{cut:?}");
    }
    // Whoever asks again with the token is told of the one that runs.
    let start = stand_in.client.start_query_execution().query_string("SELECT 1").client_request_token(token);
    let id = start.send().await.unwrap().query_execution_id.unwrap();
    let executions = stand_in.athena.executions();
    assert_eq!((executions.len() - before, &executions[before].id), (1, &id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_runs_a_statement_once_whatever_breaks_off() {
    let stand_in = StandIn::new().await;
    let config =
        Config { database: stand_in.database.parse().unwrap(), lake: stand_in.root.clone(), ..Config::default() };
    let engine = AthenaEngine::open(&config, &sdk_config_for(&stand_in.endpoint)).await.unwrap();
    for operation in ["StartQueryExecution", "GetQueryExecution", "GetQueryResults"] {
        stand_in.athena.faults().cut(operation, 1, Cut::AfterTheCall);
        stand_in.athena.faults().cut(operation, 1, Cut::BeforeTheCall);
    }
    let statement = Statement {
        label: "once@1".to_owned(),
        sql: "CREATE TABLE t AS SELECT 1 AS n".to_owned(),
        database: config.database,
        token: None,
    };
    assert_eq!(engine.execute(&statement).await.unwrap().rows, 1);
    let executions = stand_in.athena.executions();
    let creating: Vec<State> =
        executions.iter().filter(|execution| execution.sql == statement.sql).map(|execution| execution.state).collect();
    assert_eq!(creating, [State::Succeeded]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_gives_what_it_finds_and_an_error_for_the_rest() {
    let stand_in = StandIn::new().await;
    let ids = [stand_in.start("SELECT 1").await, "nobody".to_owned(), stand_in.start("SELECT 2").await];
    let get = async || {
        let batch = stand_in.client.batch_get_query_execution().set_query_execution_ids(Some(ids.to_vec()));
        let batch = batch.send().await.unwrap();
        let found: Vec<String> =
            batch.query_executions().iter().map(|found| found.query_execution_id().unwrap().to_owned()).collect();
        let missing = batch.unprocessed_query_execution_ids().iter();
        let missing: Vec<(String, String)> = missing
            .map(|error| (error.query_execution_id().unwrap().to_owned(), error.error_code().unwrap().to_owned()))
            .collect();
        (found, missing)
    };
    let unknown = ("nobody".to_owned(), "InvalidRequestException".to_owned());
    assert_eq!(get().await, (vec![ids[0].clone(), ids[2].clone()], vec![unknown.clone()]));
    stand_in.athena.faults().leave_unprocessed(1);
    let unprocessed = (ids[0].clone(), "INTERNAL_FAILURE".to_owned());
    assert_eq!(get().await, (vec![ids[2].clone()], vec![unprocessed, unknown.clone()]));
    assert_eq!(get().await, (vec![ids[0].clone(), ids[2].clone()], vec![unknown]));

    let too_many = stand_in.client.batch_get_query_execution().set_query_execution_ids(Some(vec!["x".to_owned(); 51]));
    assert_eq!(too_many.send().await.unwrap_err().code(), Some("InvalidRequestException"));
}
