//! Notes that exist at most once: by them a partition is superseded at most once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::location::Location;
use meterlake_core::store::Store;

use crate::S3Store;

/// How long a claim is kept: far longer than a call to Glue, with all its retries, can be under way.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Objects that are created once and never change.
///
/// One may be deleted when no call to Glue of the time it was made can arrive any more.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Creates one; false if it is there already, which then stays as it is.
    async fn claim(&self, key: &str, content: &[u8]) -> Result<bool>;
    /// The content of one; `None` if it is not there.
    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// The keys in a folder, which ends in `/`.
    async fn list(&self, folder: &str) -> Result<Vec<String>>;
    /// Deletes those that decide nothing any more. Returns how many.
    async fn vacuum(&self) -> Result<u64> {
        Ok(0)
    }
}

/// Claims as objects on S3, which of any number of writers lets only one create an object.
#[derive(Debug, Clone)]
pub struct S3Claims {
    store: Arc<S3Store>,
    folder: Location,
}

impl S3Claims {
    /// The claims of a lake. They lie beside its tables, where no query reads them.
    #[must_use]
    pub fn new(store: Arc<S3Store>, lake: &Location) -> Self {
        Self { store, folder: lake.join(".meterlake/superseded") }
    }
}

#[async_trait]
impl Claims for S3Claims {
    async fn claim(&self, key: &str, content: &[u8]) -> Result<bool> {
        self.store.write_new(&self.folder.join(key), content).await
    }

    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.read(&self.folder.join(key)).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        let objects = self.store.list(&self.folder.join(folder)).await?;
        Ok(objects.iter().filter_map(|object| object.location.relative_to(&self.folder)).map(str::to_owned).collect())
    }

    async fn vacuum(&self) -> Result<u64> {
        self.store.delete_older(&self.folder, KEPT).await
    }
}
