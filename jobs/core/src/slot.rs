//! A partition as the job that builds it sees it: what is published, and the generation in the making.

use anyhow::Result;

use crate::catalog::{Partition, Swap};
use crate::generation::Generation;
use crate::lake::Lake;
use crate::layout::TableLayout;
use crate::location::Location;
use crate::names::{Name, TableName};
use crate::period::Period;
use crate::publish::{Publication, publish, vacuum_partition};
use crate::sql::SqlValue;

/// One period of one table, and what is published of it.
pub struct Slot<'a> {
    lake: &'a Lake,
    table: &'a TableLayout,
    values: Vec<String>,
    /// The folder of all its generations.
    folder: Location,
    /// The partition as it was when it was looked at.
    pub current: Option<Partition>,
    /// What the job that published it noted.
    pub published: Option<Publication>,
}

/// A generation that is being written: a folder and a table of its own, which nobody reads before it is published.
pub struct Draft {
    /// Its mark.
    pub generation: Generation,
    /// Its folder.
    pub folder: Location,
    staging: Name,
}

impl<'a> Slot<'a> {
    /// Looks a period's partition up.
    ///
    /// # Errors
    /// The table does not exist, or the catalog failed.
    pub async fn look<P: Period>(lake: &'a Lake, table: &'a TableLayout, period: P) -> Result<Self> {
        let right = table.partition(period);
        let current =
            lake.catalog.get_partitions(&table.name, std::slice::from_ref(&right.values)).await?.pop().flatten();
        let published = current.as_ref().and_then(Publication::of);
        Ok(Self { lake, table, values: right.values, folder: right.location, current, published })
    }

    /// Begins a generation.
    ///
    /// # Errors
    /// The job's name makes no table name.
    pub fn begin(&self, job: &str) -> Result<Draft> {
        let generation = Generation::begin();
        let folder = generation.folder(&self.folder);
        Ok(Draft { staging: generation.staging_table(job)?, generation, folder })
    }

    /// Moves the partition's pointer to `folder`, unless another run moved it since it was looked at: then `None`.
    ///
    /// # Errors
    /// The data cannot be made durable, or the catalog failed. Nobody knows then whether it is published: nothing may be
    /// deleted, vacuum decides later.
    pub async fn publish(&self, publication: &Publication, folder: &Location) -> Result<Option<Partition>> {
        let partition = publication.partition(self.values.clone(), folder.clone());
        Ok(match publish(self.lake, self.table, &partition, self.current.as_ref()).await? {
            Swap::Done => Some(partition),
            Swap::Conflict => None,
        })
    }

    /// Deletes the partition's generations that no reader can need any more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn vacuum(&self, current: Option<&Partition>) -> Result<()> {
        vacuum_partition(self.lake, &self.folder, current).await.map(drop)
    }
}

impl Draft {
    /// The table that its CTAS creates.
    #[must_use]
    pub fn staging_table(&self, lake: &Lake) -> TableName {
        TableName::new(lake.config.database.clone(), self.staging.clone())
    }

    /// The same, for a SQL file.
    #[must_use]
    pub fn staging_value(&self, lake: &Lake) -> SqlValue {
        (&self.staging_table(lake)).into()
    }

    /// Drops its table, which has done its work once the generation is published.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn finish(&self, lake: &Lake) -> Result<()> {
        lake.catalog.drop_table(&self.staging_table(lake)).await.map(drop)
    }

    /// Removes what was written, which must not be published. What remains after a failure here, vacuum removes.
    pub async fn discard(&self, lake: &Lake) {
        if let Err(error) = self.finish(lake).await {
            tracing::warn!("cannot drop a staging table, vacuum will: {error:#}");
        }
        if let Err(error) = lake.store.delete_folder(&self.folder).await {
            tracing::warn!(folder = %self.folder, "cannot delete an unpublished generation, vacuum will: {error:#}");
        }
    }
}
