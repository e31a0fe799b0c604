//! How a table's objects are read: `ROW FORMAT` and `STORED AS`, and the names that Hive keeps for them.

use anyhow::Result;
use meterlake_core::catalog::{Parameters, StorageFormat};

use super::OutputFormat;
use super::cursor::Cursor;

const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
const TEXT_SERDE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
const JSON_SERDE: &str = "org.apache.hive.hcatalog.data.JsonSerDe";
const PARQUET_INPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat";
const PARQUET_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat";
const PARQUET_SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";

impl OutputFormat {
    /// What the catalog says of a table whose objects were written so.
    #[must_use]
    pub(crate) fn storage_format(self) -> StorageFormat {
        match self {
            Self::Parquet => parquet(),
            Self::Json => json(),
            Self::TextFile { delimiter } => {
                let mut format = text();
                delimit(&mut format.serde_parameters, delimiter.to_string());
                format
            }
        }
    }
}

/// Parquet, as Hive names it.
fn parquet() -> StorageFormat {
    named(PARQUET_INPUT, PARQUET_OUTPUT, PARQUET_SERDE)
}

/// Lines of fields, as Hive names them.
fn text() -> StorageFormat {
    named(TEXT_INPUT, TEXT_OUTPUT, TEXT_SERDE)
}

/// Lines of JSON, as Athena names them when it writes them.
pub(super) fn json() -> StorageFormat {
    named(TEXT_INPUT, TEXT_OUTPUT, JSON_SERDE)
}

fn named(input_format: &str, output_format: &str, serde: &str) -> StorageFormat {
    StorageFormat {
        input_format: input_format.to_owned(),
        output_format: output_format.to_owned(),
        serde: serde.to_owned(),
        serde_parameters: Parameters::new(),
    }
}

/// `[ROW FORMAT …] [STORED AS …] [WITH SERDEPROPERTIES (…)]`
pub(super) fn storage_format(cursor: &mut Cursor<'_>) -> Result<StorageFormat> {
    let mut serde = None;
    let mut serde_parameters = Parameters::new();
    if cursor.eat(&["ROW", "FORMAT", "SERDE"]) {
        serde = Some(cursor.text("the SerDe's class")?);
        serde_parameters.extend(serde_properties(cursor)?);
    } else if cursor.eat(&["ROW", "FORMAT", "DELIMITED"]) {
        serde_parameters = delimited(cursor)?;
    } else if cursor.sees("ROW") {
        cursor.expect(&["ROW", "FORMAT"])?;
        return Err(cursor.unexpected("SERDE or DELIMITED"));
    }
    let mut format = stored_as(cursor)?;
    serde_parameters.extend(serde_properties(cursor)?);
    if let Some(serde) = serde {
        format.serde = serde;
    }
    format.serde_parameters = serde_parameters;
    Ok(format)
}

fn serde_properties(cursor: &mut Cursor<'_>) -> Result<Parameters> {
    Ok(cursor.eat(&["WITH", "SERDEPROPERTIES"]).then(|| cursor.parameters()).transpose()?.unwrap_or_default())
}

/// The clauses after `ROW FORMAT DELIMITED`, as the properties that Hive makes of them.
fn delimited(cursor: &mut Cursor<'_>) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    if cursor.eat(&["FIELDS", "TERMINATED", "BY"]) {
        delimit(&mut parameters, cursor.text("a delimiter")?);
        if cursor.eat(&["ESCAPED", "BY"]) {
            parameters.insert("escape.delim".to_owned(), cursor.text("an escape character")?);
        }
    }
    for (clause, property) in [
        (["COLLECTION", "ITEMS", "TERMINATED", "BY"].as_slice(), "collection.delim"),
        (&["MAP", "KEYS", "TERMINATED", "BY"], "mapkey.delim"),
        (&["LINES", "TERMINATED", "BY"], "line.delim"),
        (&["NULL", "DEFINED", "AS"], "serialization.null.format"),
    ] {
        if cursor.eat(clause) {
            parameters.insert(property.to_owned(), cursor.text("a delimiter")?);
        }
    }
    Ok(parameters)
}

/// Hive keeps a field delimiter under two names.
fn delimit(parameters: &mut Parameters, delimiter: String) {
    parameters.insert("serialization.format".to_owned(), delimiter.clone());
    parameters.insert("field.delim".to_owned(), delimiter);
}

