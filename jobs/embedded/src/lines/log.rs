//! What reading gave: records and malformed lines, object by object.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use meterlake_core::engine::ObjectRead;
use meterlake_core::location::Location;
use serde::Serialize;

/// Malformed lines that are kept in memory, in bytes of JSON, before they go to the spool file.
const BUFFER_BYTES: usize = 1 << 20;

/// Collects over one statement; every scan of it writes here.
#[derive(Debug, Default)]
pub(crate) struct ReadLog {
    keep_from: Option<Location>,
    scanned_bytes: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By object; `None` while it is being read.
    reads: BTreeMap<Location, Option<ObjectRead>>,
    spool: Option<File>,
}

#[derive(Serialize)]
struct MalformedLine<'a> {
    object: &'a str,
    line: u64,
    text: &'a str,
    error: &'a str,
}

impl ReadLog {
    /// A log that keeps the malformed lines of objects in `keep_from`.
    pub(crate) fn new(keep_from: Option<Location>) -> Self {
        Self { keep_from, ..Self::default() }
    }

    /// Counts an object that is about to be read.
    pub(crate) fn scan(&self, bytes: u64) {
        self.scanned_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of all objects scanned, as stored.
    pub(crate) fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes.load(Ordering::Relaxed)
    }

    /// Starts the log of one object. Where a statement reads an object twice, the first reading keeps its lines.
    pub(super) fn object(self: &Arc<Self>, location: &Location) -> ObjectLog {
        let is_first = !self.state().reads.contains_key(location);
        self.state().reads.entry(location.clone()).or_default();
        let is_kept = self.keep_from.as_ref().is_some_and(|folder| location.relative_to(folder).is_some());
        ObjectLog {
            log: Arc::clone(self),
            read: ObjectRead { location: location.clone(), records: 0, malformed: 0 },
            kept: (is_first && is_kept).then(Vec::new),
        }
    }

    /// What every object gave that was read to its end.
    pub(crate) fn reads(&self) -> Vec<ObjectRead> {
        self.state().reads.values().flatten().cloned().collect()
    }

    /// The file of malformed lines, from its start; `None` if there were none.
    pub(crate) fn take_spool(&self) -> Result<Option<File>> {
        let Some(mut file) = self.state().spool.take() else { return Ok(None) };
        file.rewind().context("cannot read the malformed lines back")?;
        Ok(Some(file))
    }

    fn spool(&self, lines: &[u8]) -> Result<()> {
        let mut state = self.state();
        let file = match &mut state.spool {
            Some(file) => file,
            None => state.spool.insert(tempfile::tempfile().context("cannot make a temporary file")?),
        };
        file.write_all(lines).context("cannot write malformed lines to a temporary file")
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects over one object.
pub(super) struct ObjectLog {
    log: Arc<ReadLog>,
    read: ObjectRead,
    kept: Option<Vec<u8>>,
}

impl ObjectLog {
    pub(super) fn record(&mut self) {
        self.read.records += 1;
    }

    pub(super) fn malformed(&mut self, line: u64, text: &str, error: &str) -> Result<()> {
        self.read.malformed += 1;
        let Some(kept) = &mut self.kept else { return Ok(()) };
        let object = self.read.location.as_str();
        serde_json::to_writer(&mut *kept, &MalformedLine { object, line, text, error })?;
        kept.push(b'\n');
        if kept.len() >= BUFFER_BYTES {
            self.log.spool(kept)?;
            kept.clear();
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        if let Some(kept) = self.kept.take().filter(|kept| !kept.is_empty()) {
            self.log.spool(&kept)?;
        }
        self.log.state().reads.insert(self.read.location.clone(), Some(self.read.clone()));
        Ok(())
    }
}
