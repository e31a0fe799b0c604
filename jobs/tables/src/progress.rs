//! How far a file was applied, so that a run that was killed between two calls neither skips a statement nor runs one
//! twice: `ALTER TABLE … ADD COLUMNS` cannot be run twice.

use anyhow::{Context as _, Result};
use meterlake_core::generation::{Fingerprint, Generation};
use meterlake_core::lake::Lake;
use meterlake_core::names::TableName;

/// The key under which the database remembers the statement that is being run.
const RUNNING: &str = "meterlake.tables.running";

/// Notes that a statement is about to be run, with the tables as they are before it.
pub(crate) async fn note(lake: &Lake, label: &str, statement: usize) -> Result<()> {
    // Nothing can be noted with a database that is not there. Creating it may be run twice.
    if lake.catalog.database(&lake.config.database).await?.is_none() {
        return Ok(());
    }
    let note = format!("{label} {statement} {}", digest(lake).await?);
    let noted = lake.catalog.set_database_parameter(&lake.config.database, RUNNING, &note).await;
    noted.context("cannot note how far the tables are")
}

/// How many of a file's statements were run. The one that was being run when a run died was run if the tables are no
/// longer as they were before it: each statement changes the catalog with one call.
pub(crate) async fn statements_run(lake: &Lake, label: &str) -> Result<usize> {
    let Some(database) = lake.catalog.database(&lake.config.database).await? else { return Ok(0) };
    let Some(note) = database.parameters.get(RUNNING) else { return Ok(0) };
    let mut parts = note.split(' ');
    let (noted, statement, before) = (parts.next(), parts.next(), parts.next());
    let Some(statement) = statement.and_then(|text| text.parse::<usize>().ok()) else { return Ok(0) };
    if noted != Some(label) {
        return Ok(0);
    }
    let was_run = before != Some(digest(lake).await?.as_str());
    Ok(statement + usize::from(was_run))
}

/// A hash over the definitions of all tables but those that come and go with other jobs.
async fn digest(lake: &Lake) -> Result<String> {
    let mut hash = Fingerprint::default();
    for name in lake.catalog.tables(&lake.config.database).await? {
        if Generation::of_staging_table(&name).is_some() {
            continue;
        }
        if let Some(table) = lake.catalog.table(&TableName::new(lake.config.database.clone(), name.clone())).await? {
            hash = hash.text(name.as_str(), &serde_json::to_string(&table)?);
        }
    }
    Ok(hash.finish())
}
