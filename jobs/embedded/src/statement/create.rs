//! `CREATE`: databases and external tables in Hive's grammar, tables from queries in Trino's.

use anyhow::{Result, bail};

use super::columns::{check, columns, comment};
use super::cursor::Cursor;
use super::format::storage_format;
use super::{Parsed, trino, unsupported};

/// The clauses of `CREATE EXTERNAL TABLE`, in the only order that Hive takes them in.
const CLAUSES: &str = "the end of the statement; the clauses' order is COMMENT, PARTITIONED BY, ROW FORMAT, STORED AS, \
                       WITH SERDEPROPERTIES, LOCATION, TBLPROPERTIES";

/// Any statement that begins with `CREATE`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    if cursor.eat(&["CREATE", "EXTERNAL"]) {
        cursor.expect(&["TABLE"])?;
        external_table(cursor)
    } else if cursor.eat(&["CREATE", "TABLE"]) {
        trino::create_table_as(cursor)
    } else if cursor.eat(&["CREATE", "DATABASE"]) || cursor.eat(&["CREATE", "SCHEMA"]) {
        database(cursor)
    } else {
        Err(unsupported(cursor))
    }
}

fn database(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = cursor.database()?;
    let comment = comment(cursor)?;
    let location = cursor.eat(&["LOCATION"]).then(|| cursor.location()).transpose()?;
    let parameters = cursor.eat(&["WITH", "DBPROPERTIES"]).then(|| cursor.parameters()).transpose()?;
    cursor.end("the end of the statement; the clauses' order is COMMENT, LOCATION, WITH DBPROPERTIES")?;
    Ok(Parsed::CreateDatabase { name, if_not_exists, comment, location, parameters: parameters.unwrap_or_default() })
}

fn external_table(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let table = cursor.table()?;
    let columns = columns(cursor)?;
    let comment = comment(cursor)?;
    let partition_keys = cursor.eat(&["PARTITIONED", "BY"]).then(|| self::columns(cursor)).transpose()?;
    let partition_keys = partition_keys.unwrap_or_default();
    if cursor.sees("CLUSTERED") || cursor.sees("SKEWED") {
        return Err(cursor.error("buckets are not supported: drop the clause"));
    }
    let format = storage_format(cursor)?;
    let location = cursor.eat(&["LOCATION"]).then(|| cursor.location()).transpose()?;
    let parameters = cursor.eat(&["TBLPROPERTIES"]).then(|| cursor.parameters()).transpose()?.unwrap_or_default();
    cursor.end(CLAUSES)?;
    check(&columns, &partition_keys)?;
    if parameters.get("table_type").is_some_and(|kind| kind.eq_ignore_ascii_case("ICEBERG")) {
        bail!("the embedded engine has no Iceberg tables: drop 'table_type'");
    }
    Ok(Parsed::CreateTable { table, if_not_exists, columns, partition_keys, comment, format, location, parameters })
}

#[cfg(test)]
mod tests {
    use meterlake_core::catalog::{Column, Parameters};

    use super::*;
    use crate::statement::format;
    use crate::statement::parse;

    fn error(sql: &str) -> String {
        parse(sql).unwrap_err().to_string()
    }

