//! The rows of a query.

use meterlake_core::engine::Rows;

use super::api::{Api, Column, Page};
use super::errors::CallError;
use super::patience::patiently;
use super::run::Finished;

/// All rows of an execution that succeeded.
pub(super) async fn rows(api: &dyn Api, finished: &Finished) -> Result<Rows, CallError> {
    let id = &finished.id;
    let mut page = patiently(|| api.results(id, None)).await?;
    let columns = std::mem::take(&mut page.columns);
    // The names of a SELECT's columns stand as a row at the start of its first page, and only there. DDL, SHOW and
    // DESCRIBE have no such row: a column or partition of theirs may well be called as the heading is.
    if finished.is_dml && page.rows.first().is_some_and(|row| is_header(row, &columns)) {
        page.rows.remove(0);
    }
    let mut rows = Vec::new();
    loop {
        let Page { rows: more, next, .. } = page;
        rows.extend(more.into_iter().map(|row| cells(row, columns.len())));
        // A full page names a next one even where that turns out to be empty.
        let Some(token) = next else { break };
        page = patiently(|| api.results(id, Some(&token))).await?;
    }
    let columns = columns.into_iter().map(|column| column.name).collect();
    Ok(Rows { columns, rows, scan: finished.scan })
}

/// How many rows an execution wrote; `None` if Athena does not say.
pub(super) async fn rows_written(api: &dyn Api, id: &str) -> Result<Option<u64>, CallError> {
    let page = patiently(|| api.results(id, None)).await?;
    Ok(page.update_count.and_then(|count| u64::try_from(count).ok()))
}

fn is_header(row: &[Option<String>], columns: &[Column]) -> bool {
    let names = |(cell, column): (&Option<String>, &Column)| {
        cell.as_ref().is_some_and(|cell| *cell == column.name || *cell == column.label)
    };
    row.len() == columns.len() && row.iter().zip(columns).all(names)
}

/// As many cells as there are columns. DESCRIBE gives one cell a row, in which tabs part the columns and blanks fill
/// them up.
fn cells(mut row: Vec<Option<String>>, columns: usize) -> Vec<Option<String>> {
    if columns > 1
        && let [Some(text)] = row.as_slice()
    {
        row = text.splitn(columns, '\t').map(|cell| Some(cell.trim().to_owned())).collect();
    }
    let wanted = columns.max(row.len());
    row.resize(wanted, None);
    row
}
