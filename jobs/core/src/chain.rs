//! The chain of hours: each is made from its own raw objects and from what the hour before it publishes, since a copy may come
//! just across the hour's edge.
//!
//! An hour is **linked** when its entry names the generation that the hour before publishes now. Where an hour is built again
//! and the next one is not yet, a call may be counted by both. It is **settled** when it is linked and its entry names every raw
//! object that lies there now; objects that it names may be gone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::catalog::Partition;
use crate::generation::{Fingerprint, Generation};
use crate::lake::Lake;
use crate::location::Location;
use crate::period::Hour;
use crate::publications::Head;
use crate::publish::Publication;
use crate::store::{Object, visible_objects};

/// The object in each generation that lists its inputs. The name hides it from query engines.
pub const MANIFEST: &str = "_inputs.json";

/// The hash of the raw objects of the hour before, by what that publishes: they tell what is a copy. Its calls and copies together
/// are the records of its objects, whatever the hour before that one publishes. `None`: it has none.
#[must_use]
pub fn objects_before(published: Option<&Publication<Hour>>) -> Option<String> {
    let notes = published.map(|published| &published.notes);
    notes.filter(|notes| notes.rows + notes.duplicates > 0).map(|notes| notes.objects.clone())
}

/// The hash that stands for the raw objects of an hour, as its job notes it.
#[must_use]
pub fn objects(raw: &Location, objects: &[Object]) -> String {
    Fingerprint::default().objects("own", raw, objects).finish()
}

/// Whether an hour that is published names what the hour before it publishes. One that is not published is linked to nothing.
#[must_use]
pub fn is_linked(previous: &Head<Hour>, hour: &Head<Hour>) -> bool {
    let generation = previous.publication().map(|published| published.generation);
    hour.publication().is_none_or(|published| published.notes.before == generation)
}

/// The raw objects of an hour that its published generation does not name, unchanged; all of them, if it was never published.
///
/// # Errors
/// The store failed, or the generation's manifest is broken.
pub async fn unsettled_objects(lake: &Lake, hour: Hour, head: &Head<Hour>) -> Result<Vec<Object>> {
    let mut there = visible_objects(&*lake.store, &lake.layout.raw.folder_of(hour)).await?;
    let Some((partition, published)) = head.partition.as_ref().zip(head.publication()) else { return Ok(there) };
    if published.notes.objects == objects(&lake.layout.raw.folder, &there) {
        return Ok(Vec::new());
    }
    let named = Manifest::read(lake, partition).await?;
    there.retain(|object| {
        let path = object.location.relative_to(&lake.layout.raw.folder).unwrap_or_default();
        named.objects.get(path).is_none_or(|known| known.size != object.size || known.etag != object.etag)
    });
    Ok(there)
}

/// Whether an hour can never be built again: raw objects with lines that its published generation names are gone.
///
/// # Errors
/// The store failed, or the generation's manifest is broken.
pub async fn is_closed(lake: &Lake, hour: Hour, head: &Head<Hour>) -> Result<bool> {
    let Some(partition) = &head.partition else { return Ok(false) };
    let there = visible_objects(&*lake.store, &lake.layout.raw.folder_of(hour)).await?;
    let there: BTreeSet<&str> =
        there.iter().filter_map(|object| object.location.relative_to(&lake.layout.raw.folder)).collect();
    let named = Manifest::read(lake, partition).await?;
    Ok(named.objects.iter().any(|(path, known)| known.finding == LINES && !there.contains(path.as_str())))
}

/// As much of a generation's manifest as tells its objects.
#[derive(Debug, Default, Deserialize)]
struct Manifest {
    objects: BTreeMap<String, Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    size: u64,
    etag: String,
    /// What it is: [`LINES`], or something that gives none.
    #[serde(default)]
    finding: Value,
}

/// What the manifest says of an object that has lines.
const LINES: &str = "lines";

impl Manifest {
    async fn read(lake: &Lake, partition: &Partition) -> Result<Self> {
        let manifest = Generation::folder_around(&partition.location).join(MANIFEST);
        match lake.store.read(&manifest).await? {
            Some(text) => serde_json::from_slice(&text).with_context(|| format!("{manifest} is broken")),
            None => Ok(Self::default()),
        }
    }
}
