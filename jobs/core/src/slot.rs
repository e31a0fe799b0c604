//! A partition as the job that builds it sees it: what is published, and the generation in the making.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::catalog::Partition;
use crate::engine::StatementFailed;
use crate::generation::{Fingerprint, Generation};
use crate::lake::Lake;
use crate::layout::{TableLayout, period_values};
use crate::location::Location;
use crate::names::{Name, TableName};
use crate::notes::{Notes, Published};
use crate::publications::{self, Head};
use crate::publish::{Publication, vacuum_period};
use crate::record::Record;
use crate::sql::{SqlFile, SqlValue};
use crate::store::visible_objects;

/// How often a period is begun, where it changes meanwhile or a statement fails for a reason that may pass.
const ATTEMPTS: u32 = 3;

/// One period of one table, and what is published of it.
pub struct Slot<'a, P: Published> {
    lake: &'a Lake,
    table: &'a TableLayout,
    period: P,
    /// The last entry of its log when it was looked at.
    head: Head<P>,
    /// What the job that published it noted.
    pub published: Option<Publication<P>>,
}

/// A generation that is being written: a folder and a table of its own, which nobody reads before it is published.
pub struct Draft {
    /// Its mark.
    pub generation: Generation,
    /// Its folder.
    pub folder: Location,
    staging: Name,
    /// By which other runs join it, where the engine's statements outlive this one.
    record: Option<Record>,
}

impl<'a, P: Published> Slot<'a, P> {
    /// Looks up what is published of a period.
    ///
    /// # Errors
    /// The table does not exist, or the store or the catalog failed.
    pub async fn look(lake: &'a Lake, table: &'a TableLayout, period: P) -> Result<Self> {
        let head = publications::head(lake, table, period).await?;
        Ok(Self { lake, table, period, published: head.publication(), head })
    }

    /// Where what is published lies; `None`: nothing is.
    #[must_use]
    pub fn current(&self) -> Option<&Partition> {
        self.head.partition.as_ref()
    }

