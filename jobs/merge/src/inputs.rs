//! What an hour is made from: the raw objects of the hour and of the one before it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use meterlake_core::generation::Fingerprint;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::{Hour, Period};
use meterlake_core::sql::SqlFile;
use meterlake_core::store::{Object, visible_objects};
use serde::{Deserialize, Serialize};

/// The object in each generation that lists its inputs. The name hides it from query engines.
const MANIFEST: &str = "_inputs.json";

/// The raw objects of an hour, and those of the hour before, which its copies are looked for in.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    root: Location,
    pub(crate) own: Vec<Object>,
    prior: Vec<Object>,
}

/// The raw objects of one hour.
pub(crate) async fn raw_objects(lake: &Lake, hour: Hour) -> Result<Vec<Object>> {
    let folder = lake.layout.raw.folder_of(hour);
    visible_objects(&*lake.store, &folder).await.with_context(|| format!("cannot list the raw files of {hour}"))
}

impl Inputs {
    pub(crate) fn new(lake: &Lake, own: Vec<Object>, prior: Vec<Object>) -> Self {
        Self { root: lake.layout.raw.folder.clone(), own, prior }
    }

    pub(crate) async fn list(lake: &Lake, hour: Hour) -> Result<Self> {
        let prior = raw_objects(lake, hour.previous()).await?;
        Ok(Self::new(lake, raw_objects(lake, hour).await?, prior))
    }

    /// Bytes of the hour's own objects, as stored.
    pub(crate) fn bytes(&self) -> u64 {
        self.own.iter().map(|object| object.size).sum()
    }

    /// A hash over the SQL and the hour's own objects.
    pub(crate) fn own_fingerprint(&self, sql: &SqlFile) -> String {
        self.hash_own(sql).finish()
    }

    /// A hash over everything that the partition depends on.
    pub(crate) fn fingerprint(&self, sql: &SqlFile) -> String {
        self.hash_own(sql).objects("prior", &self.root, &self.prior).finish()
    }

    fn hash_own(&self, sql: &SqlFile) -> Fingerprint {
        Fingerprint::default()
            .text("sql", &sql.label())
            .text("checksum", &sql.checksum())
            .objects("own", &self.root, &self.own)
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let entry = |object: &Object| Entry {
            path: object.location.relative_to(&self.root).unwrap_or(object.location.as_str()).to_owned(),
            size: object.size,
            etag: object.etag.clone(),
        };
        Manifest { own: self.own.iter().map(entry).collect(), prior: self.prior.iter().map(entry).collect() }
    }
}

/// The inputs of a generation, as it keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    own: BTreeSet<Entry>,
    prior: BTreeSet<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Entry {
    path: String,
    size: u64,
    etag: String,
}

impl Manifest {
    /// Reads a generation's; an empty one if it has none.
    pub(crate) async fn read(lake: &Lake, generation: &Location) -> Result<Self> {
        let location = generation.join(MANIFEST);
        match lake.store.read(&location).await? {
            Some(text) => serde_json::from_slice(&text).with_context(|| format!("{location} is broken")),
            None => Ok(Self::default()),
        }
    }

    pub(crate) async fn write(&self, lake: &Lake, generation: &Location) -> Result<()> {
        lake.store.write(&generation.join(MANIFEST), &serde_json::to_vec(self)?).await
    }

    /// The objects that `now` no longer has, by path. Without those of the hour before, their copies in this hour would
    /// be counted again.
    pub(crate) fn gone_from<'a>(&'a self, now: &'a Self) -> Vec<&'a str> {
        let there: BTreeSet<&str> = now.paths().collect();
        self.paths().filter(|path| !there.contains(path)).collect()
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        self.own.iter().chain(&self.prior).map(|entry| entry.path.as_str())
    }

    /// Whether all objects of the hour before are among those of `now`, unchanged.
    pub(crate) fn prior_is_within(&self, now: &Self) -> bool {
        self.prior.is_subset(&now.prior)
    }
}
