//! What Athena refuses, and what it takes from a call.

use aws_sdk_athena::error::ProvideErrorMetadata;
use meterlake_core::store::Store;

use super::{StandIn, cells, some};

/// Athena takes no longer statement, in bytes.
const LONGEST: usize = 262_144;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_brings_one_statement_of_262144_bytes_at_most() {
    let stand_in = StandIn::new().await;
    let padded = |length: usize| format!("SELECT 1 /*{}*/", "é".repeat((length - 13) / 2));
    let longest = padded(LONGEST - 1) + " ";
    assert_eq!(longest.len(), LONGEST);
    assert_eq!(stand_in.rows(&longest).await, [[some("1")]]);
    let refused = async |sql: String| {
        let error = stand_in.client.start_query_execution().query_string(sql).send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidRequestException"));
        error.message().unwrap().to_owned()
    };
    assert!(refused(longest + " ").await.contains("length between 1 and 262144"));
    assert!(refused(String::new()).await.contains("length between 1 and 262144"));
    let two = "SELECT 1; SELECT 2";
    assert_eq!(refused(two.to_owned()).await, format!("Only one sql statement is allowed. Got: {two}"));
    assert_eq!(stand_in.rows("SELECT 1;").await, [[some("1")]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_names_one_execution_for_ever_even_one_that_failed() {
    let stand_in = StandIn::new().await;
    let start = async |token: &str, sql: &str| {
        let start = stand_in.client.start_query_execution().query_string(sql).client_request_token(token);
        start.send().await.map(|started| started.query_execution_id.unwrap())
    };
    let (token, other) = ("t".repeat(32), "t".repeat(128));
    let id = start(&token, "SELECT * FROM nowhere").await.unwrap();
    assert_eq!(start(&token, "SELECT * FROM nowhere").await.unwrap(), id);
    stand_in.wait(&id).await;
    assert_eq!(start(&token, "SELECT * FROM nowhere").await.unwrap(), id);
    assert_ne!(start(&other, "SELECT * FROM nowhere").await.unwrap(), id);
    let error = start(&token, "SELECT 1").await.unwrap_err();
    assert_eq!(error.message(), Some("Idempotent parameters do not match"));
    for wrong in ["t".repeat(31), "t".repeat(129)] {
        let error = start(&wrong, "SELECT 1").await.unwrap_err();
        assert!(error.message().unwrap().contains("length between 32 and 128"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_place_of_question_marks() {
    let stand_in = StandIn::new().await;
    let run = async |parameters: &[&str]| {
        let parameters = parameters.iter().map(|&text| text.to_owned()).collect();
        let start = stand_in.client.start_query_execution().query_string("SELECT ? AS a, '?' AS b, ? + 1 AS c");
        let started = start.set_execution_parameters(Some(parameters)).send().await.unwrap();
        stand_in.wait(started.query_execution_id().unwrap()).await
    };
    let parameters = ["'it''s ?'", "41"];
    let execution = run(&parameters).await;
    assert_eq!(execution.execution_parameters(), parameters);
    let rows = cells(&stand_in.results(&execution).await);
    assert_eq!(rows[1], [some("it's ?"), some("?"), some("42")]);
    let reason = super::reason(&run(&["1"]).await);
    assert_eq!(reason, "Incorrect number of parameters: expected 2 but found 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_writes_a_hundred_partitions_and_no_more() {
    let stand_in = StandIn::new().await;
    let numbers = |count: u32| format!("SELECT n AS v, n FROM UNNEST(sequence(1, {count})) AS t(n)");
    let create = |table: &str, count: u32| {
        format!("CREATE TABLE {table} WITH (partitioned_by = ARRAY['n']) AS {}", numbers(count))
    };
    stand_in.succeed(&create("most", 100)).await;
    assert_eq!(stand_in.cell("SELECT count(*) FROM most").await, some("100"));
    let folder = stand_in.root.join("unloaded");
    let unload =
        format!("UNLOAD ({}) TO '{folder}/' WITH (format = 'PARQUET', partitioned_by = ARRAY['n'])", numbers(101));
    for sql in [create("more", 101), unload, format!("INSERT INTO most {}", numbers(101))] {
        let reason = stand_in.failure(&sql).await;
        assert!(reason.starts_with("HIVE_TOO_MANY_OPEN_PARTITIONS: "), "{sql}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tables_cannot_be_created_into_one_folder() {
    let stand_in = StandIn::new().await;
    let folder = stand_in.root.join("t");
    let create = |table: &str| format!("CREATE TABLE {table} WITH (external_location = '{folder}/') AS SELECT 1 AS n");
    stand_in.succeed(&create("one")).await;
    let written = stand_in.store.list(&folder).await.unwrap().len();
    let reason = stand_in.failure(&create("two")).await;
    assert!(reason.starts_with("HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists"), "{reason}");
    assert_eq!(stand_in.store.list(&folder).await.unwrap().len(), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_query_is_said_in_athenas_words() {
    let stand_in = StandIn::new().await;
    for (sql, expected) in [
        ("SELECT * FROM nowhere", "TABLE_NOT_FOUND: Table 'awsdatacatalog."),
        ("SELECT x FROM (VALUES (1)) AS t(y)", "COLUMN_NOT_FOUND: Column 'x' cannot be resolved"),
        ("CREATE TABLE t AS SELECT 1 AS n, 2 AS n", "SYNTAX_ERROR: Column name 'n' specified more than once"),
        ("CREATE TABLE t AS SELECT NULL AS n", "SYNTAX_ERROR: Column type is unknown: n"),
    ] {
        let reason = stand_in.failure(sql).await;
        assert!(reason.starts_with(expected), "{sql}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_quoted_as_in_hive_by_ddl_and_as_in_trino_by_queries() {
    let stand_in = StandIn::new().await;
    let create = |column: &str| {
        format!("CREATE EXTERNAL TABLE t ({column} string) STORED AS PARQUET LOCATION '{}/'", stand_in.root.join("t"))
    };
    for column in ["user", "date", "timestamp", "\"user\""] {
        stand_in.failure(&create(column)).await;
    }
    stand_in.succeed(&create("`User`")).await;
    stand_in.failure("SELECT `user` FROM t").await;
    // Names have no case, and are kept in lower case.
    let columns = stand_in.succeed("SELECT \"USER\" FROM T").await;
    assert_eq!(cells(&stand_in.results(&columns).await), [[some("user")]]);
}
