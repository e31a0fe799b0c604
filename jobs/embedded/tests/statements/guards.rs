//! Conditions shut rows out before what stands behind them is computed, and columns of a result that have one name.

use crate::Fixture;

/// A table with numbers, and with a bare `-` where there is none, as raw logs have them.
async fn with_values() -> Fixture {
    let lake = Fixture::new().await;
    lake.write("values/hour=6/a", "12\n-\n345\n");
    lake.write("values/hour=0/b", "-\n7\n");
    lake.run(
        "CREATE EXTERNAL TABLE numbers (x string, rest string) PARTITIONED BY (hour int)
         ROW FORMAT DELIMITED FIELDS TERMINATED BY '\u{1}' LOCATION 'LAKE/values'",
    )
    .await;
    lake.run("MSCK REPAIR TABLE numbers").await;
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_shuts_rows_out_wherever_it_stands() {
    let lake = with_values().await;
    let (guard, number) = ("x <> '-'", "CAST(x AS bigint) > 10");
    for (sql, expected) in [
        (format!("SELECT count(*) FROM numbers WHERE {guard} AND {number}"), "2"),
        (format!("SELECT count(*) FROM numbers WHERE {number} AND {guard} AND CAST(x AS bigint) < 100"), "1"),
        (format!("SELECT count(*) FROM numbers WHERE NOT ({guard}) OR {number}"), "4"),
        (format!("SELECT count_if({guard} AND {number}) FROM numbers"), "2"),
        (format!("SELECT count(*) FILTER (WHERE {guard} AND {number}) FROM numbers"), "2"),
        (
            format!("SELECT count_if(CASE WHEN regexp_like(x, '^[0-9]+$') THEN {number} ELSE false END) FROM numbers"),
            "2",
        ),
        (
            format!(
                "SELECT count(*) FROM (SELECT CAST(x AS bigint) AS n FROM numbers WHERE {guard}) WHERE n > 10 AND n < 99"
            ),
            "1",
        ),
        // The keys of partitions are looked at before anything is read.
        ("SELECT count(*) FROM numbers WHERE hour <> 0 AND 60 / hour > 5".to_owned(), "3"),
    ] {
        assert_eq!(lake.lines(&sql).await, [expected], "{sql}");
    }
    let sql = format!("SELECT {guard} AND {number}, x = '-' OR {number} FROM numbers ORDER BY x, hour");
    assert_eq!(lake.lines(&sql).await, ["false true", "false true", "true true", "true true", "false false"]);
    let error = lake.error("SELECT count(*) FROM numbers WHERE CAST(x AS bigint) > 10").await;
    assert!(error.contains("Cannot cast '-' to BIGINT"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_may_have_one_name() {
    let lake = with_values().await;
    for (sql, columns, row) in [
        ("SELECT x, x FROM numbers WHERE x = '7'", &["x", "x"][..], "7 7"),
        ("SELECT *, x FROM numbers WHERE x = '7'", &["x", "rest", "hour", "x"], "7 ~ 0 7"),
        ("SELECT a.x, b.x FROM numbers a JOIN numbers b ON a.x = b.x WHERE a.x = '7'", &["x", "x"], "7 7"),
        ("SELECT hour AS n, x AS n FROM numbers WHERE x = '7' ORDER BY 1", &["n", "n"], "0 7"),
    ] {
        assert_eq!(lake.query(sql).await.columns, columns, "{sql}");
        assert_eq!(lake.lines(sql).await, [row], "{sql}");
    }
    let error =
        lake.error("CREATE TABLE twice WITH (external_location = 'LAKE/twice') AS SELECT x, x FROM numbers").await;
    assert!(error.contains("the result has two columns `x`"), "{error}");
}
