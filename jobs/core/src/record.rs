//! Records of runs whose statements outlive them, by which a later run joins what an earlier one started and pays for.
//!
//! A statement that an engine runs elsewhere goes on when the run that started it is killed. The next run for the same
//! work must find it again: it needs the same generation, because the statement names its folder. So before anything is
//! started, a run writes its generation into a log, under a hash of what it makes it from; whoever comes with the same hash
//! takes over that generation, and with it its statements. An entry behind it says that the generation is published or given
//! up, so that nobody joins it any more. As others may be about to publish a generation that was joined, its folder is never
//! deleted at once: vacuum does that when nobody can need it any more.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::generation::Generation;
use crate::lake::Lake;
use crate::log::{self, Log};

/// The record of a run.
#[derive(Clone)]
pub(crate) struct Record {
    log: Log,
    /// The entry that began it.
    number: u64,
    /// Another run had written it.
    pub(crate) is_joined: bool,
}

/// What happened to the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    /// A run began this generation.
    Begun(Generation),
    /// The generation before is published or given up.
    Over,
}

impl Record {
    /// The generation of a run that is not over and works on the same, or a new one that is written down. `afresh`: a
    /// new one in any case.
    ///
    /// `work` names the job, the table and the period, `hash` what it is made from.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn open(lake: &Lake, work: &str, hash: &str, mut afresh: bool) -> Result<(Generation, Self)> {
        let folder = lake.config.lake.join(log::FOLDER).join("runs").join(work).join(hash);
        let log = Log::new(&lake.store, folder);
        let mut known = 0;
        loop {
            if let Some(entry) = log.last_after::<Event>(known).await? {
                known = entry.number;
                if let Event::Begun(generation) = entry.content
                    && !afresh
                    && is_young(lake, &generation)
                {
                    tracing::info!(%generation, "joins a run that was begun before and is not over");
                    return Ok((generation, Self { log, number: known, is_joined: true }));
                }
            }
            let generation = Generation::begin(&lake.clock);
            if log.append(known, &Event::Begun(generation.clone())).await? {
                return Ok((generation, Self { log, number: known + 1, is_joined: false }));
            }
            // Another run began at the same moment: that is as fresh as can be.
            afresh = false;
        }
    }

    /// Lets nobody join the run any more. Where another entry follows, somebody else saw to that.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn close(&self) -> Result<()> {
        self.log.append(self.number, &Event::Over).await.map(drop)
    }
}

/// Whether a generation will be there for as long as a run that joins it may take: vacuum deletes one that is not
/// published when it is `vacuum_after` old.
fn is_young(lake: &Lake, generation: &Generation) -> bool {
    (lake.clock.now() - generation.started()).to_std().is_ok_and(|age| age < lake.config.vacuum_after / 2)
}
