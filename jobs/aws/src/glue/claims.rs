//! Notes that exist at most once: by them a partition is superseded at most once.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::location::Location;
use meterlake_core::store::Store;

use crate::S3Store;

/// Objects that are created once and never change.
///
/// One may be deleted when no call to Glue of the time it was made can arrive any more. A day later is safe.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Creates one; false if it is there already, which then stays as it is.
    async fn claim(&self, key: &str, content: &[u8]) -> Result<bool>;
    /// The content of one; `None` if it is not there.
    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// The keys in a folder, which ends in `/`.
    async fn list(&self, folder: &str) -> Result<Vec<String>>;
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
        self.store.put_if_absent(&self.folder.join(key), content).await
    }

    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.read(&self.folder.join(key)).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        let objects = self.store.list(&self.folder.join(folder)).await?;
        Ok(objects.iter().filter_map(|object| object.location.relative_to(&self.folder)).map(str::to_owned).collect())
    }
}
