//! The seam to the objects of a lake: a local folder or S3.

mod local;

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::location::Location;

pub use local::LocalStore;

/// An object and what a listing says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Where it is.
    pub location: Location,
    /// Bytes, as stored.
    pub size: u64,
    /// Changes when the content does.
    pub etag: String,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// The storage class that a listing on S3 names; `None` elsewhere.
    pub storage_class: Option<String>,
}

/// What lies straight in a folder, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Children {
    /// The folders.
    pub folders: Vec<Location>,
    /// The objects, hidden ones too.
    pub objects: Vec<Location>,
}

impl Object {
    /// Whether query engines pass it over: a segment below `folder` starts with `_` or `.`.
    #[must_use]
    pub fn is_hidden_in(&self, folder: &Location) -> bool {
        let path = self.location.relative_to(folder).unwrap_or_else(|| self.location.name());
        path.split('/').any(|segment| segment.starts_with(['_', '.']))
    }
}

/// Lists, reads, writes and deletes objects.
#[async_trait]
pub trait Store: Send + Sync {
    /// Whether the lake's root is there.
    async fn exists(&self, root: &Location) -> Result<bool>;
    /// Every object below a folder, hidden ones too, sorted by location; none if there is no such folder.
    async fn list(&self, folder: &Location) -> Result<Vec<Object>>;
    /// What lies straight in a folder; nothing if there is no such folder.
    async fn children(&self, folder: &Location) -> Result<Children>;
    /// The folders straight below a folder, sorted; none if there is no such folder.
    async fn folders(&self, folder: &Location) -> Result<Vec<Location>> {
        Ok(self.children(folder).await?.folders)
    }
    /// An object's content; `None` if it is not there.
    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>>;
    /// At most `length` bytes of an object from byte `from` on, fewer only at its end; `None` if it is not there.
    async fn read_part(&self, object: &Location, from: u64, length: u64) -> Result<Option<Vec<u8>>>;
    /// Writes an object at once: readers see the old content, none, or the new, never a part.
    async fn write(&self, object: &Location, content: &[u8]) -> Result<()>;
    /// Writes an object unless there is one; whether it did. Of any number of writers at once, one does.
    async fn write_new(&self, object: &Location, content: &[u8]) -> Result<bool>;
    /// Begins an object that is too large to be held in memory.
    async fn create(&self, object: &Location) -> Result<Box<dyn ObjectWriter>>;
    /// Deletes what writes that were killed left half-written below a folder, if it is older than `age`.
    async fn sweep(&self, folder: &Location, age: Duration) -> Result<()>;
    /// Deletes everything below a folder. A folder that is not there is deleted already.
    async fn delete_folder(&self, folder: &Location) -> Result<()>;
    /// Makes sure that what was written below a folder survives a loss of power.
    async fn persist(&self, folder: &Location) -> Result<()>;
}

/// An object being written. Nobody sees it before it is finished; one that is dropped never appears.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Adds to its end.
    ///
    /// # Errors
    /// The store failed.
    async fn write(&mut self, content: Vec<u8>) -> Result<()>;
    /// Lets it appear, in place of the one that was there; returns its size in bytes.
    ///
    /// # Errors
    /// The store failed; the object is as it was before.
    async fn finish(self: Box<Self>) -> Result<u64>;
}

/// The objects below a folder that query engines read.
///
/// # Errors
/// The folder cannot be listed.
pub async fn visible_objects(store: &dyn Store, folder: &Location) -> Result<Vec<Object>> {
    let mut objects = store.list(folder).await?;
    objects.retain(|object| !object.is_hidden_in(folder));
    Ok(objects)
}
