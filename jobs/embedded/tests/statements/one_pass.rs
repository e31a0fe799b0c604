//! A statement of merge's shape: what it gives, and how it is planned.

use super::*;

/// A statement of merge's shape: lines become records, pieces of lines, calls, copies and malformed lines in one pass.
const SPLIT_BY_KIND: &str = r#"
CREATE TABLE kinds WITH (format = 'PARQUET', external_location = 'LAKE/kinds', partitioned_by = ARRAY['kind']) AS
WITH texts AS (
  SELECT "$path" AS path, trim(from_utf8(to_utf8(coalesce(line, '\N')))) AS line, rest IS NULL AS is_whole FROM lines
),
pieces AS (
  SELECT path, is_whole, CAST(IF(cardinality(parts) > 1, number, 0) AS integer) AS piece, text
  FROM (
    SELECT *, IF(any_match(seams, seam -> try(json_parse(seam)) IS NOT NULL OR seam = '-'), seams, ARRAY[line]) AS parts
    FROM (
      SELECT *, CASE WHEN regexp_like(line, '\}(\s|,|\\[nr])*\{\s*"') AND length(to_utf8(line)) <= 1000 AND try(json_parse(line)) IS NULL
        THEN split(regexp_replace(line, '\}(?:\s|,|\\[nr])*\{(\s*")', U&'}\000a{$1'), U&'\000a') END AS seams
      FROM texts WHERE line <> '' OR NOT is_whole
    )
  ) CROSS JOIN UNNEST(parts) WITH ORDINALITY AS t(text, number)
),
records AS (
  SELECT *, substr(sha256(to_utf8(text)), 1, 16) AS copy_key, CASE WHEN is_whole AND text LIKE '{%' THEN coalesce(
    try(CAST(json_parse(text) AS ROW(id varchar, "user" varchar, at varchar))),
    try(CAST(json_parse(regexp_replace(text, ':\s*-\s*([,}])', ':"-"$1')) AS ROW(id varchar, "user" varchar, at varchar)))
  ) END AS record
  FROM pieces
),
numbers AS (
  SELECT path, piece, copy_key, record.id, record."user" AS name, record IS NULL AS is_bad,
    IF(record IS NULL, substr(text, 1, 20)) AS text,
    CASE WHEN regexp_like(trim(record.at), '^[0-9]{1,20}$') THEN try_cast(trim(record.at) AS double) END AS ms
  FROM records
),
times AS (
  SELECT *, date_add('millisecond', CAST(ms AS bigint) % 86400000,
    date_add('day', CAST(ms AS bigint) / 86400000, TIMESTAMP '1970-01-01 00:00:00.000')) AS at FROM numbers
),
known AS (
  SELECT DISTINCT copy_key FROM (SELECT copy_key FROM before WHERE hour = 5 UNION ALL SELECT copy_key FROM before WHERE hour = 4)
),
labelled AS (
  SELECT times.*, CASE
    WHEN is_bad THEN 'malformed'
    WHEN known.copy_key IS NOT NULL OR row_number() OVER (PARTITION BY times.copy_key, is_bad) > 1 THEN 'copy'
    ELSE 'call' END AS kind
  FROM times LEFT JOIN known ON known.copy_key = times.copy_key
)
SELECT id, name, at, piece, text, copy_key, kind FROM labelled"#;

impl Fixture {
    async fn with_raw_lines(self, lines: &str) -> Self {
        self.write("raw/a.log", lines);
        self.run(
            "CREATE EXTERNAL TABLE `lines` (`line` string, `rest` string)
             ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\001' LOCATION 'LAKE/raw'",
        )
        .await;
        self.run(
            "CREATE EXTERNAL TABLE `before` (`copy_key` binary) PARTITIONED BY (`hour` int) STORED AS PARQUET
             LOCATION 'LAKE/before'",
        )
        .await;
        self.run("INSERT INTO before SELECT substr(sha256(to_utf8('{\"id\":\"old\"}')), 1, 16), 5").await;
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_become_calls_copies_and_malformed_lines_in_one_statement() {
    let lines = concat!(
        r#"{"id":"a","user":"u","at":1675146135164}"#,
        "\n  \n",
        r#" {"id":"a","user":"u","at":1675146135164}"#,
        "\n",
        r#"{"id":"old"}"#,
        "\n",
        r#"{"ID":"-","at": - }"#,
        "\n",
        r#"{"id":"b"}{"id":"c"} , {"id":d}{"id":"e","user":"}y{"}"#,
        "\nnot JSON\nnot JSON\n",
        "{\"id\":\"x\"}\u{1}rest\n",
    );
    let lake = Fixture::new().await.with_raw_lines(lines).await;
    assert_eq!(lake.run(SPLIT_BY_KIND).await.rows, 11);
    assert_eq!(lake.lines("SHOW PARTITIONS kinds").await, ["kind=call", "kind=copy", "kind=malformed"]);
    assert_eq!(
        lake.lines("SELECT kind, id, name, at, piece, text FROM kinds ORDER BY kind, piece, id, text").await,
        [
            "call - ~ ~ 0 ~",
            "call a u 2023-01-31 06:22:15.164 0 ~",
            "call b ~ ~ 1 ~",
            "call c ~ ~ 2 ~",
            "call e }y{ ~ 4 ~",
            "copy a u 2023-01-31 06:22:15.164 0 ~",
            "copy old ~ ~ 0 ~",
            "malformed ~ ~ ~ 0 not JSON",
            "malformed ~ ~ ~ 0 not JSON",
            "malformed ~ ~ ~ 0 {\"id\":\"x\"}",
            "malformed ~ ~ ~ 3 {\"id\":d}",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn such_a_statement_sorts_and_joins_nothing_and_reads_a_record_once() {
    let lake = Fixture::new().await.with_raw_lines("{}\n").await;
    let query = SPLIT_BY_KIND.split_once("AS\nWITH").unwrap().1;
    let plan = lake.lines(&format!("EXPLAIN WITH{query}")).await.join("\n");
    for dear in ["Sort", "Join", "Window", "Aggregate", "Hash("] {
        assert!(!plan.contains(dear), "{dear} in\n{plan}");
    }
    assert_eq!(plan.matches("KeyLabelExec").count(), 2, "{plan}");
    assert_eq!(plan.matches("try_json_to_row(").count(), 2, "{plan}");
    assert_eq!(plan.matches("sha256").count(), 1, "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_rows_has_no_folder() {
    let lake = Fixture::new().await.with_raw_lines("{\"id\":\"a\"}\n").await;
    assert_eq!(lake.run(SPLIT_BY_KIND).await.rows, 1);
    assert_eq!(lake.lines("SHOW PARTITIONS kinds").await, ["kind=call"]);
    assert!(!lake.folder.path().join("kinds/kind=malformed").exists());
}
