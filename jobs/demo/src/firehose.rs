//! The delivery stream of the tour: files wait in a folder of their own until the time at which they arrive.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use meterlake_core::lake::Lake;
use meterlake_core::layout::Layout;
use meterlake_core::period::{Hour, Period};
use meterlake_loadgen::{Late, Options, Truth, write_files};

/// Below the lake, and no table's folder.
const WAITING: &str = ".meterlake/firehose";
/// Firehose tries for 24 hours; merge looks back as far.
const MOST_HOURS_LATE: usize = 22;

/// A file and when it arrives.
struct Delivery {
    at: DateTime<Utc>,
    from: PathBuf,
    to: PathBuf,
}

/// The files that are yet to arrive, the next one last.
pub(crate) struct Firehose {
    waiting: Vec<Delivery>,
}

impl Firehose {
    /// Writes the traffic; gives it with what is true once all of it has arrived. Files arrive when their hour is over,
    /// late ones up to 22 hours after that, and the last ones an hour after the last hour.
    pub(crate) async fn load(lake: &Lake, options: &Options) -> Result<(Self, Truth)> {
        let last = options.to.next().end();
        let on_time = |hour: Hour, _| hour.end();
        let late = |hour: Hour, place: usize| {
            let hours = i64::try_from(1 + place % MOST_HOURS_LATE).unwrap_or_default();
            last.min(hour.end() + TimeDelta::hours(hours))
        };
        let (mut waiting, _) = write(lake, options, Late::OnTime, on_time).await?;
        let (late, truth) = write(lake, options, Late::LateOnly, late).await?;
        waiting.extend(late);
        waiting.sort_by_key(|delivery| std::cmp::Reverse(delivery.at));
        Ok((Self { waiting }, truth))
    }

    /// Delivers what arrives up to a time.
    pub(crate) fn deliver(&mut self, until: DateTime<Utc>) -> Result<()> {
        while let Some(Delivery { from, to, .. }) = self.waiting.pop_if(|next| next.at <= until) {
            let moved = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::rename(&from, &to));
            moved.with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
        }
        Ok(())
    }
}

/// Writes the files of one side where they wait. `arrival` is told each file's hour and its place among all.
async fn write(
    lake: &Lake,
    options: &Options,
    side: Late,
    arrival: impl Fn(Hour, usize) -> DateTime<Utc>,
) -> Result<(Vec<Delivery>, Truth)> {
    let folder = lake.config.lake.join(WAITING).join(if side == Late::OnTime { "on-time" } else { "late" });
    let mut layout: Layout = lake.layout.clone();
    layout.raw.folder = folder;
    let truth = write_files(&*lake.store, &layout, &Options { late: side, ..options.clone() }).await?;
    let mut deliveries = Vec::new();
    for hour in Hour::range(options.from, options.to) {
        let [from, to] = [&layout, &lake.layout].map(|layout| layout.raw.folder_of(hour).to_path().unwrap_or_default());
        let Ok(files) = fs::read_dir(&from) else { continue };
        let mut names: Vec<_> = files.map(|file| Ok(file?.file_name())).collect::<Result<_>>()?;
        names.sort();
        for name in names {
            let at = arrival(hour, deliveries.len());
            deliveries.push(Delivery { at, from: from.join(&name), to: to.join(&name) });
        }
    }
    Ok((deliveries, truth))
}
