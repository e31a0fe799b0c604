//! The engine Athena against the stand-in, which runs statements over the emulator's S3 and Glue.

use std::sync::Arc;

use athena_local::{AthenaLocal, Fault, State, WorkGroup, serve};
use aws_config::retry::RetryConfig;
use meterlake_aws::{AthenaEngine, S3Store};
use meterlake_core::config::Config;
use meterlake_core::engine::{Engine, Rows, Statement, StatementFailed};
use meterlake_core::location::Location;
use meterlake_core::store::Store;
use meterlake_tests::ministack::{bucket, sdk_config, sdk_config_for};
use tokio::net::TcpListener;

/// A stand-in of its own, with a bucket and a database of its own.
struct Lake {
    athena: Arc<AthenaLocal>,
    engine: AthenaEngine,
    store: S3Store,
    root: Location,
    database: String,
}

impl Lake {
    async fn new() -> Self {
        let root = bucket().await;
        let sdk = sdk_config();
        let workgroup = WorkGroup { output: Some(root.join("results")), ..WorkGroup::default() };
        let athena = Arc::new(AthenaLocal::new(&sdk, &sdk, workgroup).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::clone(&athena)));
        // The SDK's own retries would hide the engine's.
        let client = sdk_config_for(&endpoint).into_builder().retry_config(RetryConfig::disabled()).build();
        let database = root.bucket_and_key().unwrap().0.replace('-', "_");
        let config = Config { database: database.parse().unwrap(), lake: root.clone(), ..Config::default() };
        let engine = AthenaEngine::open(&config, &client).await.unwrap();
        let lake = Self { athena, engine, store: S3Store::new(&sdk), root, database };
        lake.execute(&format!("CREATE DATABASE IF NOT EXISTS `{}`", lake.database)).await;
        lake
    }

    fn statement(&self, sql: &str) -> Statement {
        Statement {
            label: "test_statement@1".to_owned(),
            sql: sql.to_owned(),
            database: self.database.parse().unwrap(),
            token: None,
        }
    }

    async fn execute(&self, sql: &str) -> u64 {
        self.engine.execute(&self.statement(sql)).await.unwrap().rows
    }

    async fn query(&self, sql: &str) -> Rows {
        self.engine.query(&self.statement(sql)).await.unwrap()
    }

    async fn error(&self, sql: &str) -> anyhow::Error {
        self.engine.execute(&self.statement(sql)).await.unwrap_err()
    }

    /// A table of text with some numbers, in two partitions.
    async fn numbers(&self, count: u32) {
        let folder = self.root.join("numbers");
        self.execute(&format!(
            "CREATE EXTERNAL TABLE numbers (n string) PARTITIONED BY (half int) ROW FORMAT DELIMITED FIELDS TERMINATED \
             BY '\\t' LOCATION '{folder}/'"
        ))
        .await;
        for half in 0..2 {
            let lines: String = (0..count).filter(|n| n % 2 == half).map(|n| format!("{n}\n")).collect();
            self.store.write(&folder.join(&format!("half={half}/a")), lines.as_bytes()).await.unwrap();
        }
        self.execute("ALTER TABLE numbers ADD PARTITION (half=0) PARTITION (half=1)").await;
    }

    /// How many executions there were of statements that begin so.
    fn executions_of(&self, start: &str) -> usize {
        self.athena.executions().iter().filter(|execution| execution.sql.starts_with(start)).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_select_gives_all_rows_over_several_pages_and_no_header_among_them() {
    let lake = Lake::new().await;
    lake.numbers(2500).await;
    let rows = lake.query("SELECT n, nullif(n, '7') AS but_7 FROM numbers ORDER BY cast(n AS int)").await;
    assert_eq!(rows.columns, ["n", "but_7"]);
    assert_eq!(rows.rows.len(), 2500);
    assert_eq!(rows.rows[7], [Some("7".to_owned()), None]);
    assert_eq!(rows.rows[2499], [Some("2499".to_owned()), Some("2499".to_owned())]);
    assert!(rows.scan.bytes > 0);

    let last = lake.athena.executions().pop().unwrap();
    let csv = lake.store.read(&lake.root.join(&format!("results/{}.csv", last.id))).await.unwrap().unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.starts_with("\"n\",\"but_7\"\n\"0\",\"0\"\n"), "{}", &csv[..40]);
    assert_eq!(csv.lines().count(), 2501);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_and_columns_are_shown_as_they_are() {
    let lake = Lake::new().await;
    lake.numbers(4).await;
    let cell = |text: &str| Some(text.to_owned());
    assert_eq!(lake.query("SHOW PARTITIONS numbers").await.rows, [[cell("half=0")], [cell("half=1")]]);
    let columns = lake.query("DESCRIBE numbers").await;
    assert_eq!(columns.columns, ["col_name", "data_type", "comment"]);
    assert_eq!(columns.rows[0], [cell("n"), cell("string"), cell("")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_created_from_a_query_once_and_never_into_a_folder_with_something_in_it() {
    let lake = Lake::new().await;
    lake.numbers(10).await;
    let create = |table: &str| {
        let folder = lake.root.join("copy");
        format!(
            "CREATE TABLE {table} WITH (format = 'PARQUET', external_location = '{folder}/', partitioned_by = \
             ARRAY['half']) AS SELECT n, half FROM numbers"
        )
    };
    assert_eq!(lake.execute(&create("copy")).await, 10);
    assert_eq!(lake.query("SELECT count(*) FROM copy WHERE half = 1").await.rows, [[Some("5".to_owned())]]);
    let error = lake.error(&create("other")).await.to_string();
    assert!(error.contains("HIVE_PATH_ALREADY_EXISTS"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_unloaded_into_files_that_a_manifest_names() {
    let lake = Lake::new().await;
    lake.numbers(10).await;
    let folder = lake.root.join("unloaded");
    let unload = format!("UNLOAD (SELECT n FROM numbers) TO '{folder}/' WITH (format = 'PARQUET')");
    lake.execute(&unload).await;
    let last = lake.athena.executions().pop().unwrap();
    let manifest = lake.store.read(&lake.root.join(&format!("results/{}-manifest.csv", last.id))).await.unwrap();
    let mut named: Vec<String> = String::from_utf8(manifest.unwrap()).unwrap().lines().map(str::to_owned).collect();
    named.sort();
    let written = lake.store.list(&folder).await.unwrap();
    assert_eq!(named, written.iter().map(|object| object.location.to_string()).collect::<Vec<_>>());
    assert!(!named.is_empty());
    let error = lake.error(&unload).await.to_string();
    assert!(error.contains("HIVE_PATH_ALREADY_EXISTS"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_with_the_same_token_and_text_are_one_execution() {
    let lake = Lake::new().await;
    lake.numbers(10).await;
    let insert = |sql: &str| Statement { token: Some("copy 2023-01-31T06".to_owned()), ..lake.statement(sql) };
    let sql = format!("UNLOAD (SELECT n FROM numbers) TO '{}/' WITH (format = 'PARQUET')", lake.root.join("once"));
    let (sql, other) = (insert(&sql), insert("SELECT 2"));
    let both = tokio::join!(lake.engine.execute(&sql), lake.engine.execute(&sql));
    both.0.unwrap();
    both.1.unwrap();
    lake.engine.execute(&sql).await.unwrap();
    assert_eq!(lake.executions_of("UNLOAD"), 1);
    // With another text it is another piece of work, which Athena would refuse under the same token.
    lake.engine.execute(&other).await.unwrap();
    assert_eq!(lake.executions_of("SELECT 2"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_throttled_are_made_again() {
    let lake = Lake::new().await;
    for operation in ["StartQueryExecution", "GetQueryExecution", "GetQueryResults"] {
        lake.athena.faults().throttle(operation, 1);
    }
    assert_eq!(lake.query("SELECT 1 AS n").await.rows, [[Some("1".to_owned())]]);
    assert_eq!(lake.executions_of("SELECT"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_failed_for_good_is_told_by_its_name_and_its_execution() {
    let lake = Lake::new().await;
    lake.athena.faults().spoil(1, Fault::FailsBefore { retryable: false });
    let error = lake.error("SELECT 1").await.to_string();
    let execution = lake.athena.executions().pop().unwrap();
    assert_eq!(execution.state, State::Failed);
    assert!(error.contains("test_statement@1") && error.contains(&execution.id), "{error}");
    assert_eq!(lake.executions_of("SELECT"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_may_work_later_runs_again_and_a_statement_that_writes_does_not() {
    let lake = Lake::new().await;
    lake.athena.faults().spoil(1, Fault::FailsBefore { retryable: true });
    lake.query("SELECT 1").await;
    assert_eq!(lake.executions_of("SELECT"), 2);

    lake.athena.faults().spoil(1, Fault::FailsAfter { retryable: true });
    let folder = lake.root.join("once");
    let error = lake.error(&format!("UNLOAD (SELECT 1 AS n) TO '{folder}/' WITH (format = 'PARQUET')")).await;
    assert!(error.downcast_ref::<StatementFailed>().is_some_and(|failed| failed.is_retryable), "{error}");
    assert_eq!(lake.executions_of("UNLOAD"), 1);
    assert!(!lake.store.list(&folder).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_somebody_stops_is_told_of() {
    let lake = Lake::new().await;
    lake.athena.faults().spoil(1, Fault::IsCancelled);
    let error = lake.error("SELECT 1").await.to_string();
    assert!(error.contains("was cancelled"), "{error}");
}