    /// Whether the objects of what is published are still there: as many as its job counted.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_there(&self) -> Result<bool> {
        let Some((current, published)) = self.current().zip(self.published.as_ref()) else { return Ok(true) };
        let noted = published.notes.output_files();
        if noted == 0 {
            return Ok(true);
        }
        let folder = Generation::folder_around(&current.location);
        let there = visible_objects(&*self.lake.store, &folder).await?.len() as u64;
        if there < noted {
            tracing::warn!(%folder, there, noted, "objects of a published generation are gone: it is made again");
        }
        Ok(there >= noted)
    }

    /// A generation of its own, which nobody joins.
    ///
    /// # Errors
    /// The job's name makes no table name.
    pub fn draft(&self, job: &str) -> Result<Draft> {
        self.draft_of(job, Generation::begin(&self.lake.clock), None)
    }

    /// Begins a generation that `sql` makes from what `fingerprint` stands for. Where the engine's statements outlive
    /// the run that starts them, and such a run for the same work was cut off or is still at it, its generation is taken
    /// over, and its statements are joined; unless `afresh`.
    ///
    /// # Errors
    /// The job's name makes no table name, or the store failed.
    pub async fn begin(&self, job: &str, sql: &SqlFile, fingerprint: &str, afresh: bool) -> Result<Draft> {
        if !self.lake.engine.outlives_callers() {
            return self.draft(job);
        }
        let work = format!("{job}/{}/{}", self.table.name.table, period_values(self.period).join("/"));
        // Everything that the statements' text depends on, but for the generation.
        let names = serde_json::to_string(&(&self.lake.config.database, &self.lake.config.tables))?;
        let hash = Fingerprint::default().text("fingerprint", fingerprint).text("sql", &sql.checksum());
        let hash = hash.text("names", &names).finish();
        let (generation, record) = Record::open(self.lake, &work, &hash, afresh).await?;
        self.draft_of(job, generation, Some(record))
    }

    fn draft_of(&self, job: &str, generation: Generation, record: Option<Record>) -> Result<Draft> {
        let folder = generation.folder(&self.table.folder_of(self.period));
        Ok(Draft { staging: generation.staging_table(job)?, generation, folder, record })
    }

    /// Publishes the rows in `folder`, unless another run published since the period was looked at: then `None`. First makes
    /// them durable.
    ///
    /// # Errors
    /// The data cannot be made durable, or the store or the catalog failed. Nobody knows then whether it is published: nothing
    /// may be deleted, vacuum decides later.
    pub async fn publish(&self, publication: &Publication<P>, folder: &Location) -> Result<Option<Head<P>>> {
        self.lake.store.persist(&Generation::folder_around(folder)).await?;
        let partition = publication.partition(period_values(self.period), folder.clone())?;
        let published =
            publications::append(self.lake, self.table, self.period, self.head.number, Some(&partition)).await;
        published.with_context(|| format!("cannot publish {folder} in {}", self.table.name))
    }

    /// Deletes the period's generations that no reader can need any more; `head` is what was published just now, or else
    /// what was found.
    ///
    /// # Errors
    /// The store or the catalog failed.
    pub async fn vacuum(&self, head: Option<&Head<P>>) -> Result<()> {
        let head = head.unwrap_or(&self.head);
        if let Some(current) = &head.partition {
            let generation = Generation::folder_around(&current.location);
            self.lake.store.sweep(&generation, self.lake.config.vacuum_after).await?;
        }
        let generations = self.lake.store.folders(&self.table.folder_of(self.period)).await?;
        vacuum_period(self.lake, self.table, self.period, head, generations, &[]).await.map(drop)
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

    /// The token of its statements: whoever joins it joins them.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        self.record.as_ref().map(|_| self.generation.to_string())
    }

    /// Ends it once it is published: its table has done its work.
    ///
    /// # Errors
    /// The catalog or the store failed.
    pub async fn finish(&self, lake: &Lake) -> Result<()> {
        if let Some(record) = &self.record {
            record.close().await?;
        }
        lake.catalog.drop_table(&self.staging_table(lake)).await.map(drop)
    }

    /// Gives up what was written, which must not be published. What remains after a failure here, vacuum removes.
    pub async fn discard(&self, lake: &Lake) {
        if let Err(error) = self.finish(lake).await {
            tracing::warn!("cannot tidy up after an unpublished generation, vacuum will: {error:#}");
        }
        // Another run may have joined it, and be about to publish it.
        if self.record.is_none()
            && let Err(error) = lake.store.delete_folder(&self.folder).await
        {
            tracing::warn!(folder = %self.folder, "cannot delete an unpublished generation, vacuum will: {error:#}");
        }
    }

    /// Ends it after an error, which is given back. Where a statement may run on, the draft stays to be joined by the
    /// next run. Where one failed that another run had started, a new draft may do better: [`persistently`] tries.
    pub async fn fail(&self, lake: &Lake, error: anyhow::Error) -> anyhow::Error {
        let Some(record) = &self.record else {
            self.discard(lake).await;
            return error;
        };
        if !error.is::<StatementFailed>() {
            return error;
        }
        self.discard(lake).await;
        if !record.is_joined {
            return error;
        }
        anyhow!(StatementFailed { message: crate::run::one_line(&error), is_retryable: true })
    }
}

/// Works on a period: again where it changed meanwhile (`None`), or where a statement failed for a reason that may pass.
/// `None`: it changed each time.
///
/// # Errors
/// The work's last one.
pub async fn persistently<T, F: Future<Output = Result<Option<T>>>>(
    period: impl Display,
    attempt: impl Fn() -> F,
) -> Result<Option<T>> {
    for number in 1..=ATTEMPTS {
        match attempt().await {
            Ok(None) => tracing::warn!(%period, "another run published this, or its inputs changed, meanwhile"),
            Err(error) if number < ATTEMPTS && is_retryable(&error) => {
                tracing::warn!(%period, "trying again: {}", crate::run::one_line(&error));
                tokio::time::sleep(Duration::from_secs(1) * number).await;
            }
            done => return done,
        }
    }
    Ok(None)
}

fn is_retryable(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StatementFailed>().is_some_and(|failed| failed.is_retryable)
}
