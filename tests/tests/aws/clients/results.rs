//! Results: their types, their values, and the objects they leave.

use aws_sdk_athena::types::{ResultReuseByAgeConfiguration, ResultReuseConfiguration, StatementType};
use meterlake_core::store::Store;

use super::{StandIn, cells, output, some};

/// Athena's name of a type, its precision and its scale.
type AthenaType = (&'static str, i32, i32);

/// Expressions, and for each its type and its text.
const VALUES: [(&str, AthenaType, Option<&str>); 16] = [
    ("true", ("boolean", 0, 0), Some("true")),
    ("CAST(1 AS tinyint)", ("tinyint", 3, 0), Some("1")),
    ("CAST(-2 AS smallint)", ("smallint", 5, 0), Some("-2")),
    ("CAST(7 AS integer)", ("integer", 10, 0), Some("7")),
    ("CAST(1099511627775 AS bigint)", ("bigint", 19, 0), Some("1099511627775")),
    ("CAST(0.5 AS real)", ("float", 17, 0), Some("0.5")),
    ("CAST(12345678.9 AS double)", ("double", 17, 0), Some("1.23456789E7")),
    ("CAST('12.5' AS decimal(10,2))", ("decimal", 10, 2), Some("12.50")),
    ("'say \"서울\"'", ("varchar", i32::MAX, 0), Some("say \"서울\"")),
    ("''", ("varchar", i32::MAX, 0), Some("")),
    ("CAST(NULL AS varchar)", ("varchar", i32::MAX, 0), None),
    ("DATE '2023-01-31'", ("date", 0, 0), Some("2023-01-31")),
    ("TIMESTAMP '2023-01-31 06:00:00.000'", ("timestamp", 3, 0), Some("2023-01-31 06:00:00.000")),
    ("now()", ("timestamp with time zone", 3, 0), None),
    ("ARRAY['a', 'b c', NULL]", ("array", 0, 0), Some("[a, b c, null]")),
    ("to_utf8('hey')", ("varbinary", 1 << 30, 0), Some("68 65 79")),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_type_has_athenas_name_and_each_value_athenas_text() {
    let stand_in = StandIn::new().await;
    let expressions: Vec<String> =
        VALUES.iter().enumerate().map(|(at, (expression, ..))| format!("{expression} AS c{at}")).collect();
    let execution = stand_in.succeed(&format!("SELECT {}", expressions.join(", "))).await;
    let page = stand_in.results(&execution).await;
    let rows = cells(&page);
    assert_eq!(rows.len(), 2);
    let columns = page.result_set().unwrap().result_set_metadata().unwrap().column_info();
    for (at, (expression, (data_type, precision, scale), text)) in VALUES.iter().enumerate() {
        let (column, name) = (&columns[at], format!("c{at}"));
        assert_eq!((column.name(), column.label()), (name.as_str(), Some(name.as_str())));
        assert_eq!(
            (column.r#type(), column.precision(), column.scale()),
            (*data_type, *precision, *scale),
            "{expression}"
        );
        assert_eq!(column.case_sensitive(), *data_type == "varchar", "{expression}");
        assert_eq!(column.nullable().unwrap().as_str(), "UNKNOWN");
        assert_eq!(rows[0][at], Some(name));
        if *expression == "now()" {
            let now = rows[1][at].as_ref().unwrap();
            assert!(now.len() == "2023-01-31 06:00:00.000 UTC".len() && now.ends_with(" UTC"), "{now}");
        } else {
            assert_eq!(rows[1][at].as_deref(), *text, "{expression}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_select_leaves_its_rows_as_csv_and_what_the_columns_are() {
    let stand_in = StandIn::new().await;
    let sql = "SELECT 'say \"x\"' AS a, '' AS b, CAST(NULL AS varchar) AS c, CAST('1.5' AS decimal(3,1)) AS d";
    let execution = stand_in.succeed(sql).await;
    let id = execution.query_execution_id().unwrap();
    assert_eq!(output(&execution), format!("{}/results/{id}.csv", stand_in.root));
    assert_eq!(stand_in.text(output(&execution)).await, "\"a\",\"b\",\"c\",\"d\"\n\"say \"\"x\"\"\",\"\",,\"1.5\"\n");
    let metadata = stand_in.object(&format!("{}.metadata", output(&execution))).await;
    let metadata = String::from_utf8_lossy(&metadata);
    assert_eq!((metadata.matches("varchar").count(), metadata.matches("decimal").count()), (3, 1));

    assert_eq!(execution.statement_type(), Some(&StatementType::Dml));
    assert_eq!(execution.substatement_type(), Some("SELECT"));
    let statistics = execution.statistics().unwrap();
    assert_eq!(statistics.data_scanned_in_bytes(), Some(0));
    assert!(statistics.total_execution_time_in_millis() >= statistics.engine_execution_time_in_millis());
    assert_eq!(statistics.data_manifest_location(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_scanned_is_counted_in_bytes_as_stored() {
    let stand_in = StandIn::new().await;
    let ctas = stand_in.succeed("CREATE TABLE t AS SELECT 1 AS n").await;
    let written = stand_in.store.list(&output(&ctas).parse().unwrap()).await.unwrap();
    let bytes: u64 = written.iter().map(|object| object.size).sum();
    let execution = stand_in.succeed("SELECT n FROM t").await;
    let scanned = execution.statistics().unwrap().data_scanned_in_bytes();
    assert_eq!(scanned.and_then(|bytes| u64::try_from(bytes).ok()), Some(bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_given_no_folder_lies_below_the_results() {
    let stand_in = StandIn::new().await;
    let execution = stand_in.succeed("CREATE TABLE t WITH (format = 'PARQUET') AS SELECT 1 AS n UNION SELECT 2").await;
    let id = execution.query_execution_id().unwrap();
    let folder = stand_in.root.join(&format!("results/tables/{id}"));
    assert_eq!(output(&execution), folder.to_string());
    let mut written: Vec<String> =
        stand_in.store.list(&folder).await.unwrap().iter().map(|object| object.location.to_string()).collect();
    assert!(!written.is_empty());

    let manifest = execution.statistics().unwrap().data_manifest_location().unwrap();
    assert_eq!(manifest, format!("{folder}-manifest.csv"));
    let mut named: Vec<String> = stand_in.text(manifest).await.lines().map(str::to_owned).collect();
    named.sort();
    written.sort();
    assert_eq!(named, written);
    stand_in.object(&format!("{folder}.metadata")).await;

    let page = stand_in.results(&execution).await;
    assert_eq!((page.update_count(), cells(&page).len()), (Some(2), 0));
    let columns = page.result_set().unwrap().result_set_metadata().unwrap().column_info();
    assert_eq!(columns.iter().map(|column| (column.name(), column.r#type())).collect::<Vec<_>>(), [("rows", "bigint")]);
    assert_eq!(stand_in.cell("SELECT sum(n) FROM t").await, some("3"));

    let insert = stand_in.succeed("INSERT INTO t SELECT 4").await;
    assert_eq!(stand_in.results(&insert).await.update_count(), Some(1));
    // The data outlive the table.
    stand_in.succeed("DROP TABLE t").await;
    assert!(stand_in.failure("SELECT n FROM t").await.starts_with("TABLE_NOT_FOUND: "));
    assert!(stand_in.store.list(&folder).await.unwrap().len() > written.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_is_shown_in_hives_lines() {
    let stand_in = StandIn::new().await;
    let location = stand_in.root.join("t");
    let create = format!(
        "CREATE EXTERNAL TABLE t (`n` int COMMENT 'it\\'s a number', `user` string) PARTITIONED BY (`year` int) ROW FORMAT \
         SERDE 'org.openx.data.jsonserde.JsonSerDe' WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true') LOCATION \
         '{location}/' TBLPROPERTIES ('classification' = 'json')"
    );
    stand_in.succeed(&create).await;
    let lines = async |sql: &str| {
        let execution = stand_in.succeed(sql).await;
        let rows = cells(&stand_in.results(&execution).await);
        let lines: Vec<String> = rows.into_iter().map(|row| row.into_iter().flatten().collect()).collect();
        let text = stand_in.text(output(&execution)).await;
        assert_eq!(text.lines().collect::<Vec<_>>(), lines, "{sql}");
        lines
    };
    assert!(lines("SHOW DATABASES").await.contains(&stand_in.database));
    assert_eq!(lines("SHOW TABLES").await, ["t"]);
    assert_eq!(lines("SHOW COLUMNS IN t").await, ["n", "user", "year"].map(|name| format!("{name:<20}")));
    let described = lines("DESCRIBE t").await;
    assert_eq!(described[0], format!("{:<20}\t{:<20}\t{:<20}", "n", "int", "it's a number"));
    assert_eq!(described[4], "# Partition Information\t \t ");
    assert_eq!(described[7], format!("{:<20}\t{:<20}\t{:<20}", "year", "int", ""));

    // What is shown creates the table again, as it was.
    let shown = lines("SHOW CREATE TABLE t").await;
    stand_in.succeed("DROP TABLE t").await;
    stand_in.succeed(&shown.join("\n")).await;
    assert_eq!(lines("DESCRIBE t").await, described);
    assert_eq!(lines("SHOW CREATE TABLE t").await, shown);
    assert_eq!(shown[0], "CREATE EXTERNAL TABLE `t`(");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_reuse_results_is_kept_and_not_granted() {
    let stand_in = StandIn::new().await;
    let by_age = ResultReuseByAgeConfiguration::builder().enabled(true).max_age_in_minutes(5).build();
    let wish = ResultReuseConfiguration::builder().result_reuse_by_age_configuration(by_age).build();
    for _ in 0..2 {
        let start =
            stand_in.client.start_query_execution().query_string("SELECT 1").result_reuse_configuration(wish.clone());
        let execution = stand_in.wait(start.send().await.unwrap().query_execution_id().unwrap()).await;
        assert_eq!(execution.result_reuse_configuration(), Some(&wish));
        let reuse = execution.statistics().unwrap().result_reuse_information().unwrap();
        assert!(!reuse.reused_previous_result());
    }
}
