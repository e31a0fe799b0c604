//! Athena's statements on a lake in a folder.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod guards;
mod one_pass;

use std::fs;
use std::path::Path;

use meterlake_core::config::Config;
use meterlake_core::engine::{Outcome, Rows, Statement};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use tempfile::TempDir;

struct Fixture {
    folder: TempDir,
    lake: Lake,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { lake: Location::from_path(folder.path()).unwrap(), ..Config::default() };
        let lake = meterlake_embedded::connect(config).await.unwrap();
        let fixture = Self { folder, lake };
        fixture.run("CREATE DATABASE metering").await;
        fixture
    }

    fn statement(&self, sql: &str) -> Statement {
        let sql = sql.replace("LAKE", self.lake.config.lake.as_str());
        Statement { label: "test".to_owned(), sql, database: "metering".parse().unwrap(), token: None }
    }

    async fn run(&self, sql: &str) -> Outcome {
        self.lake.engine.execute(&self.statement(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error:#}"))
    }

    async fn error(&self, sql: &str) -> String {
        let statement = self.statement(sql);
        let result = self.lake.engine.execute(&statement).await;
        format!("{:#}", result.err().unwrap_or_else(|| panic!("{sql} did not fail")))
    }

    async fn query(&self, sql: &str) -> Rows {
        self.lake.engine.query(&self.statement(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error:#}"))
    }

    /// Rows as lines, cells parted by a blank; NULL is `~`.
    async fn lines(&self, sql: &str) -> Vec<String> {
        let cell = |cell: Option<String>| cell.unwrap_or_else(|| "~".to_owned());
        let rows = self.query(sql).await.rows;
        rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
    }

    fn write(&self, path: &str, content: &str) {
        let file = self.folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// A table `lines (line string, rest string)` of text with two hours.
    async fn with_lines(self) -> Self {
        self.write("lines/hour=06/run=1/a", "a line of more than 12 bytes\n\nb\u{1}c\r\\N\r\n");
        self.write("lines/hour=06/run=2/b", "{\"id\": \"a text of more than 12 bytes\"}\n");
        self.write("lines/hour=07/run=1/c", "2023-01-31\n");
        self.write("lines/hour=07/run=1/.hidden", "no line\n");
        self.write("lines/hour=07/_run=1/hidden", "no line\n");
        self.write("lines/hour=07/empty", "");
        self.run(
            "CREATE EXTERNAL TABLE `lines` (`line` string, `rest` string) PARTITIONED BY (`hour` int)
             ROW FORMAT DELIMITED FIELDS TERMINATED BY '\u{1}' LOCATION 'LAKE/lines'",
        )
        .await;
        self.run("MSCK REPAIR TABLE lines").await;
        self
    }

    /// A table `log (id string, n bigint)` with two hours.
    async fn with_log(self) -> Self {
        self.write("log/day=01/hour=06/a.json", "{\"Id\":\"a\",\"n\":1}\n{\"Id\":\"b\",\"n\":\"2\"}\n");
        self.write("log/day=01/hour=07/c.json", "{\"ID\":\"c\",\"n\":9007199254740993}\n");
        self.write("log/day=01/hour=07/_hidden", "{\"ID\":\"x\",\"n\":1}\n");
        self.run(
            "CREATE EXTERNAL TABLE `log` (`id` string, `n` bigint) PARTITIONED BY (`day` int, `hour` int)
             ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 'LAKE/log'",
        )
        .await;
        self
    }
}

fn files(folder: &Path) -> usize {
    let count = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { 1 };
    fs::read_dir(folder).map_or(0, |entries| entries.map(|entry| count(entry.unwrap().path())).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_added_shown_and_dropped() {
    let lake = Fixture::new().await.with_log().await;
    assert!(lake.lines("SELECT * FROM log").await.is_empty());
    lake.run("MSCK REPAIR TABLE log").await;
    assert_eq!(lake.lines("SHOW PARTITIONS log").await, ["day=01/hour=06", "day=01/hour=07"]);

    // The same folder under its canonical values: every call in it counts twice, as on Athena.
    lake.run("ALTER TABLE log ADD IF NOT EXISTS PARTITION (day=1, hour=6) LOCATION 'LAKE/log/day=01/hour=06'").await;
    assert_eq!(lake.lines("SELECT count(*) FROM log WHERE hour = 6").await, ["4"]);
    lake.run("ALTER TABLE log DROP PARTITION (day='01', hour='06')").await;
    assert_eq!(lake.lines("SELECT count(*) FROM log WHERE hour = 6").await, ["2"]);

    assert!(lake.error("ALTER TABLE log ADD PARTITION (day=1, hour=6)").await.contains("already has a partition"));
    assert!(lake.error("ALTER TABLE log DROP PARTITION (day=9, hour=9)").await.contains("no partition"));
    lake.run("ALTER TABLE log DROP IF EXISTS PARTITION (day=9, hour=9)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_partitions_that_a_query_needs_are_read() {
    let lake = Fixture::new().await.with_log().await;
    lake.run("MSCK REPAIR TABLE log").await;
    // If it were read, this one would fail the query: it says GZIP and is none.
    lake.write("log/day=01/hour=07/broken.gz", "no GZIP");
    for filter in ["hour = 6", "hour < 7", "day = 1 AND hour BETWEEN 5 AND 6", "hour IN (5, 6)", "hour + 1 = 7"] {
        let rows = lake.query(&format!("SELECT id FROM LOG WHERE {filter}")).await;
        assert_eq!((rows.rows.len(), rows.scan.bytes), (2, 36), "{filter}");
    }
    let error = format!("{:#}", lake.lake.engine.query(&lake.statement("SELECT id FROM log")).await.unwrap_err());
    assert!(error.contains("hour=07/broken.gz"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_chosen_by_their_paths_before_they_are_opened() {
    let lake = Fixture::new().await.with_lines().await;
    lake.write("lines/hour=06/run=1/broken.gz", "no GZIP");
    let error = lake.error("SELECT line FROM lines").await;
    let expected = "/lines/hour=06/run=1/broken.gz: its name ends in .gz and it is no GZIP data";
    assert!(error.contains(expected) && error.contains("cannot read file://"), "{error}");
    lake.write("lines/hour=06/run=3/broken.gz", "no GZIP");
    for (filter, lines) in [
        ("\"$path\" NOT IN ('LAKE/lines/hour=06/run=1/broken.gz', 'LAKE/lines/hour=06/run=3/broken.gz')", 6),
        ("\"$path\" IN ('LAKE/lines/hour=06/run=1/a', 'LAKE/lines/hour=06/run=9/none')", 4),
        ("\"$path\" = 'LAKE/lines/hour=07/run=1/c'", 1),
        ("\"$path\" = 'LAKE/lines/hour=07/run=1/c' AND hour = 6", 0),
        ("(hour = 6 AND \"$path\" LIKE '%/b') OR (hour = 7 AND \"$path\" LIKE '%/c')", 2),
        ("regexp_extract(\"$path\", 'run=([^/]+)', 1) IN ('2', '9')", 1),
        ("regexp_extract(\"$path\", 'run=([^/]+)', 1) = '2' AND line LIKE '{%'", 1),
        ("\"$path\" IN (SELECT max(\"$path\") FROM lines WHERE hour = 7) AND \"$path\" NOT LIKE '%.gz'", 1),
        ("\"$path\" = (SELECT max(\"$path\") FROM lines WHERE hour = 7) AND \"$path\" NOT LIKE '%.gz'", 1),
    ] {
        let rows = lake.lines(&format!("SELECT count(*) FROM lines WHERE {filter}")).await;
        assert_eq!(rows, [lines.to_string()], "{filter}");
    }
    let scanned = lake.query("SELECT line FROM lines WHERE \"$path\" LIKE '%/hour=07/%'").await.scan.bytes;
    assert_eq!(scanned, "2023-01-31\n".len() as u64);
    let counts = "SELECT regexp_extract(\"$path\", '[^/]+$'), count(*), count_if(trim(line) <> '') FROM lines
                  WHERE \"$path\" NOT LIKE '%.gz' GROUP BY \"$path\" ORDER BY 1";
    assert_eq!(lake.lines(counts).await, ["a 4 2", "b 1 1", "c 1 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_text_go_through_functions_and_into_tables() {
    let lake = Fixture::new().await.with_lines().await;
    assert_eq!(
        lake.lines("SELECT line, rest, hour FROM lines ORDER BY hour, length(line), line").await,
        [
            " ~ 6",
            "b c 6",
            "a line of more than 12 bytes ~ 6",
            "{\"id\": \"a text of more than 12 bytes\"} ~ 6",
            "~ ~ 6",
            "2023-01-31 ~ 7"
        ]
    );
    for (expression, expected) in [
        ("coalesce(line, '\\N')", "a line of more than 12 bytes"),
        ("substr(trim(line), 3, 14)", "line of more t"),
        ("upper(line) || '!' || CAST(hour AS varchar)", "A LINE OF MORE THAN 12 BYTES!6"),
        ("from_utf8(to_utf8(line))", "a line of more than 12 bytes"),
        (
            "to_hex(sha256(to_utf8(substr(line, 1, 1))))",
            "CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB",
        ),
        ("regexp_extract(line, '[0-9]+')", "12"),
        ("regexp_replace(line, '[a-z ]+', '.')", ".12."),
        ("split(line, ' ')[2]", "line"),
        ("strpos(line, 'more')", "11"),
        ("CASE WHEN line LIKE 'a%' THEN line ELSE 'x' END", "a line of more than 12 bytes"),
        ("if(regexp_like(line, '^a'), line, rest)", "a line of more than 12 bytes"),
        ("nullif(line, rest)", "a line of more than 12 bytes"),
        ("try_cast(line AS bigint)", "~"),
        ("try(date_parse(line, '%Y-%m-%d'))", "~"),
        ("json_format(CAST(ARRAY[line, rest] AS JSON))", "[\"a line of more than 12 bytes\",null]"),
        ("json_extract_scalar(line, '$.id')", "~"),
        ("any_match(ARRAY[line], x -> x LIKE '%12%')", "true"),
        ("replace(line, 'line', rest)", "~"),
        ("length(line)", "28"),
    ] {
        let rows = lake.lines(&format!("SELECT {expression} FROM lines WHERE line LIKE 'a line%'")).await;
        assert_eq!(rows, [expected], "{expression}");
    }
    let per_line = "SELECT count(*) FROM (SELECT line, row_number() OVER (PARTITION BY line) AS n FROM lines
                    UNION ALL SELECT 'a', 1) AS numbered WHERE n = 1 AND line NOT IN (SELECT line FROM lines WHERE line = 'b')";
    assert_eq!(lake.lines(per_line).await, ["5"]);
    let written =
        "CREATE TABLE t WITH (format = 'PARQUET', partitioned_by = ARRAY['kind'], external_location = 'LAKE/t')
                   AS SELECT trim(line) AS line, rest, CASE WHEN line LIKE '{%' THEN 'call' ELSE 'malformed' END AS kind
                   FROM lines";
    assert_eq!(lake.run(written).await.rows, 6);
    assert_eq!(
        lake.lines("SELECT kind, count(*), count(line) FROM t GROUP BY kind ORDER BY 1").await,
        ["call 1 1", "malformed 5 4"]
    );
    assert_eq!(
        lake.lines("SELECT a.rest FROM t a JOIN lines b ON a.line = b.line WHERE a.rest IS NOT NULL").await,
        ["c"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_have_no_case_and_paths_are_a_hidden_column() {
    let lake = Fixture::new().await.with_log().await;
    lake.run("MSCK REPAIR TABLE Log").await;
    assert_eq!(
        lake.lines("SELECT \"ID\", N, awsdatacatalog.metering.LOG.hour FROM \"Metering\".\"LOG\" ORDER BY 1").await,
        ["a 1 6", "b 2 6", "c 9007199254740993 7"]
    );
    assert_eq!(lake.query("SELECT * FROM log").await.columns, ["id", "n", "day", "hour"]);
    let paths = lake.lines("SELECT DISTINCT \"$path\" FROM log WHERE id = 'c'").await;
    assert_eq!(paths, [lake.lake.config.lake.join("log/day=01/hour=07/c.json").as_str()]);
    assert_eq!(lake.query("SELECT *, \"$path\" FROM log").await.columns.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_created_as_a_query_and_added_to() {
    let lake = Fixture::new().await.with_log().await;
    lake.run("MSCK REPAIR TABLE log").await;
    let create = "CREATE TABLE t WITH (format = 'PARQUET', write_compression = 'ZSTD', partitioned_by = ARRAY['hour'],
                  external_location = 'LAKE/t') AS SELECT id, n, hour FROM log";
    assert_eq!(lake.run(create).await.rows, 3);
    assert_eq!(lake.lines("SHOW PARTITIONS t").await, ["hour=6", "hour=7"]);
    assert_eq!(
        lake.lines("SELECT hour, sum(n) FROM t GROUP BY hour ORDER BY hour").await,
        ["6 3", "7 9007199254740993"]
    );
    assert_eq!(lake.run("INSERT INTO t SELECT 'd', 4, 8").await.rows, 1);
    assert_eq!(lake.lines("SELECT id, hour FROM t WHERE hour > 7").await, ["d 8"]);

    assert!(lake.error(create).await.contains("already exists"));
    lake.run("DROP TABLE t").await;
    assert!(files(&lake.folder.path().join("t")) >= 3, "DROP TABLE removes no data");
    assert!(lake.error(create).await.contains("is not empty"));
    assert!(lake.error("SELECT * FROM t").await.contains("t"));
    lake.run("DROP TABLE IF EXISTS t").await;
    assert!(lake.error("DROP TABLE t").await.contains("does not exist"));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_added_later_are_null_in_older_files() {
    let lake = Fixture::new().await;
    lake.run("CREATE EXTERNAL TABLE t (`a` int, `at` timestamp) STORED AS PARQUET LOCATION 'LAKE/t'").await;
    lake.run("INSERT INTO t SELECT 1, TIMESTAMP '2023-01-31 06:22:15.164'").await;
    lake.run("ALTER TABLE t ADD COLUMNS (`b` decimal(10,2))").await;
    lake.run("INSERT INTO t SELECT 2, NULL, DECIMAL '1.50'").await;
    assert_eq!(lake.lines("SELECT a, at, b FROM t ORDER BY a").await, ["1 2023-01-31 06:22:15.164 ~", "2 ~ 1.50"]);
    assert!(lake.error("ALTER TABLE t ADD COLUMNS (`A` int)").await.contains("already has a column"));
    assert!(lake.lines("DESCRIBE t").await.contains(&"b decimal(10,2) ".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn unload_writes_files_that_other_tables_read() {
    let lake = Fixture::new().await;
    let rows = "SELECT * FROM (VALUES (1, 'a \"b\"'), (2, NULL)) AS t (n, s)";
    for (folder, format, serde) in [
        ("json", "JSON", "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'"),
        ("text", "TEXTFILE', field_delimiter = ';", "ROW FORMAT DELIMITED FIELDS TERMINATED BY ';'"),
        ("parquet", "PARQUET', compression = 'SNAPPY", "STORED AS PARQUET"),
    ] {
        assert_eq!(lake.run(&format!("UNLOAD ({rows}) TO 'LAKE/{folder}' WITH (format = '{format}')")).await.rows, 2);
        lake.run(&format!("CREATE EXTERNAL TABLE {folder} (`n` int, `s` string) {serde} LOCATION 'LAKE/{folder}'"))
            .await;
        assert_eq!(
            lake.lines(&format!("SELECT n, s FROM {folder} ORDER BY n")).await,
            ["1 a \"b\"", "2 ~"],
            "{format}"
        );
        let again = lake.error(&format!("UNLOAD ({rows}) TO 'LAKE/{folder}' WITH (format = '{format}')")).await;
        assert!(again.contains("is not empty"), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_lacks_is_named() {
    let lake = Fixture::new().await;
    for (sql, name) in [
        ("SELECT no_such_function(1)", "no_such_function"),
        ("GRANT SELECT ON t TO u", "GRANT"),
        ("DELETE FROM t", "DELETE"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("CREATE TABLE t WITH (format = 'ORC') AS SELECT 1 AS a", "ORC"),
        ("CREATE EXTERNAL TABLE t (`a` string) ROW FORMAT SERDE 'x.y.Regex' LOCATION 'LAKE/t'", "Regex"),
        ("CREATE TABLE t AS SELECT 1 AS a, 2 AS a", "two columns `a`"),
    ] {
        let error = lake.error(sql).await;
        assert!(error.contains(name) && !error.contains('\n'), "{sql}: {error}");
    }
    assert_eq!(lake.lines("SHOW TABLES").await, Vec::<String>::new());
    assert_eq!(lake.lines("SHOW DATABASES").await, ["metering"]);
}
