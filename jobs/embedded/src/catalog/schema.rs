//! Opening the catalog's file: its settings, and its schema brought up to date.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// How long a call waits for another process's transaction. Ours take milliseconds; this is for a disk that stalls.
const PATIENCE: Duration = Duration::from_secs(30);

/// The steps from an empty file to today's schema. `PRAGMA user_version` counts those that a file has had, so a step
/// that was ever released is never edited: a change is a new step at the end.
const MIGRATIONS: &[&str] = &[include_str!("migrations/001_tables_and_partitions.sql")];

/// Opens the catalog's file, or makes a new one, and brings its schema up to date.
pub(super) fn connect(file: &Path) -> Result<Connection> {
    configured(file)
        .map_err(|error| match code_of(&error) {
            Some(ErrorCode::NotADatabase) => {
                anyhow!("it is no SQLite database: restore it from a backup, or move it away to start a new catalog")
            }
            _ => error,
        })
        .with_context(|| format!("cannot open the catalog {}", file.display()))
}

fn configured(file: &Path) -> Result<Connection> {
    // Without SQLITE_OPEN_URI, which would take a path that starts with `file:` for a URI.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // Before anything that writes: a file that is not ours to use stays as it is.
    let steps = missing_steps(&connection)?;
    use_write_ahead_log(&connection)?;
    // In WAL, NORMAL would lose the last transactions in a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Nothing to migrate, no lock: opening a catalog does not wait for a writer.
    if !steps.is_empty() {
        migrate(&mut connection)?;
    }
    Ok(connection)
}

/// SQLite does not wait for its busy timeout everywhere in this switch, so it is tried until the time is up.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            switched => return switched,
        }
    }
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again under the lock: another process may have been first.
    for step in missing_steps(&transaction)? {
        transaction.execute_batch(step)?;
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {}", MIGRATIONS.len()))?;
    Ok(transaction.commit()?)
}

fn missing_steps(connection: &Connection) -> Result<&'static [&'static str]> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match usize::try_from(version).ok().and_then(|done| MIGRATIONS.get(done..)) {
        Some(steps) => Ok(steps),
        None => bail!("it has schema version {version}, and this meterlake knows {}: update it", MIGRATIONS.len()),
    }
}

fn code_of(error: &anyhow::Error) -> Option<ErrorCode> {
    error.downcast_ref::<rusqlite::Error>()?.sqlite_error_code()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Barrier;

    use super::*;

    fn refusal(file: &Path) -> String {
        format!("{:#}", connect(file).unwrap_err())
    }

    #[test]
    fn a_catalog_is_durable_and_keeps_its_references() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connect(&folder.path().join("c")).unwrap();
        let pragma = |name: &str| -> String {
            connection
                .query_row(&format!("SELECT CAST(\"{name}\" AS TEXT) FROM pragma_{name}"), [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(["journal_mode", "synchronous", "foreign_keys"].map(pragma), ["wal", "2", "1"]);
        assert!(missing_steps(&connection).unwrap().is_empty());
    }

    #[test]
    fn a_file_of_a_newer_program_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c");
        Connection::open(&file).unwrap().pragma_update(None, "user_version", 7).unwrap();
        let before = fs::read(&file).unwrap();
        assert!(refusal(&file).contains("schema version 7, and this meterlake knows 1: update it"));
        assert_eq!(fs::read(&file).unwrap(), before);
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c");
        for content in ["hello", &"hello".repeat(1000)] {
            fs::write(&file, content).unwrap();
            let refusal = refusal(&file);
            assert!(refusal.contains("is no SQLite database") && refusal.contains(file.to_str().unwrap()), "{refusal}");
        }
    }

    #[test]
    fn an_empty_file_becomes_a_catalog() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c");
        fs::write(&file, "").unwrap();
        connect(&file).unwrap();
    }

    #[test]
    fn eight_threads_make_a_new_file_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let (file, start) = (folder.path().join(round.to_string()), Barrier::new(8));
            thread::scope(|scope| {
                let open = || {
                    start.wait();
                    connect(&file).map(drop)
                };
                let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                opened.into_iter().for_each(|opened| opened.join().unwrap().unwrap());
            });
        }
    }
}
