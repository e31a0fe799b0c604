//! The delivery stream of the tour: files wait in a folder of their own until the time at which they arrive.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_loadgen::{Options, Truth, write_files};

/// Below the lake, and no table's folder.
const WAITING: &str = ".meterlake/firehose";
/// One file in so many is late.
const ONE_LATE_IN: usize = 40;
/// Firehose tries for 24 hours, and merge looks back a little further.
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
    /// Writes the traffic; gives it with what is true once all of it has arrived. A file arrives when its hour is over, a
    /// late one up to 22 hours after that, and the last ones an hour after the last hour.
    pub(crate) async fn load(lake: &Lake, options: &Options) -> Result<(Self, Truth)> {
        let mut layout = lake.layout.clone();
        layout.raw.folder = lake.config.lake.join(WAITING);
        let truth = write_files(&*lake.store, &layout, options).await?;
        let mut waiting = Vec::new();
        for hour in Hour::range(options.from, options.to) {
            let folders =
                [&layout, &lake.layout].map(|layout| layout.raw.folder_of(hour).to_path().unwrap_or_default());
            let [from, to] = folders;
            let Ok(files) = fs::read_dir(&from) else { continue };
            let mut names: Vec<_> = files.map(|file| Ok(file?.file_name())).collect::<Result<_>>()?;
            names.sort();
            for name in names {
                let late = hours_late(waiting.len());
                let at = (hour.end() + TimeDelta::hours(late)).min(options.to.next().end());
                waiting.push(Delivery { at, from: from.join(&name), to: to.join(&name) });
            }
        }
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

/// How late the n-th file is.
fn hours_late(number: usize) -> i64 {
    let late = if number.is_multiple_of(ONE_LATE_IN) { 1 + number / ONE_LATE_IN % MOST_HOURS_LATE } else { 0 };
    i64::try_from(late).unwrap_or_default()
}