fn stored_as(cursor: &mut Cursor<'_>) -> Result<StorageFormat> {
    if !cursor.sees("STORED") {
        return Ok(text());
    }
    cursor.expect(&["STORED", "AS"])?;
    if cursor.eat(&["PARQUET"]) {
        Ok(parquet())
    } else if cursor.eat(&["TEXTFILE"]) {
        Ok(text())
    } else if cursor.eat(&["INPUTFORMAT"]) {
        let input = cursor.text("the input format's class")?;
        cursor.expect(&["OUTPUTFORMAT"])?;
        let output = cursor.text("the output format's class")?;
        let serde = if input == PARQUET_INPUT { PARQUET_SERDE } else { TEXT_SERDE };
        Ok(named(&input, &output, serde))
    } else {
        let json = "for JSON write ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' in place of STORED AS";
        Err(cursor.unexpected(&format!("PARQUET, TEXTFILE or INPUTFORMAT; {json}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(clauses: &str) -> Result<StorageFormat> {
        // The first word makes it DDL.
        let sql = format!("CREATE {clauses}");
        let mut cursor = Cursor::new(&sql)?;
        cursor.expect(&["CREATE"])?;
        storage_format(&mut cursor)
    }

    fn parameters(clauses: &str) -> Vec<(String, String)> {
        read(clauses).unwrap().serde_parameters.into_iter().collect()
    }

    #[test]
    fn the_formats_have_the_names_that_hive_gives_them() {
        assert_eq!(read("STORED AS parquet").unwrap(), parquet());
        assert_eq!(read("STORED AS TEXTFILE").unwrap(), text());
        assert_eq!(read("LOCATION 'x'").unwrap(), text());
        let serde = read("ROW FORMAT SERDE 'a.Serde' STORED AS PARQUET").unwrap();
        assert_eq!(serde, StorageFormat { serde: "a.Serde".to_owned(), ..parquet() });
        let classes = read("STORED AS INPUTFORMAT 'a.In' OUTPUTFORMAT 'a.Out'").unwrap();
        assert_eq!(classes, named("a.In", "a.Out", TEXT_SERDE));
    }

    #[test]
    fn what_is_written_is_registered_so_that_it_can_be_read_back() {
        let comma = read("ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' STORED AS TEXTFILE").unwrap();
        assert_eq!(OutputFormat::TextFile { delimiter: ',' }.storage_format(), comma);
        assert_eq!(OutputFormat::Parquet.storage_format(), read("STORED AS PARQUET").unwrap());
        let json = read("ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'").unwrap();
        assert_eq!(OutputFormat::Json.storage_format(), json);
    }

    #[test]
    fn delimiters_become_the_properties_that_hive_makes_of_them() {
        let sql = r"ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' ESCAPED BY '\\' COLLECTION ITEMS TERMINATED BY '\002'
                    MAP KEYS TERMINATED BY ':' LINES TERMINATED BY '\n' NULL DEFINED AS '-' STORED AS TEXTFILE";
        let expected = [
            ("collection.delim", "\u{2}"),
            ("escape.delim", "\\"),
            ("field.delim", "\t"),
            ("line.delim", "\n"),
            ("mapkey.delim", ":"),
            ("serialization.format", "\t"),
            ("serialization.null.format", "-"),
        ];
        assert_eq!(parameters(sql), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn serde_properties_may_stand_before_or_after_stored_as() {
        let before = "ROW FORMAT SERDE 'a' WITH SERDEPROPERTIES ('k'='v') STORED AS TEXTFILE";
        let after = "ROW FORMAT SERDE 'a' STORED AS TEXTFILE WITH SERDEPROPERTIES ('k'='v')";
        assert_eq!(parameters(before), [("k".to_owned(), "v".to_owned())]);
        assert_eq!(parameters(before), parameters(after));
    }

    #[test]
    fn a_format_that_is_not_read_is_an_error_that_says_which_are() {
        for name in ["ORC", "AVRO", "JSON", "JSONFILE"] {
            let error = read(&format!("STORED AS {name}")).unwrap_err().to_string();
            assert!(error.contains(&format!("found `{name}`, expected PARQUET, TEXTFILE or INPUTFORMAT; for JSON")));
        }
        assert!(read("ROW FORMAT JSON").unwrap_err().to_string().contains("expected SERDE or DELIMITED"));
    }
}
