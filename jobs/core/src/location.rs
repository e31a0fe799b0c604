//! Where things are: a folder or an object, in a local folder or in S3.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The URI of a folder or an object, `file:///path` or `s3://bucket/key`, without a trailing slash.
///
/// The path is plain text as Hive and S3 print it: nothing is percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Location(String);

impl Location {
    /// The root of the local file system.
    #[must_use]
    pub(crate) fn root() -> Self {
        Self("file://".to_owned())
    }

    /// A local path, made absolute against the current folder.
    ///
    /// # Errors
    /// The path is not UTF-8, or the current folder cannot be read.
    pub fn from_path(path: &Path) -> Result<Self> {
        let absolute =
            std::path::absolute(path).with_context(|| format!("`{}` is not a usable path", path.display()))?;
        let text = absolute.to_str().with_context(|| format!("the path {} is not UTF-8", absolute.display()))?;
        Ok(Self(format!("file://{}", text.trim_end_matches('/'))))
    }

    /// What lies at `name` (any number of segments) below.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match name.trim_matches('/') {
            "" => self.clone(),
            name => Self(format!("{}/{name}", self.0)),
        }
    }

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The local path; `None` for S3.
    #[must_use]
    pub fn to_path(&self) -> Option<PathBuf> {
        self.0.strip_prefix("file://").map(PathBuf::from)
    }

    /// Bucket and key; `None` for a local path.
    #[must_use]
    pub fn bucket_and_key(&self) -> Option<(&str, &str)> {
        let rest = self.0.strip_prefix("s3://")?;
        Some(rest.split_once('/').unwrap_or((rest, "")))
    }

    /// The path of `self` below `folder`, without a leading slash; `None` if it is not below.
    #[must_use]
    pub fn relative_to(&self, folder: &Self) -> Option<&str> {
        self.0.strip_prefix(folder.as_str())?.strip_prefix('/')
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder it lies in; a root lies in itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.0.rsplit_once('/') {
            Some((parent, _)) if !parent.ends_with('/') => Self(parent.to_owned()),
            _ => self.clone(),
        }
    }
}

impl FromStr for Location {
    type Err = anyhow::Error;

    /// Reads `file:///path`, `s3://bucket[/prefix]`, or a plain path (made absolute).
    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            bail!("a location is empty: write file:///path, s3://bucket/prefix or a path");
        }
        if let Some(rest) = text.strip_prefix("s3://").or_else(|| text.strip_prefix("s3a://")) {
            let rest = rest.trim_end_matches('/');
            if rest.is_empty() || rest.starts_with('/') {
                bail!("`{text}` names no bucket: write s3://bucket/prefix");
            }
            return Ok(Self(format!("s3://{rest}")));
        }
        match text.split_once("://") {
            None => Self::from_path(Path::new(text)),
            Some(("file", path)) if path.starts_with('/') => Self::from_path(Path::new(path)),
            Some(_) => bail!("`{text}` is no location: write file:///path, s3://bucket/prefix or a path"),
        }
    }
}

impl TryFrom<String> for Location {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> Location {
        text.parse().unwrap()
    }

    #[test]
    fn a_location_has_one_form() {
        assert_eq!(location("file:///lake/").as_str(), "file:///lake");
        assert_eq!(location("s3a://bucket/a/").as_str(), "s3://bucket/a");
        assert_eq!(location("/lake").as_str(), "file:///lake");
        assert!(location("lake").to_path().unwrap().is_absolute());
    }

    #[test]
    fn a_wrong_location_is_refused_with_a_right_one() {
        for text in ["", "s3://", "s3:///key", "gs://bucket", "file://relative"] {
            assert!(text.parse::<Location>().unwrap_err().to_string().contains("s3://bucket"), "{text}");
        }
    }

    #[test]
    fn below_means_below_a_folder_and_not_beside_it() {
        let lake = location("s3://bucket/lake");
        assert_eq!(lake.join("a/b").relative_to(&lake), Some("a/b"));
        assert_eq!(location("s3://bucket/lake2/a").relative_to(&lake), None);
        assert_eq!(lake.join("a/b").parent(), lake.join("a"));
        assert_eq!(location("s3://bucket").parent(), location("s3://bucket"));
    }
}
