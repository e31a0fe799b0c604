//! Logs: numbered objects in a folder of their own, of which each is written once and never changed or deleted.
//!
//! Who reads the entry n and writes n+1 knows that nobody wrote in between: an object is created only where there is none.
//! That decides who publishes, who claims and who runs, on any store and without locks. An entry that was deleted would free
//! its number, and a writer that slept would believe that it won: so no vacuum and no life-cycle rule may touch a log.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::location::Location;
use crate::store::Store;

/// The folder of all logs, below the lake's: no query engine reads it.
pub const FOLDER: &str = ".meterlake";

/// A log. Its entries are counted from 1.
#[derive(Clone)]
pub struct Log {
    store: Arc<dyn Store>,
    folder: Location,
}

/// An entry and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub content: T,
}

impl Log {
    /// The log in a folder. One that was never written to has no entry.
    #[must_use]
    pub fn new(store: &Arc<dyn Store>, folder: Location) -> Self {
        Self { store: Arc::clone(store), folder }
    }

    /// Writes the entry after `last` (0: the first). `false`: there is one already, so somebody else was faster.
    ///
    /// # Errors
    /// The store failed. Nobody knows then whether the entry is there.
    pub async fn append<T: Serialize>(&self, last: u64, content: &T) -> Result<bool> {
        let object = self.object(last + 1);
        let written = self.store.write_new(&object, &serde_json::to_vec(content)?).await;
        written.with_context(|| format!("cannot write {object}"))
    }

    /// The entry with a number.
    ///
    /// # Errors
    /// The store failed, or the entry cannot be read.
    pub async fn entry<T: DeserializeOwned>(&self, number: u64) -> Result<Option<Entry<T>>> {
        let object = self.object(number);
        let Some(content) = self.store.read(&object).await? else { return Ok(None) };
        let content = serde_json::from_slice(&content).with_context(|| {
            format!("{object} is no entry that this meterlake reads: update it, or put back what was there")
        })?;
        Ok(Some(Entry { number, content }))
    }

    /// The last entry, if it comes after `known`, of which it is known that it is there (0: nothing is known).
    ///
    /// No entry is ever missing between two others. So it is found by steps that double and then halve, without a listing: one
    /// read where nothing was written since.
    ///
    /// # Errors
    /// As for [`Log::entry`].
    pub async fn last_after<T: DeserializeOwned>(&self, known: u64) -> Result<Option<Entry<T>>> {
        let mut last = None;
        let (mut there, mut step) = (known, 1);
        while let Some(entry) = self.entry(there + step).await? {
            there = entry.number;
            last = Some(entry);
            step *= 2;
        }
        // `there + step` is missing.
        let mut missing = there + step;
        while missing - there > 1 {
            let middle = there + (missing - there) / 2;
            match self.entry(middle).await? {
                Some(entry) => {
                    there = middle;
                    last = Some(entry);
                }
                None => missing = middle,
            }
        }
        Ok(last)
    }

    fn object(&self, number: u64) -> Location {
        self.folder.join(&name_of(number))
    }
}

/// The name of an entry's object: ten digits, so that names sort as numbers do.
fn name_of(number: u64) -> String {
    format!("{number:010}")
}

/// The number of an entry by its object; `None` for another object.
pub(crate) fn number_of(object: &Location) -> Option<u64> {
    let name = object.name();
    (name.len() >= 10 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalStore;

    fn log(folder: &tempfile::TempDir) -> Log {
        let store: Arc<dyn Store> = Arc::new(LocalStore);
        Log::new(&store, Location::from_path(folder.path()).unwrap().join("log"))
    }

    #[tokio::test]
    async fn the_last_entry_is_found_from_any_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        assert_eq!(log.last_after::<u64>(0).await.unwrap(), None);
        for number in 1..=23 {
            assert!(log.append(number - 1, &(number * 10)).await.unwrap());
            for known in 0..number {
                let last = log.last_after::<u64>(known).await.unwrap();
                assert_eq!(last, Some(Entry { number, content: number * 10 }), "after {known}");
            }
            assert_eq!(log.last_after::<u64>(number).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn an_entry_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        let written = futures::future::try_join_all((0..8).map(|writer| {
            let log = log.clone();
            async move { log.append(0, &writer).await }
        }));
        assert_eq!(written.await.unwrap().into_iter().filter(|won| *won).count(), 1);
        let first = log.entry::<i32>(1).await.unwrap();
        assert!(!log.append(0, &99).await.unwrap());
        assert_eq!(log.entry::<i32>(1).await.unwrap(), first);
        assert!(log.append(1, &"a text").await.unwrap());
        let error = log.entry::<i32>(2).await.unwrap_err().to_string();
        assert!(error.contains("0000000002 is no entry"), "{error}");
    }

    #[test]
    fn only_entries_have_numbers() {
        let number = |name: &str| number_of(&"s3://lake/log".parse::<Location>().unwrap().join(name));
        assert_eq!(number(&name_of(7)), Some(7));
        assert_eq!(number(&name_of(12_345_678_901)), Some(12_345_678_901));
        for name in ["7", "000000007x", "+000000007", "0000000007.tmp"] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