    fn columns_of(list: &str) -> Vec<(String, String)> {
        match parse(&format!("CREATE EXTERNAL TABLE t ({list})")).unwrap() {
            Parsed::CreateTable { columns, .. } => columns.into_iter().map(|c| (c.name, c.data_type)).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn an_external_table_with_all_its_clauses() {
        let sql = r#"
            -- The calls as API Gateway logs them.
            create external table if not exists lake.`raw` (
                requestId string COMMENT 'the client''s own',
                `user` string, -- a Cognito sub
                cost decimal(10, 2)
            )
            COMMENT 'it\'s raw'
            PARTITIONED BY (year int, month int)
            ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
            WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', "case.insensitive"="true")
            STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
            OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
            LOCATION 's3://bucket/json-data/'
            TBLPROPERTIES ('classification'='json');"#;
        let column = |name: &str, data_type: &str, comment: Option<&str>| Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            comment: comment.map(str::to_owned),
        };
        let mut format = format::json();
        format.serde = "org.openx.data.jsonserde.JsonSerDe".to_owned();
        format.serde_parameters = parameters(&[("ignore.malformed.json", "true"), ("case.insensitive", "true")]);
        let expected = Parsed::CreateTable {
            table: crate::statement::tests::table("lake.raw"),
            if_not_exists: true,
            columns: vec![
                column("requestid", "string", Some("the client's own")),
                column("user", "string", None),
                column("cost", "decimal(10,2)", None),
            ],
            partition_keys: vec![column("year", "int", None), column("month", "int", None)],
            comment: Some("it's raw".to_owned()),
            format,
            location: Some("s3://bucket/json-data".parse().unwrap()),
            parameters: parameters(&[("classification", "json")]),
        };
        assert_eq!(parse(sql).unwrap(), expected);
    }

    #[test]
    fn types_are_kept_in_one_form() {
        let sql = "a STRUCT< x : INT COMMENT 'c', `user`:array<struct<y:decimal(10, 2)>>>, b map<string, varchar(20)>, \
                   c integer, d array<array<double>>";
        let expected = [
            ("a", "struct<x:int,user:array<struct<y:decimal(10,2)>>>"),
            ("b", "map<string,varchar(20)>"),
            ("c", "int"),
            ("d", "array<array<double>>"),
        ];
        assert_eq!(columns_of(sql), expected.map(|(name, data_type)| (name.to_owned(), data_type.to_owned())));
    }

    #[test]
    fn a_wrong_column_is_an_error_that_says_where() {
        for (list, message) in [
            ("a strng", "line 1:28: `strng` is no column type"),
            ("a int,\n user string", "line 2:2: `user` is reserved in DDL: write it as `` `user` ``"),
            ("a struct<date:int>", "line 1:35: `date` is reserved in DDL"),
            ("a decimal(39,2)", "line 1:28: `decimal(39,2)` is no column type"),
            ("a varchar", "line 1:35: found `)`, expected a length"),
            ("a int b", "line 1:32: found `b`, expected `,` or `)`"),
            ("'a' int", "line 1:26: found `a` in quotes, expected a column's name: DDL quotes names with backticks"),
            ("a array<int", "line 1:37: found `)`, expected `,` or `>`"),
            ("a int, A string", "the column `a` is declared twice"),
        ] {
            let error = error(&format!("CREATE EXTERNAL TABLE t ({list})"));
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn what_athena_would_refuse_is_refused() {
        for (clause, message) in [
            ("CLUSTERED BY (a) INTO 3 BUCKETS", "buckets are not supported"),
            (
                "LOCATION 's3://b/k' STORED AS PARQUET",
                "found `STORED`, expected the end of the statement; the clauses' order",
            ),
            ("PARTITIONED BY (a int)", "the column `a` is declared twice"),
            ("PARTITIONED BY (p array<int>)", "the partition key `p` is of type array<int>"),
            ("LOCATION 'gs://b'", "`gs://b` is no location"),
            ("TBLPROPERTIES ('table_type'='iceberg')", "no Iceberg tables"),
        ] {
            let error = error(&format!("CREATE EXTERNAL TABLE t (a int) {clause}"));
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_database_with_all_its_clauses() {
        let sql = "CREATE SCHEMA IF NOT EXISTS Lake COMMENT 'calls' LOCATION '/lake' WITH DBPROPERTIES ('k'='v')";
        let expected = Parsed::CreateDatabase {
            name: "lake".parse().unwrap(),
            if_not_exists: true,
            comment: Some("calls".to_owned()),
            location: Some("file:///lake".parse().unwrap()),
            parameters: parameters(&[("k", "v")]),
        };
        assert_eq!(parse(sql).unwrap(), expected);
        assert_eq!(error("create database if exists x"), "line 1:17: `if` is reserved in DDL: write it as `` `if` ``");
    }
}
