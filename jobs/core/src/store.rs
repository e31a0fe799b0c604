//! The seam to the objects of a lake: a local folder or S3.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::location::Location;

/// An object and what a listing says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Where it is.
    pub location: Location,
    /// Bytes, as stored.
    pub size: u64,
    /// Changes when the content does.
    pub etag: String,
    /// When it was written.
    pub modified: DateTime<Utc>,
}

impl Object {
    /// Whether query engines pass it over: a segment below `folder` starts with `_` or `.`.
    #[must_use]
    pub fn is_hidden_in(&self, folder: &Location) -> bool {
        let path = self.location.relative_to(folder).unwrap_or_else(|| self.location.name());
        path.split('/').any(|segment| segment.starts_with(['_', '.']))
    }
}

/// Lists, reads, writes and deletes objects.
#[async_trait]
pub trait Store: Send + Sync {
    /// Whether the lake's root is there.
    async fn exists(&self, root: &Location) -> Result<bool>;
    /// Every object below a folder, hidden ones too, sorted by location; none if there is no such folder.
    async fn list(&self, folder: &Location) -> Result<Vec<Object>>;
    /// The folders straight below a folder, sorted; none if there is no such folder.
    async fn folders(&self, folder: &Location) -> Result<Vec<Location>>;
    /// An object's content; `None` if it is not there.
    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>>;
    /// Writes an object at once: readers see the old content, none, or the new, never a part.
    async fn write(&self, object: &Location, content: &[u8]) -> Result<()>;
    /// Deletes what writes that were killed left half-written below a folder, if it is older than `age`.
    async fn sweep(&self, folder: &Location, age: Duration) -> Result<()>;
    /// Deletes everything below a folder. A folder that is not there is deleted already.
    async fn delete_folder(&self, folder: &Location) -> Result<()>;
    /// Makes sure that what was written below a folder survives a loss of power.
    async fn persist(&self, folder: &Location) -> Result<()>;
}

/// The objects below a folder that query engines read.
///
/// # Errors
/// The folder cannot be listed.
pub async fn visible_objects(store: &dyn Store, folder: &Location) -> Result<Vec<Object>> {
    let mut objects = store.list(folder).await?;
    objects.retain(|object| !object.is_hidden_in(folder));
    Ok(objects)
}

/// Objects as files of the local file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalStore;

#[async_trait]
impl Store for LocalStore {
    async fn exists(&self, root: &Location) -> Result<bool> {
        Ok(path(root)?.is_dir())
    }

    async fn list(&self, folder: &Location) -> Result<Vec<Object>> {
        let root = path(folder)?;
        blocking(move || {
            let mut objects = Vec::new();
            list_files(&root, &mut objects)?;
            objects.sort_by(|a, b| a.location.cmp(&b.location));
            Ok(objects)
        })
        .await
    }

    async fn folders(&self, folder: &Location) -> Result<Vec<Location>> {
        let root = path(folder)?;
        let names = blocking(move || {
            let mut names = BTreeSet::new();
            for entry in entries(&root)? {
                if entry.path().is_dir() {
                    names.insert(utf8(&entry.file_name())?);
                }
            }
            Ok(names)
        })
        .await?;
        Ok(names.iter().map(|name| folder.join(name)).collect())
    }

    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>> {
        let file = path(object)?;
        blocking(move || match fs::read(&file) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(anyhow!(error).context(format!("cannot read {}", file.display()))),
        })
        .await
    }

    async fn write(&self, object: &Location, content: &[u8]) -> Result<()> {
        let file = path(object)?;
        let content = content.to_vec();
        blocking(move || write_file(&file, &content).with_context(|| format!("cannot write {}", file.display()))).await
    }

    async fn sweep(&self, folder: &Location, age: Duration) -> Result<()> {
        let root = path(folder)?;
        blocking(move || {
            for entry in entries(&root)? {
                if !is_temporary(&entry) {
                    continue;
                }
                let written = entry.metadata().and_then(|metadata| metadata.modified());
                if written.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed >= age)) {
                    match fs::remove_file(entry.path()) {
                        // Another run swept it.
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        removed => removed.with_context(|| format!("cannot delete {}", entry.path().display()))?,
                    }
                }
            }
            Ok(())
        })
        .await
    }

    async fn delete_folder(&self, folder: &Location) -> Result<()> {
        let root = path(folder)?;
        blocking(move || match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(anyhow!(error).context(format!("cannot delete {}", root.display())))
            }
            _ => Ok(()),
        })
        .await
    }

    async fn persist(&self, folder: &Location) -> Result<()> {
        let root = path(folder)?;
        blocking(move || sync_tree(&root).with_context(|| format!("cannot flush {} to disk", root.display()))).await
    }
}

