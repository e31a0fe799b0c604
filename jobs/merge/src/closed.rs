//! Hours that are closed: what they were made from is gone, so they stay as they are published.

use anyhow::{Result, bail};
use meterlake_core::catalog::Partition;
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publish::Publication;

use crate::inputs::{Inputs, Manifest};
use crate::job::head;

/// An hour is closed: it cannot be built again from what it was made from, nor can the hour before it, from which it took what
/// is a copy.
#[derive(Debug, thiserror::Error)]
#[error(
    "{count} raw files that the published hour {hour} was made from are gone, such as {first}: put them back, or merge without \
     them with --force; files that came since are counted where they are moved into the folder of the running hour"
)]
pub(crate) struct Closed {
    hour: Hour,
    count: usize,
    first: String,
}

/// Refuses an hour that cannot be built again without losing a call, or counting one twice. `manifest` is that of what is
/// `published`; `None`: it is gone, or nothing is published.
pub(crate) async fn refuse_closed(
    lake: &Lake,
    hour: Hour,
    inputs: &Inputs,
    published: Option<&Publication<Hour>>,
    manifest: Option<&Manifest>,
) -> Result<()> {
    if let Some(manifest) = manifest {
        refuse_gone(hour, &manifest.gone_from(inputs))?;
    } else if let Some(published) = published
        && published.notes.source_files > 0
        && published.notes.objects != inputs.own_objects()
    {
        // Nobody knows any more which files it was made from, only that they were others.
        let first = format!("one of its {} files", published.notes.source_files);
        bail!(Closed { hour, count: 1, first });
    }
    // From the same objects come the same records, and only those tell what the hour after it counts.
    let is_same = published.is_some_and(|published| published.notes.objects == inputs.own_objects());
    if inputs.objects.is_empty() || is_same {
        return Ok(());
    }
    // The hour after it was merged without what this one would count now, and cannot be merged again.
    let next = hour.next();
    if let Some(manifest) = published_manifest(lake, head(lake, next).await?.partition.as_ref()).await? {
        refuse_gone(next, &manifest.gone_from(&Inputs::list(lake, next, None).await?))?;
    }
    Ok(())
}

fn refuse_gone(hour: Hour, gone: &[&str]) -> Result<()> {
    match gone.first() {
        None => Ok(()),
        Some(first) => bail!(Closed { hour, count: gone.len(), first: (*first).to_owned() }),
    }
}

/// The manifest of a published generation; `None` if nothing is published, or it is gone.
pub(crate) async fn published_manifest(lake: &Lake, published: Option<&Partition>) -> Result<Option<Manifest>> {
    match published {
        Some(published) => Manifest::read(lake, &Generation::folder_around(&published.location)).await,
        None => Ok(None),
    }
}
