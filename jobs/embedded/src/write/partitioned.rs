//! Splits rows by the values of their last columns.

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::Result;
use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::{partition, take_arrays, take_record_batch};
use datafusion::arrow::row::{Row, RowConverter, SortField};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// Hive's folder for NULL.
const DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// For each partition that a batch has rows of: its folder, its values, and its rows without the keys, which are the
/// batch's last `keys` columns.
pub(super) fn split(batch: &RecordBatch, keys: usize) -> Result<Vec<(String, Vec<String>, RecordBatch)>> {
    let first_key = batch.num_columns() - keys;
    let schema = batch.schema();
    let key_columns = &batch.columns()[first_key..];
    // Neighbours mostly have the same key, so that of a run of rows is encoded once.
    let runs = partition(key_columns)?.ranges();
    let firsts = runs.iter().map(|run| u32::try_from(run.start)).collect::<Result<Vec<u32>, _>>()?;
    let run_keys = take_arrays(key_columns, &UInt32Array::from(firsts), None)?;
    let fields = key_columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(&run_keys)?;
    // The rows of each partition: equal keys are equal bytes.
    let mut found: HashMap<Row<'_>, usize> = HashMap::new();
    let mut rows: Vec<Vec<u32>> = Vec::new();
    for (run, key) in runs.into_iter().zip(encoded.iter()) {
        let at = *found.entry(key).or_insert(rows.len());
        if at == rows.len() {
            rows.push(Vec::new());
        }
        rows[at].extend(u32::try_from(run.start)?..u32::try_from(run.end)?);
    }
    let options = FormatOptions::default().with_null(DEFAULT_PARTITION);
    let formatters: Result<Vec<_>, _> =
        key_columns.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options)).collect();
    let formatters = formatters?;
    let data = batch.project(&(0..first_key).collect::<Vec<_>>())?;
    let mut partitions = Vec::with_capacity(rows.len());
    for rows in rows {
        let first = rows.first().copied().unwrap_or_default() as usize;
        let values: Vec<String> = formatters.iter().map(|formatter| formatter.value(first).to_string()).collect();
        let keys = schema.fields()[first_key..].iter().zip(&values);
        let folders: Vec<String> = keys.map(|(field, value)| format!("{}={}", field.name(), escape(value))).collect();
        // Rows that are all of one partition stay as they are.
        let all = rows.len() == batch.num_rows();
        let rows = if all { data.clone() } else { take_record_batch(&data, &UInt32Array::from(rows))? };
        partitions.push((folders.join("/"), values, rows));
    }
    Ok(partitions)
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