/// How the names of files end that are being written; they start with a dot, which hides them.
const TEMPORARY_SUFFIX: &str = ".tmp";

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

fn path(location: &Location) -> Result<PathBuf> {
    location.to_path().ok_or_else(|| anyhow!("{location} is not a local path"))
}

fn utf8(name: &std::ffi::OsStr) -> Result<String> {
    name.to_str().map(str::to_owned).ok_or_else(|| anyhow!("the file name {} is not UTF-8: rename it", name.display()))
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<Result<_, _>>().with_context(|| format!("cannot list {}", folder.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(anyhow!(error).context(format!("cannot list {}", folder.display()))),
    }
}

fn list_files(folder: &Path, objects: &mut Vec<Object>) -> Result<()> {
    for entry in entries(folder)? {
        let file = entry.path();
        let metadata = match fs::metadata(&file) {
            Ok(metadata) => metadata,
            // Deleted since the folder was read, as vacuum does.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(anyhow!(error).context(format!("cannot look at {}", file.display()))),
        };
        if metadata.is_dir() {
            list_files(&file, objects)?;
            continue;
        }
        utf8(&entry.file_name())?;
        let modified: DateTime<Utc> = metadata.modified()?.into();
        objects.push(Object {
            location: Location::from_path(&file)?,
            size: metadata.len(),
            etag: format!("{:x}-{:x}", modified.timestamp_nanos_opt().unwrap_or_default(), metadata.len()),
            modified,
        });
    }
    Ok(())
}

/// Writes beside the target and renames: the name appears with the whole content or not at all.
fn write_file(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // A name of its own: two tasks may write the same object at once.
    let temporary = folder.join(format!(".{name}.{:016x}{TEMPORARY_SUFFIX}", rand::random::<u64>()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Whether a write, of this run or another, is about to rename the file or was killed before it did.
fn is_temporary(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX)
}

fn sync_tree(folder: &Path) -> std::io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else if !is_temporary(&entry) {
            fs::File::open(&path)?.sync_all()?;
        }
    }
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_listed_read_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::from_path(folder.path()).unwrap();
        let object = root.join("b=사용자 \"x\"/c.json");
        LocalStore.write(&object, b"{}").await.unwrap();
        LocalStore.write(&root.join("_hidden/d"), b"").await.unwrap();
        LocalStore.persist(&root).await.unwrap();

        let objects = LocalStore.list(&root).await.unwrap();
        assert_eq!(objects.len(), 2);
        let visible = visible_objects(&LocalStore, &root).await.unwrap();
        assert_eq!((visible.len(), visible[0].size, &visible[0].location), (1, 2, &object));
        assert_eq!(LocalStore.read(&object).await.unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!(LocalStore.folders(&root).await.unwrap().len(), 2);

        LocalStore.delete_folder(&object.parent()).await.unwrap();
        LocalStore.delete_folder(&object.parent()).await.unwrap();
        assert_eq!(LocalStore.read(&object).await.unwrap(), None);
    }

    #[tokio::test]
    async fn another_content_gives_another_etag() {
        let folder = tempfile::tempdir().unwrap();
        let object = Location::from_path(folder.path()).unwrap().join("a");
        let mut etags = BTreeSet::new();
        for content in [&b"1"[..], b"22"] {
            LocalStore.write(&object, content).await.unwrap();
            etags.insert(LocalStore.list(&object.parent()).await.unwrap()[0].etag.clone());
        }
        assert_eq!(etags.len(), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_object_may_be_written_several_times_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let object = Location::from_path(folder.path()).unwrap().join("a");
        let writes = (0..8).map(|_| LocalStore.write(&object, b"{}"));
        futures::future::try_join_all(writes).await.unwrap();
        assert_eq!(LocalStore.list(&object.parent()).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_a_killed_write_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::from_path(folder.path()).unwrap();
        for name in [".a.0123.tmp", "a", ".b"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        LocalStore.sweep(&root, Duration::from_secs(60)).await.unwrap();
        assert_eq!(LocalStore.list(&root).await.unwrap().len(), 3);
        LocalStore.sweep(&root, Duration::ZERO).await.unwrap();
        assert_eq!(LocalStore.list(&root).await.unwrap().len(), 2);
        LocalStore.sweep(&root.join("nowhere"), Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_empty() {
        let nowhere: Location = "file:///nowhere/at/all".parse().unwrap();
        assert!(LocalStore.list(&nowhere).await.unwrap().is_empty());
        assert!(LocalStore.folders(&nowhere).await.unwrap().is_empty());
        assert!(!LocalStore.exists(&nowhere).await.unwrap());
    }
}
