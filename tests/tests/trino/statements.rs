//! What the stand-in makes of Athena's statements where a Trino runs them.

use std::time::Duration;

use athena_local::{Query, Trino};
use meterlake_core::engine::Statement;
use meterlake_core::lake::Lake;
use meterlake_tests::lake::Row;
use meterlake_tests::lakes::lake_on_trino;
use meterlake_tests::trino::trino;

/// How long a query may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

fn statement(lake: &Lake, sql: &str) -> Statement {
    let (label, sql, database) = ("a statement".to_owned(), sql.to_owned(), lake.config.database.clone());
    Statement { label, sql, database, token: None }
}

async fn execute(lake: &Lake, sql: &str) -> u64 {
    lake.engine.execute(&statement(lake, sql)).await.unwrap_or_else(|error| panic!("{error:#}")).rows
}

async fn rows(lake: &Lake, sql: &str) -> Vec<Row> {
    lake.engine.query(&statement(lake, sql)).await.unwrap_or_else(|error| panic!("{error:#}")).rows
}

async fn error(lake: &Lake, sql: &str) -> String {
    format!("{:#}", lake.engine.execute(&statement(lake, sql)).await.unwrap_err())
}

/// A lake with an empty database.
async fn lake(trino: &Trino) -> Lake {
    let lake = lake_on_trino(trino).await;
    execute(&lake, &format!("CREATE DATABASE `{}`", lake.config.database)).await;
    lake
}

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|&cell| Some(cell.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_written_added_to_and_unloaded() {
    let Some(trino) = trino() else { return };
    let lake = lake(&trino).await;
    let folder = |name: &str| lake.config.lake.join(name);
    let create = format!(
        "CREATE TABLE t WITH (format = 'PARQUET', write_compression = 'ZSTD', external_location = '{}/', partitioned_by = \
         ARRAY['half']) AS SELECT n, TIMESTAMP '2023-01-31 06:22:15.166' AS at, n % 2 AS half FROM UNNEST(sequence(1, 10)) \
         AS s(n)",
        folder("t")
    );
    assert_eq!(execute(&lake, &create).await, 10);
    assert_eq!(execute(&lake, "INSERT INTO t VALUES (11, TIMESTAMP '2023-02-01 00:00:00', 1)").await, 1);
    let query = "SELECT n, at, half FROM t WHERE n IN (2, 11) ORDER BY n";
    let found = lake.engine.query(&statement(&lake, query)).await.unwrap();
    let expected = [["2", "2023-01-31 06:22:15.166", "0"], ["11", "2023-02-01 00:00:00.000", "1"]];
    assert_eq!(found.rows, expected.map(|cells| row(&cells)));
    assert!(found.scan.bytes > 0);
    assert_eq!(rows(&lake, "SHOW PARTITIONS t").await, [row(&["half=0"]), row(&["half=1"])]);

    let unload = format!("UNLOAD (SELECT n FROM t) TO '{}/' WITH (format = 'JSON')", folder("unloaded"));
    execute(&lake, &unload).await;
    assert!(!lake.store.list(&folder("unloaded")).await.unwrap().is_empty());
    assert_eq!(rows(&lake, "SHOW TABLES").await, [row(&["t"])]);
    let error = error(&lake, &unload).await;
    assert!(error.contains("HIVE_PATH_ALREADY_EXISTS") && error.contains("manually clean the data"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_in_athenas_words_and_placed_in_the_statement_as_it_was_given() {
    let Some(trino) = trino() else { return };
    let lake = lake(&trino).await;
    let folder = lake.config.lake.join("f");
    for (sql, message) in [
        ("SELECT 1 +".to_owned(), "SYNTAX_ERROR: line 1:11: mismatched input '<EOF>'"),
        ("SELECT 1\n FROM nowhere".to_owned(), "TABLE_NOT_FOUND: line 2:7: Table 'awsdatacatalog."),
        (
            "SELECT length(1)".to_owned(),
            "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for function length",
        ),
        ("SELECT CAST('x' AS bigint)".to_owned(), "INVALID_CAST_ARGUMENT: Cannot cast 'x' to BIGINT"),
        (
            format!("UNLOAD (SELECT 1 AS n, nope) TO '{folder}' WITH (format = 'PARQUET')"),
            "COLUMN_NOT_FOUND: line 1:24: Column 'nope' cannot be resolved",
        ),
        (
            format!("CREATE TABLE t WITH (external_location = '{folder}') AS SELECT 1 AS n, 2 AS n"),
            "Column name 'n' specified more than once",
        ),
    ] {
        let error = error(&lake, &sql).await;
        assert!(error.contains(message), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_nobody_waits_for_is_stopped() {
    let Some(trino) = trino() else { return };
    let run = async |sql: &str| trino.run(&Query { sql, database: "default", property: None }).await;
    let numbers = "UNNEST(sequence(1, 10000))";
    let slow = format!("SELECT count(*) AS slow FROM {numbers} AS a(x), {numbers} AS b(y), {numbers} AS c(z)");
    let running = "SELECT count(*) FROM system.runtime.queries WHERE query LIKE '%AS slow FROM%' AND state = 'RUNNING' AND \
                   query NOT LIKE '%runtime%'";
    let until_running = async |count: &str| {
        while run(running).await.unwrap().rows != [row(&[count])] {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let asked = tokio::select! {
        answer = run(&slow) => panic!("it ended: {:?}", answer.map(|answer| answer.rows)),
        asked = tokio::time::timeout(PATIENCE, until_running("1")) => asked,
    };
    asked.expect("a query that runs");
    tokio::time::timeout(PATIENCE, until_running("0")).await.expect("a query that was stopped");
}
