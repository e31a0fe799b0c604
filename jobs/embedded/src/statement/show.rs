//! `SHOW`, `DESCRIBE` and `MSCK REPAIR TABLE`: statements about what the catalog holds.

use anyhow::{Result, anyhow};

use super::cursor::Cursor;
use super::{Parsed, unsupported};

/// Any statement that begins with `SHOW`, `DESCRIBE`, `DESC` or `MSCK`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let parsed = if cursor.eat(&["SHOW", "PARTITIONS"]) {
        Parsed::ShowPartitions { table: cursor.table()? }
    } else if cursor.eat(&["SHOW", "CREATE", "TABLE"]) {
        Parsed::ShowCreateTable { table: cursor.table()? }
    } else if cursor.eat(&["SHOW", "DATABASES"]) || cursor.eat(&["SHOW", "SCHEMAS"]) {
        Parsed::ShowDatabases
    } else if cursor.eat(&["SHOW", "TABLES"]) {
        tables(cursor)?
    } else if cursor.eat(&["MSCK"]) {
        repair(cursor)?
    } else if cursor.sees("SHOW") {
        return Err(unsupported(cursor));
    } else {
        cursor.word("DESCRIBE")?;
        if cursor.sees("FORMATTED") {
            return Err(anyhow!("the embedded engine does not run `DESCRIBE FORMATTED`: use SHOW CREATE TABLE"));
        }
        Parsed::Describe { table: cursor.table()? }
    };
    cursor.end("the end of the statement")?;
    Ok(parsed)
}

fn tables(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let named = cursor.eat(&["IN"]) || cursor.eat(&["FROM"]);
    let database = named.then(|| cursor.database()).transpose()?;
    let pattern = if cursor.eat(&["LIKE"]) { Some(cursor.text("a pattern")?) } else { cursor.text("a pattern").ok() };
    if pattern.as_ref().is_some_and(|pattern| pattern.contains('%')) {
        return Err(anyhow!("SHOW TABLES takes no `%` in Athena, which takes it for a letter: write `*`"));
    }
    Ok(Parsed::ShowTables { database, pattern })
}

fn repair(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    cursor.expect(&["REPAIR", "TABLE"])?;
    let table = cursor.table()?;
    if let Some(mode @ ("ADD" | "DROP" | "SYNC")) = cursor.keyword().as_deref() {
        return Err(anyhow!(
            "MSCK REPAIR TABLE takes no `{mode} PARTITIONS` in Athena: it only ever adds; \
             partitions are removed with ALTER TABLE … DROP PARTITION"
        ));
    }
    Ok(Parsed::RepairTable { table })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;
    use crate::statement::tests::table;

    #[test]
    fn statements_about_one_table_name_it() {
        let table = table("lake.raw");
        for (sql, expected) in [
            ("show partitions lake.raw;", Parsed::ShowPartitions { table: table.clone() }),
            ("SHOW CREATE TABLE `lake`.`raw`", Parsed::ShowCreateTable { table: table.clone() }),
            ("DESCRIBE awsdatacatalog.lake.raw", Parsed::Describe { table: table.clone() }),
            ("desc lake.raw", Parsed::Describe { table: table.clone() }),
            ("MSCK REPAIR TABLE lake.raw -- slow", Parsed::RepairTable { table: table.clone() }),
            ("SHOW DATABASES", Parsed::ShowDatabases),
        ] {
            assert_eq!(parse(sql).unwrap(), expected, "{sql}");
        }
    }

    #[test]
    fn tables_are_listed_by_database_and_pattern() {
        let shown = |database: Option<&str>, pattern: Option<&str>| Parsed::ShowTables {
            database: database.map(|name| name.parse().unwrap()),
            pattern: pattern.map(str::to_owned),
        };
        assert_eq!(parse("SHOW TABLES").unwrap(), shown(None, None));
        assert_eq!(parse("SHOW TABLES IN lake 'usage_*|raw'").unwrap(), shown(Some("lake"), Some("usage_*|raw")));
        assert_eq!(parse("show tables like '*'").unwrap(), shown(None, Some("*")));
    }

    #[test]
    fn what_is_not_shown_is_an_error_that_names_it() {
        for (sql, message) in [
            ("SHOW COLUMNS IN raw", "the embedded engine does not run `SHOW COLUMNS`"),
            ("DESCRIBE FORMATTED raw", "the embedded engine does not run `DESCRIBE FORMATTED`"),
            ("DESCRIBE raw PARTITION (a=1)", "line 1:14: found `PARTITION`, expected the end of the statement"),
            ("MSCK REPAIR TABLE raw SYNC PARTITIONS", "MSCK REPAIR TABLE takes no `SYNC PARTITIONS`"),
            ("MSCK TABLE raw", "line 1:6: found `TABLE`, expected REPAIR"),
        ] {
            let error = parse(sql).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
