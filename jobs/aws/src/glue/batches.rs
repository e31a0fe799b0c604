//! Calls for many partitions at once. Glue limits how many, and answers that a call succeeded although single items
//! failed.

use std::collections::HashSet;

use anyhow::{Result, bail};
use aws_sdk_glue::types::{BatchUpdatePartitionFailureEntry, ErrorDetail, PartitionError};

use super::calls::{CallError, MISSING, Patience, is_temporary};

/// An item of a batch that failed.
pub(super) struct Failure {
    values: Vec<String>,
    code: String,
    message: String,
}

impl Failure {
    /// That of a partition that is not there.
    pub(super) fn missing(values: Vec<String>) -> Self {
        Self { values, code: MISSING.to_owned(), message: String::new() }
    }

    fn new(values: Option<Vec<String>>, detail: Option<ErrorDetail>) -> Self {
        let (code, message) = detail.map(|detail| (detail.error_code, detail.error_message)).unwrap_or_default();
        Self {
            values: values.unwrap_or_default(),
            code: code.unwrap_or_else(|| "an error without a code".to_owned()),
            message: message.unwrap_or_default(),
        }
    }
}

impl From<PartitionError> for Failure {
    fn from(error: PartitionError) -> Self {
        Self::new(error.partition_values, error.error_detail)
    }
}

impl From<BatchUpdatePartitionFailureEntry> for Failure {
    fn from(error: BatchUpdatePartitionFailureEntry) -> Self {
        Self::new(error.partition_value_list, error.error_detail)
    }
}

/// Has values, which tell it from the other items of a batch.
pub(super) trait Item: Clone {
    fn values(&self) -> &[String];
}

/// Calls for all items, `size` at a time, and for single items again where they may succeed a moment later.
///
/// Returns the values of those that failed with `tolerated`.
///
/// # Errors
/// A call or an item failed in another way. The others are done then, and may be done again.
pub(super) async fn in_batches<I: Item, F>(
    items: &[I],
    size: usize,
    tolerated: &str,
    mut call: impl FnMut(Vec<I>) -> F,
) -> Result<HashSet<Vec<String>>>
where
    F: Future<Output = Result<Vec<Failure>, CallError>>,
{
    let mut passed_over = HashSet::new();
    for chunk in items.chunks(size) {
        let mut chunk = chunk.to_vec();
        let mut patience = Patience::default();
        while !chunk.is_empty() {
            let failures = call(chunk.clone()).await?;
            let may_try_again = failures.iter().any(|f| is_temporary(&f.code)) && patience.wait().await;
            let mut again = HashSet::new();
            for failure in failures {
                if failure.code == tolerated {
                    passed_over.insert(failure.values);
                } else if may_try_again
                    && is_temporary(&failure.code)
                    && chunk.iter().any(|item| item.values() == failure.values)
                {
                    again.insert(failure.values);
                } else {
                    bail!("the partition {:?} failed: {}: {}", failure.values, failure.code, failure.message);
                }
            }
            chunk.retain(|item| again.contains(item.values()));
        }
    }
    Ok(passed_over)
}
