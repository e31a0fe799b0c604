//! The statements that write what a query gives: `CREATE TABLE AS`, `UNLOAD`, `INSERT INTO`; and `EXPLAIN`.

use anyhow::Result;

use super::columns::comment;
use super::cursor::Cursor;
use super::properties::{Properties, TABLE, UNLOAD};
use super::tokens;
use super::{Output, OutputFormat, Parsed, unsupported};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Any statement that begins with `EXPLAIN`, `INSERT` or `UNLOAD`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    if cursor.eat(&["INSERT", "INTO"]) {
        let table = cursor.table()?;
        let columns = if cursor.sees_list() { cursor.list(|cursor| cursor.name("a column's name"))? } else { vec![] };
        Ok(Parsed::InsertInto { table, columns, query: cursor.query()? })
    } else if cursor.eat(&["UNLOAD"]) {
        unload(cursor)
    } else if cursor.kind() == "EXPLAIN" {
        cursor.expect(&["EXPLAIN"])?;
        Ok(Parsed::Explain { query: cursor.query()? })
    } else {
        Err(unsupported(cursor))
    }
}

/// What follows `CREATE TABLE`.
pub(super) fn create_table_as(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let table = cursor.table()?;
    if cursor.sees_symbol(&Token::LParen) {
        return Err(cursor.unexpected(
            "WITH or AS: columns are declared by CREATE EXTERNAL TABLE, CREATE TABLE … AS takes them from its query",
        ));
    }
    let comment = comment(cursor)?;
    let properties = cursor.eat(&["WITH"]).then(|| Properties::read(cursor, &TABLE)).transpose()?.unwrap_or_default();
    cursor.expect(&["AS"])?;
    let with_no_data = cursor.cut_off(&["WITH", "NO", "DATA"]);
    if !with_no_data {
        cursor.cut_off(&["WITH", "DATA"]);
    }
    let query = cursor.query()?;
    let output = Output {
        format: properties.format.unwrap_or(OutputFormat::Parquet),
        compression: properties.compression,
        compression_level: properties.compression_level,
        partitioned_by: properties.partitioned_by,
    };
    let external_location = properties.external_location;
    Ok(Parsed::CreateTableAs { table, if_not_exists, comment, output, external_location, query, with_no_data })
}

