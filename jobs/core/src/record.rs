//! Records of runs whose statements outlive them, by which a later run joins what an earlier one started and pays for.
//!
//! A statement that an engine runs elsewhere goes on when the run that started it is killed. The next run for the same
//! work must find it again: it needs the same generation, because the statement names its folder. So before anything is
//! started, a run writes its generation down, under a hash of what it makes it from; whoever comes with the same hash
//! takes over that generation, and with it its statements.
//!
//! `.meterlake/runs/<table>/<values>/<hash>/<number>` holds a generation, and never changes. Beside it, `<number>.over`
//! says that the generation is published or given up, so that nobody joins it any more; the next run takes the next
//! number. As others may be about to publish a generation that was joined, its folder is never deleted at once: vacuum
//! does that when nobody can need it any more.

use anyhow::{Context, Result};
use chrono::Utc;

use crate::generation::Generation;
use crate::lake::Lake;
use crate::location::Location;

const FOLDER: &str = ".meterlake/runs";
const OVER: &str = ".over";

/// The record of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    object: Location,
    /// Another run had written it.
    pub(crate) is_joined: bool,
}

impl Record {
    /// The generation of a run that is not over and works on the same, or a new one that is written down. `afresh`: a
    /// new one in any case.
    ///
    /// `work` names the table and the partition, `hash` what it is made from.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn open(lake: &Lake, work: &str, hash: &str, mut afresh: bool) -> Result<(Generation, Self)> {
        let folder = root(lake).join(work).join(hash);
        loop {
            let objects = lake.store.list(&folder).await?;
            let names: Vec<&str> = objects.iter().map(|object| object.location.name()).collect();
            let last = names.iter().filter_map(|name| name.parse::<u32>().ok()).max();
            if let Some(last) = last {
                let is_over = names.contains(&format!("{last}{OVER}").as_str());
                let object = folder.join(&last.to_string());
                let known = if is_over || afresh { None } else { read(lake, &object).await? };
                if let Some(generation) = known.filter(|generation| is_young(lake, generation)) {
                    tracing::info!(%generation, "joins a run that was begun before and is not over");
                    return Ok((generation, Self { object, is_joined: true }));
                }
            }
            let generation = Generation::begin();
            let object = folder.join(&last.map_or(1, |last| last.saturating_add(1)).to_string());
            if lake.store.write_new(&object, generation.to_string().as_bytes()).await? {
                return Ok((generation, Self { object, is_joined: false }));
            }
            // Another run began at the same moment: that is as fresh as can be.
            afresh = false;
        }
    }

    /// Lets nobody join the run any more.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn close(&self, lake: &Lake) -> Result<()> {
        lake.store.write(&self.object.parent().join(&format!("{}{OVER}", self.object.name())), b"").await
    }
}

/// Deletes the records that nobody reads any more; gives how many folders of them.
///
/// # Errors
/// The store failed.
pub(crate) async fn vacuum(lake: &Lake) -> Result<u64> {
    let objects = lake.store.list(&root(lake)).await?;
    let mut folders: Vec<Location> = objects.iter().map(|object| object.location.parent()).collect();
    folders.dedup();
    let mut deleted = 0;
    for folder in folders {
        let mut of_folder = objects.iter().filter(|object| object.location.parent() == folder);
        let is_old = |age: chrono::TimeDelta| age.to_std().is_ok_and(|age| age >= lake.config.vacuum_after);
        if of_folder.all(|object| is_old(Utc::now() - object.modified)) {
            lake.store.delete_folder(&folder).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

fn root(lake: &Lake) -> Location {
    lake.config.lake.join(FOLDER)
}

async fn read(lake: &Lake, object: &Location) -> Result<Option<Generation>> {
    let Some(content) = lake.store.read(object).await? else { return Ok(None) };
    let generation = std::str::from_utf8(&content).ok().and_then(|text| text.parse().ok());
    generation.map(Some).with_context(|| format!("{object} is not the record of a run: delete it"))
}

/// Whether a generation will be there for as long as a run that joins it may take: vacuum deletes one that is not
/// published when it is `vacuum_after` old.
fn is_young(lake: &Lake, generation: &Generation) -> bool {
    (Utc::now() - generation.started()).to_std().is_ok_and(|age| age < lake.config.vacuum_after / 2)
}
