//! What an hour is made from: its raw objects, and what the hour before published.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use meterlake_core::chain::{self, MANIFEST};
use meterlake_core::generation::{Fingerprint, Generation};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::Hour;
use meterlake_core::publish::Publication;
use meterlake_core::sql::SqlFile;
use meterlake_core::store::{Object, visible_objects};
use serde::{Deserialize, Serialize};

use crate::objects::{Depth, Finding, look_at};

/// Objects that are looked at side by side.
const AT_ONCE: usize = 16;
/// Objects that a statement can leave out: Trino before 2023 reads all objects where a filter names 100 of them or more.
const MOST_UNREADABLE: usize = 90;
/// Their names together, in bytes: Athena takes statements of 262,144 bytes.
const MOST_UNREADABLE_BYTES: usize = 200_000;
/// Storage classes that Athena leaves out without a word.
const SKIPPED_CLASSES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// The raw objects of an hour, and the generation that the hour before publishes.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    root: Location,
    pub(crate) objects: Vec<Object>,
    pub(crate) prior: Option<Generation>,
    /// Stands for the objects which that was made from.
    pub(crate) prior_objects: Option<String>,
    /// What two records on one line are.
    glued: &'static str,
}

impl Inputs {
    /// Lists an hour's objects. `prior` is what the hour before publishes.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn list(lake: &Lake, hour: Hour, prior: Option<&Publication<Hour>>) -> Result<Self> {
        let folder = lake.layout.raw.folder_of(hour);
        let objects = visible_objects(&*lake.store, &folder).await;
        let objects = objects.with_context(|| format!("cannot list the raw files of {hour}"))?;
        Ok(Self {
            root: lake.layout.raw.folder.clone(),
            objects,
            prior: prior.map(|published| published.generation.clone()),
            prior_objects: chain::objects_before(prior),
            glued: lake.config.raw.glued.as_str(),
        })
    }

    /// Bytes of the objects, as stored.
    pub(crate) fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// A hash over the hour's own objects.
    pub(crate) fn own_objects(&self) -> String {
        chain::objects(&self.root, &self.objects)
    }

    /// A hash over the SQL and the hour's own objects.
    pub(crate) fn own_fingerprint(&self, sql: &SqlFile) -> String {
        self.hash_own(sql).finish()
    }

    /// A hash over everything that the partition depends on.
    pub(crate) fn fingerprint(&self, sql: &SqlFile) -> String {
        let prior = self.prior.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        self.hash_own(sql).text("prior", &prior).finish()
    }

    fn hash_own(&self, sql: &SqlFile) -> Fingerprint {
        Fingerprint::default()
            .text("sql", &sql.label())
            .text("checksum", &sql.checksum())
            .text("glued", self.glued)
            .objects("own", &self.root, &self.objects)
    }

    /// Tells what each object is; those that `known` has unchanged are not looked at again. `None`: an object is gone.
    ///
    /// # Errors
    /// The store failed, or an object lies in a storage class that queries leave out.
    pub(crate) async fn look_at(&self, lake: &Lake, known: &Manifest, depth: Depth) -> Result<Option<Manifest>> {
        for object in &self.objects {
            if let Some(class) = &object.storage_class
                && SKIPPED_CLASSES.contains(&class.as_str())
            {
                bail!(
                    "{} lies in the storage class {class}, which queries leave out without a word: copy it back into \
                     STANDARD, or move it out of the raw folder",
                    object.location
                );
            }
        }
        let looks = self.objects.iter().map(|object| async move {
            let path = self.path(object);
            let known = known.objects.get(path).filter(|known| known.is(object));
            let finding = match known.map(|known| &known.finding) {
                Some(Finding::Lines) if depth == Depth::Whole => look_at(&*lake.store, object, depth).await?,
                Some(finding) => Some(finding.clone()),
                None => look_at(&*lake.store, object, depth).await?,
            };
            let entry = |finding| (path.to_owned(), Entry { size: object.size, etag: object.etag.clone(), finding });
            Ok::<_, anyhow::Error>(finding.map(entry))
        });
        // Boxed, since the compiler cannot tell otherwise that these futures may be sent to another thread.
        let looks: Vec<_> = looks.map(FutureExt::boxed).collect();
        let found: Vec<Option<(String, Entry)>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        let objects: Option<BTreeMap<String, Entry>> = found.into_iter().collect();
        Ok(objects.map(|objects| Manifest { objects }))
    }

    /// The path of an object below the raw folder.
    fn path<'a>(&self, object: &'a Object) -> &'a str {
        object.location.relative_to(&self.root).unwrap_or_else(|| object.location.as_str())
    }
}

/// The raw objects of a generation, as it keeps them, by their paths below the raw folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    objects: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    size: u64,
    etag: String,
    finding: Finding,
}

impl Entry {
    /// Whether it is of this object, unchanged.
    fn is(&self, object: &Object) -> bool {
        self.size == object.size && self.etag == object.etag
    }
}

impl Manifest {
    /// Reads a generation's; `None` if it has none.
    ///
    /// # Errors
    /// The store failed, or the manifest is broken.
    pub(crate) async fn read(lake: &Lake, generation: &Location) -> Result<Option<Self>> {
        let location = generation.join(MANIFEST);
        match lake.store.read(&location).await? {
            Some(text) => serde_json::from_slice(&text).map(Some).with_context(|| format!("{location} is broken")),
            None => Ok(None),
        }
    }

    /// Writes a generation's.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn write(&self, lake: &Lake, generation: &Location) -> Result<()> {
        lake.store.write(&generation.join(MANIFEST), &serde_json::to_vec(self)?).await
    }

    /// The objects with lines that `inputs` no longer have, by path.
    pub(crate) fn gone_from(&self, inputs: &Inputs) -> Vec<&str> {
        let there: BTreeSet<&str> = inputs.objects.iter().map(|object| inputs.path(object)).collect();
        self.with_lines().filter(|path| !there.contains(path)).collect()
    }

    /// The objects that have lines.
    pub(crate) fn with_lines(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().filter(|(_, entry)| entry.finding == Finding::Lines).map(|(path, _)| path.as_str())
    }

    /// The objects that engines cannot read, each with what it seems to be.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.objects.iter().filter_map(|(path, entry)| match &entry.finding {
            Finding::Unreadable(what) => Some((path.as_str(), what.as_str())),
            Finding::Lines | Finding::Blank => None,
        })
    }

    /// The objects to leave out of statements, by their `"$path"`.
    ///
    /// # Errors
    /// They are more than a statement can leave out.
    pub(crate) fn left_out(&self, raw: &Location) -> Result<Vec<String>> {
        let paths: Vec<String> = self.unreadable().map(|(path, _)| raw.join(path).to_string()).collect();
        let bytes: usize = paths.iter().map(String::len).sum();
        if paths.len() > MOST_UNREADABLE || bytes > MOST_UNREADABLE_BYTES {
            let (path, what) = self.unreadable().next().unwrap_or_default();
            bail!(
                "{} raw objects are no lines of text, more than a statement can leave out; the first, {path}, is {what}: \
                 set the stream to write plain text or GZIP, and move these objects out of the raw folder",
                paths.len()
            );
        }
        Ok(paths)
    }
}
