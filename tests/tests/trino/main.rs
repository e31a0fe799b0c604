//! The SQL on a real Trino, which Athena's engine is.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[tokio::test(flavor = "multi_thread")]
async fn a_query_runs() {
    let Some(trino) = meterlake_tests::trino::trino() else { return };
    let answer = trino
        .run(&athena_local::Query {
            sql: "SELECT 1 AS n, ROW(1, 'x') r, MAP(ARRAY['b','a'], ARRAY[X'01', NULL]) m",
            database: "default",
            property: None,
        })
        .await
        .unwrap();
    assert_eq!(format!("{:?}", answer.rows), "");
}
