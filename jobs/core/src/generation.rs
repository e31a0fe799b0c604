//! Generations: the folders that runs write, of which a partition points at one.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use chrono::{DateTime, NaiveDateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::location::Location;
use crate::names::Name;
use crate::sql::hex;
use crate::store::Object;

const FOLDER_PREFIX: &str = "run=";
const STAGING_PREFIX: &str = "meterlake_staging_";
const TIME_FORMAT: &str = "%Y%m%dt%H%M%S";

/// One run's mark: when it started (to the second, UTC) and a random part. Printed `20230131t071000_1a2b3c4d`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Generation {
    started: DateTime<Utc>,
    text: String,
}

impl Generation {
    /// A new one that starts now.
    #[must_use]
    pub fn begin(clock: &Clock) -> Self {
        let now = clock.now();
        // As it is read back from its text, so that a generation equals itself.
        let started = now.with_nanosecond(0).unwrap_or(now);
        Self { started, text: format!("{}_{:08x}", started.format(TIME_FORMAT), rand::random::<u32>()) }
    }

    /// When its run started.
    #[must_use]
    pub fn started(&self) -> DateTime<Utc> {
        self.started
    }

    /// Its folder in a partition's folder.
    #[must_use]
    pub fn folder(&self, partition: &Location) -> Location {
        partition.join(&format!("{FOLDER_PREFIX}{self}"))
    }

    /// The generation whose folder this is; `None` if it is no generation's.
    #[must_use]
    pub fn of_folder(folder: &Location) -> Option<Self> {
        folder.name().strip_prefix(FOLDER_PREFIX)?.parse().ok()
    }

    /// The generation's folder that a location is or lies in; the location itself if it lies in none.
    #[must_use]
    pub fn folder_around(location: &Location) -> Location {
        let mut folder = location.clone();
        while Self::of_folder(&folder).is_none() {
            let above = folder.parent();
            if above == folder {
                return location.clone();
            }
            folder = above;
        }
        folder
    }

    /// The name of the table that its CTAS creates on the way.
    ///
    /// # Errors
    /// The job's name is too long or no name.
    pub fn staging_table(&self, job: &str) -> Result<Name> {
        format!("{STAGING_PREFIX}{job}_{self}").parse()
    }

    /// The generation that a staging table belongs to; `None` if it is no staging table.
    #[must_use]
    pub fn of_staging_table(table: &Name) -> Option<Self> {
        let mut parts = table.as_str().strip_prefix(STAGING_PREFIX)?.rsplitn(3, '_');
        let (random, time) = (parts.next()?, parts.next()?);
        format!("{time}_{random}").parse().ok()
    }
}

impl FromStr for Generation {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || anyhow!("`{text}` is no generation");
        let (time, random) = text.split_once('_').ok_or_else(wrong)?;
        let started = NaiveDateTime::parse_from_str(time, TIME_FORMAT).map_err(|_| wrong())?;
        u32::from_str_radix(random, 16).map_err(|_| wrong())?;
        Ok(Self { started: started.and_utc(), text: text.to_owned() })
    }
}

impl TryFrom<String> for Generation {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Generation> for String {
    fn from(generation: Generation) -> Self {
        generation.text
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The SHA-256 of some bytes, hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Collects what a partition is made from into one hash.
#[derive(Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds a text under a name.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        // Lengths keep neighbours apart: ("ab", "c") is not ("a", "bc").
        for part in [name, text] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part.as_bytes());
        }
        self
    }

    /// Adds objects by their path below `root`, size and ETag.
    #[must_use]
    pub fn objects(self, name: &str, root: &Location, objects: &[Object]) -> Self {
        let counted = self.text(name, &objects.len().to_string());
        objects.iter().fold(counted, |hash, object| {
            let path = object.location.relative_to(root).unwrap_or_else(|| object.location.as_str());
            hash.text(path, &format!("{} {}", object.size, object.etag))
        })
    }

    /// The hash: SHA-256, hexadecimal.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_found_again_from_its_folder_and_its_staging_table() {
        let generation = Generation::begin(&Clock::real());
        let folder = generation.folder(&"s3://lake/hour=06".parse().unwrap());
        let found = Generation::of_folder(&folder).unwrap();
        assert_eq!(found, generation);
        assert_eq!(found.to_string(), generation.to_string());
        assert_eq!(found.started().timestamp(), generation.started().timestamp());
        let table = generation.staging_table("merge").unwrap();
        assert_eq!(Generation::of_staging_table(&table).unwrap(), found);
        assert_eq!(Generation::of_staging_table(&"meterlake_staging_x".parse().unwrap()), None);
        assert_eq!(Generation::of_folder(&"s3://lake/run=old".parse().unwrap()), None);
        assert_eq!(Generation::folder_around(&folder.join("kind=call")), folder);
        assert_eq!(Generation::folder_around(&folder), folder);
        let elsewhere: Location = "s3://lake/hour=06".parse().unwrap();
        assert_eq!(Generation::folder_around(&elsewhere), elsewhere);
    }

    #[test]
    fn a_fingerprint_tells_neighbours_apart() {
        let hash = |a: &str, b: &str| Fingerprint::default().text(a, b).finish();
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
        assert_eq!(hash("ab", "c"), hash("ab", "c"));
    }
}
