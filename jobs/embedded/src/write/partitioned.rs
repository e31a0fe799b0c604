//! Splits rows by the values of their last columns.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// Hive's folder for NULL.
const DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// For each partition that a batch has rows of: its folder, its values, and its rows without the keys, which are the
/// batch's last `keys` columns.
pub(super) fn split(batch: &RecordBatch, keys: usize) -> Result<Vec<(String, Vec<String>, RecordBatch)>> {
    let first_key = batch.num_columns() - keys;
    let options = FormatOptions::default().with_null(DEFAULT_PARTITION);
    let formatters: Result<Vec<_>, _> =
        batch.columns()[first_key..].iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options)).collect();
    let formatters = formatters?;
    let mut rows: BTreeMap<Vec<String>, Vec<u32>> = BTreeMap::new();
    for row in 0..batch.num_rows() {
        let values = formatters.iter().map(|formatter| formatter.value(row).to_string()).collect();
        rows.entry(values).or_default().push(u32::try_from(row)?);
    }
    let data = batch.project(&(0..first_key).collect::<Vec<_>>())?;
    let schema = batch.schema();
    rows.into_iter()
        .map(|(values, rows)| {
            let keys = schema.fields()[first_key..].iter().zip(&values);
            let folders: Vec<String> =
                keys.map(|(field, value)| format!("{}={}", field.name(), escape(value))).collect();
            Ok((folders.join("/"), values, take_record_batch(&data, &UInt32Array::from(rows))?))
        })
        .collect()
}

/// A value as Hive writes it in a folder's name: what means something in a path is written `%XX`.
fn escape(value: &str) -> String {
    value.chars().fold(String::new(), |mut escaped, character| {
        if character.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(character) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{:02X}", u32::from(character));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_folder() {
        assert_eq!(escape("../a=b"), "..%2Fa%3Db");
        assert_eq!(escape("서울 2023"), "서울 2023");
    }
}
