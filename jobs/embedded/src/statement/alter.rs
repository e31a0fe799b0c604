//! `ALTER TABLE`: columns, partitions and properties.

use anyhow::{Result, anyhow};
use meterlake_core::names::Name;

use super::columns::columns;
use super::cursor::Cursor;
use super::tokens;
use super::{Parsed, PartitionSpec, TableRef, unsupported};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Any statement that begins with `ALTER`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    if !cursor.eat(&["ALTER", "TABLE"]) {
        return Err(unsupported(cursor));
    }
    let table = cursor.table()?;
    let parsed = if cursor.eat(&["ADD", "COLUMNS"]) {
        Parsed::AddColumns { table, columns: columns(cursor)? }
    } else if cursor.eat(&["ADD"]) {
        add_partitions(cursor, table)?
    } else if cursor.eat(&["DROP"]) {
        let if_exists = cursor.eat(&["IF", "EXISTS"]);
        let partitions = cursor.items(partition_spec)?;
        Parsed::DropPartitions { table, if_exists, partitions }
    } else if cursor.eat(&["SET", "TBLPROPERTIES"]) {
        Parsed::SetTableProperties { table, parameters: cursor.parameters()? }
    } else if let Some(action) = cursor.keyword() {
        return Err(anyhow!(
            "the embedded engine does not run `ALTER TABLE … {action}`: it runs ADD COLUMNS, ADD PARTITION, \
             DROP PARTITION and SET TBLPROPERTIES"
        ));
    } else {
        return Err(cursor.unexpected("ADD COLUMNS, ADD PARTITION, DROP PARTITION or SET TBLPROPERTIES"));
    };
    cursor.end("the end of the statement")?;
    Ok(parsed)
}

fn add_partitions(cursor: &mut Cursor<'_>, table: TableRef) -> Result<Parsed> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    if !cursor.sees("PARTITION") {
        return Err(cursor.unexpected(if if_not_exists { "PARTITION" } else { "COLUMNS or PARTITION" }));
    }
    let mut partitions = Vec::new();
    while cursor.sees("PARTITION") {
        let spec = partition_spec(cursor)?;
        partitions.push((spec, cursor.eat(&["LOCATION"]).then(|| cursor.location()).transpose()?));
    }
    Ok(Parsed::AddPartitions { table, if_not_exists, partitions })
}

/// `PARTITION (key = value, …)`
fn partition_spec(cursor: &mut Cursor<'_>) -> Result<PartitionSpec> {
    cursor.expect(&["PARTITION"])?;
    let start = cursor.place();
    let pairs = cursor.list(|cursor| {
        let key = cursor.name("a partition key")?;
        cursor.expect_symbol(&Token::Eq)?;
        Ok((key, value(cursor)?))
    })?;
    let twice = |(at, (key, _)): (usize, &(Name, String))| pairs[..at].iter().any(|(earlier, _)| earlier == key);
    if pairs.iter().enumerate().any(twice) {
        return Err(tokens::at(start, "a partition key is given twice"));
    }
    Ok(PartitionSpec(pairs))
}

/// Text as it stands, or an integer as Athena stores it: `01` becomes `1`, but `'01'` stays.
fn value(cursor: &mut Cursor<'_>) -> Result<String> {
    const WHAT: &str = "an integer or a text in quotes";
    if let Ok(text) = cursor.text(WHAT) {
        return Ok(text);
    }
    let sign = if cursor.eat_symbol(&Token::Minus) { "-" } else { "" };
    let digits = cursor.number(WHAT)?;
    Ok(match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("{sign}{digits}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;
    use crate::statement::tests::table;

    fn error(sql: &str) -> String {
        parse(sql).unwrap_err().to_string()
    }

    fn spec(pairs: &[(&str, &str)]) -> PartitionSpec {
        PartitionSpec(pairs.iter().map(|&(key, value)| (key.parse().unwrap(), value.to_owned())).collect())
    }

    #[test]
    fn partitions_are_added_with_or_without_a_location() {
        let sql = "ALTER TABLE lake.raw ADD IF NOT EXISTS
            PARTITION (year='2023', month=01) LOCATION 's3://bucket/raw/year=2023/month=01/'
            PARTITION (year=-0, Month='01')";
        let expected = Parsed::AddPartitions {
            table: table("lake.raw"),
            if_not_exists: true,
            partitions: vec![
                (
                    spec(&[("year", "2023"), ("month", "1")]),
                    Some("s3://bucket/raw/year=2023/month=01".parse().unwrap()),
                ),
                (spec(&[("year", "0"), ("month", "01")]), None),
            ],
        };
        assert_eq!(parse(sql).unwrap(), expected);
    }

    #[test]
    fn partitions_are_dropped_in_a_list() {
        let sql = "alter table raw drop if exists partition (year=2023), partition (year=-2024);";
        let partitions = vec![spec(&[("year", "2023")]), spec(&[("year", "-2024")])];
        assert_eq!(parse(sql).unwrap(), Parsed::DropPartitions { table: table("raw"), if_exists: true, partitions });
    }

    #[test]
    fn columns_and_properties_are_added() {
        let Parsed::AddColumns { columns, .. } = parse("ALTER TABLE raw ADD COLUMNS (a int, `b` string)").unwrap()
        else {
            panic!("not ADD COLUMNS");
        };
        assert_eq!(columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let parameters = [("k".to_owned(), "v".to_owned())].into();
        let expected = Parsed::SetTableProperties { table: table("raw"), parameters };
        assert_eq!(parse("ALTER TABLE raw SET TBLPROPERTIES ('k'=\"v\")").unwrap(), expected);
    }

    #[test]
    fn a_wrong_change_is_an_error_that_says_where_and_what() {
        for (change, message) in [
            ("ADD PARTITION (year=x)", "line 1:35: found `x`, expected an integer or a text in quotes"),
            ("DROP PARTITION (year<2023)", "line 1:35: found `<`, expected `=`"),
            ("ADD PARTITION (year=1, Year=2)", "line 1:29: a partition key is given twice"),
            ("ADD PARTITION (date='x')", "line 1:30: `date` is reserved in DDL: write it as `` `date` ``"),
            ("ADD (a int)", "line 1:19: found `(`, expected COLUMNS or PARTITION"),
            ("PARTITION (year=1) ADD COLUMNS (a int)", "the embedded engine does not run `ALTER TABLE … PARTITION`"),
            ("RENAME TO x", "the embedded engine does not run `ALTER TABLE … RENAME`: it runs ADD COLUMNS"),
            ("ADD COLUMNS (a int) CASCADE", "line 1:35: found `CASCADE`, expected the end of the statement"),
        ] {
            let error = error(&format!("ALTER TABLE t {change}"));
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_partitions_values_are_put_into_the_order_of_the_tables_keys() {
        let keys = ["year", "month"].map(|name| meterlake_core::catalog::Column {
            name: name.to_owned(),
            data_type: "int".to_owned(),
            comment: None,
        });
        assert_eq!(spec(&[("month", "1"), ("year", "2023")]).values(&keys).unwrap(), ["2023", "1"]);
        let missing = spec(&[("month", "1")]).values(&keys).unwrap_err().to_string();
        assert_eq!(missing, "PARTITION (month=1) gives no `year`, it must give all of: year, month");
        let unknown = spec(&[("day", "1")]).values(&keys).unwrap_err().to_string();
        assert_eq!(unknown, "`day` is no partition key of the table, its keys are: year, month");
    }
}
