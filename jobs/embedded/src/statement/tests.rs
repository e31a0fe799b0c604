//! What concerns all statements.

use super::*;

/// A table's name from `table` or `database.table`.
pub(super) fn table(name: &str) -> TableRef {
    let (database, table) = name.split_once('.').map_or((None, name), |(database, table)| (Some(database), table));
    TableRef { database: database.map(|name| name.parse().unwrap()), table: table.parse().unwrap() }
}

fn error(sql: &str) -> String {
    parse(sql).unwrap_err().to_string()
}

#[test]
fn whatever_gives_rows_is_a_query_and_passed_on_as_written() {
    for sql in [
        "-- calls\nSELECT 'it\\', \"user\", `x` FROM raw -- end",
        "with x as (select 1) select * from x",
        "VALUES (1), (2)",
        "TABLE raw",
        "((SELECT 1) UNION (SELECT 2))",
    ] {
        assert_eq!(parse(sql).unwrap(), Parsed::Query(sql.to_owned()));
        assert_eq!(parse(&format!("{sql}\n;\n")).unwrap(), Parsed::Query(sql.to_owned()));
    }
}

#[test]
fn a_statement_that_is_not_run_is_named() {
    for (sql, kind) in [
        ("grant select on t to u", "GRANT"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW"),
        ("CREATE VIEW v AS SELECT 1", "CREATE VIEW"),
        ("DROP DATABASE d", "DROP DATABASE"),
        ("ALTER DATABASE d SET DBPROPERTIES ('a'='b')", "ALTER DATABASE"),
        ("DELETE FROM t", "DELETE"),
        ("MERGE INTO t", "MERGE"),
        ("DROP", "DROP"),
    ] {
        let error = error(sql);
        assert!(error.starts_with(&format!("the embedded engine does not run `{kind}`: it runs ")), "{error}");
    }
    assert_eq!(error("= 1"), "line 1:1: found `=`, expected a query");
}

#[test]
fn a_table_is_dropped() {
    let dropped = |if_exists| Parsed::DropTable { table: table("lake.raw"), if_exists };
    assert_eq!(parse("DROP TABLE lake.raw").unwrap(), dropped(false));
    assert_eq!(parse("drop table if exists `lake`.`raw`;").unwrap(), dropped(true));
    assert!(error("DROP TABLE \"raw\"").contains("DDL quotes names with backticks"));
    assert!(error("DROP TABLE raw PURGE").ends_with("found `PURGE`, expected the end of the statement"));
}

#[test]
fn names_without_a_database_are_in_the_statements_own() {
    let default = "lake".parse().unwrap();
    assert_eq!(table("raw").in_database(&default).to_string(), "lake.raw");
    assert_eq!(table("other.raw").in_database(&default).to_string(), "other.raw");
}