/// What follows `UNLOAD`.
fn unload(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let query = cursor.query_in_parentheses()?;
    cursor.expect(&["TO"])?;
    let to = cursor.location()?;
    cursor.expect(&["WITH"])?;
    let start = cursor.place();
    let properties = Properties::read(cursor, &UNLOAD)?;
    cursor.end("the end of the statement")?;
    let Some(format) = properties.format else {
        return Err(tokens::at(start, "UNLOAD needs a format: write WITH (format = 'PARQUET')"));
    };
    let output = Output {
        format,
        compression: properties.compression,
        compression_level: properties.compression_level,
        partitioned_by: properties.partitioned_by,
    };
    Ok(Parsed::Unload { query, to, output })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;
    use crate::statement::tests::table;

    fn error(sql: &str) -> String {
        parse(sql).unwrap_err().to_string()
    }

    #[test]
    fn a_table_is_created_from_a_query_that_is_passed_on_as_written() {
        let sql = "CREATE TABLE IF NOT EXISTS lake.\"merged\" COMMENT 'it''s merged' WITH (
                format = 'parquet', write_compression = 'zstd', compression_level = 5, -- smaller
                external_location = 's3://bucket/run=1/',
                partitioned_by = ARRAY['year', 'Month'],
                table_type = 'HIVE'
            ) AS -- the calls;
            SELECT a, ';' AS \"it's\" FROM raw /* once */
            WITH NO DATA;";
        let expected = Parsed::CreateTableAs {
            table: table("lake.merged"),
            if_not_exists: true,
            comment: Some("it's merged".to_owned()),
            output: Output {
                format: OutputFormat::Parquet,
                compression: Some("ZSTD".to_owned()),
                compression_level: Some(5),
                partitioned_by: vec!["year".parse().unwrap(), "month".parse().unwrap()],
            },
            external_location: Some("s3://bucket/run=1".parse().unwrap()),
            query: "-- the calls;\n            SELECT a, ';' AS \"it's\" FROM raw /* once */".to_owned(),
            with_no_data: true,
        };
        assert_eq!(parse(sql).unwrap(), expected);
    }

    #[test]
    fn a_query_may_stand_in_parentheses_and_properties_may_be_left_out() {
        let output = Output {
            format: OutputFormat::Parquet,
            compression: None,
            compression_level: None,
            partitioned_by: vec![],
        };
        for (sql, text) in [
            ("CREATE TABLE t AS (SELECT 1)", "(SELECT 1)"),
            (
                "CREATE TABLE t AS WITH x AS (SELECT 1) SELECT * FROM x WITH DATA",
                "WITH x AS (SELECT 1) SELECT * FROM x",
            ),
        ] {
            let expected = Parsed::CreateTableAs {
                table: table("t"),
                if_not_exists: false,
                comment: None,
                output: output.clone(),
                external_location: None,
                query: text.to_owned(),
                with_no_data: false,
            };
            assert_eq!(parse(sql).unwrap(), expected);
        }
    }

    #[test]
    fn a_table_without_a_query_must_be_external() {
        let message = "line 1:16: found `(`, expected WITH or AS: columns are declared by CREATE EXTERNAL TABLE";
        assert!(error("CREATE TABLE t (a int) LOCATION 's3://b/k'").starts_with(message));
        assert_eq!(error("CREATE TABLE t"), "line 1:15: found the end of the statement, expected AS");
        assert_eq!(error("CREATE TABLE t AS"), "line 1:18: found the end of the statement, expected a query");
        assert_eq!(error("CREATE TABLE t AS DELETE"), "line 1:19: found `DELETE`, expected a query");
    }

    #[test]
    fn a_query_is_unloaded_to_a_folder() {
        let sql = "UNLOAD (SELECT (1), ')' -- )\n) TO '/lake/out/' WITH (format='TEXTFILE', field_delimiter=',', compression='gzip')";
        let expected = Parsed::Unload {
            query: "SELECT (1), ')' -- )".to_owned(),
            to: "file:///lake/out".parse().unwrap(),
            output: Output {
                format: OutputFormat::TextFile { delimiter: ',' },
                compression: Some("GZIP".to_owned()),
                compression_level: None,
                partitioned_by: vec![],
            },
        };
        assert_eq!(parse(sql).unwrap(), expected);
    }

    #[test]
    fn a_wrong_unload_is_an_error_that_says_where_and_what() {
        for (sql, message) in [
            ("UNLOAD SELECT 1", "line 1:8: found `SELECT`, expected `(`"),
            ("UNLOAD (SELECT (1) TO 'x'", "line 1:8: the parenthesis that begins here has no end"),
            ("UNLOAD (SELECT 1) TO 's3://b/k'", "line 1:32: found the end of the statement, expected WITH"),
            ("UNLOAD (SELECT 1) TO 's3://b/k' WITH (compression='x')", "line 1:38: UNLOAD needs a format"),
            ("UNLOAD (SELECT 1) TO 'gs://b/k'", "line 1:22: `gs://b/k` is no location"),
        ] {
            let error = error(sql);
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn rows_are_inserted_from_any_query() {
        for (sql, columns, text) in [
            ("INSERT INTO lake.t SELECT 1;", vec![], "SELECT 1"),
            ("insert into lake.t (A, \"b\") values (1, 2)", vec!["a", "b"], "values (1, 2)"),
            ("INSERT INTO lake.t (SELECT 1)", vec![], "(SELECT 1)"),
            ("INSERT INTO lake.t (a) (TABLE x)", vec!["a"], "(TABLE x)"),
        ] {
            let columns = columns.into_iter().map(|name| name.parse().unwrap()).collect();
            let expected = Parsed::InsertInto { table: table("lake.t"), columns, query: text.to_owned() };
            assert_eq!(parse(sql).unwrap(), expected);
        }
        assert!(error("INSERT OVERWRITE t SELECT 1").contains("does not run `INSERT OVERWRITE`"));
    }

    #[test]
    fn a_query_is_explained_but_not_analyzed() {
        assert_eq!(parse("EXPLAIN SELECT 1").unwrap(), Parsed::Explain { query: "SELECT 1".to_owned() });
        assert!(error("EXPLAIN ANALYZE SELECT 1").contains("does not run `EXPLAIN ANALYZE`"));
    }
}
