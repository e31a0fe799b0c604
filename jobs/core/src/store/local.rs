//! Objects as files of the local file system.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Children, Object, ObjectWriter, Store};
use crate::location::Location;

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

    async fn children(&self, folder: &Location) -> Result<Children> {
        let root = path(folder)?;
        let names = blocking(move || {
            let (mut folders, mut objects) = (BTreeSet::new(), BTreeSet::new());
            for entry in entries(&root)? {
                let name = utf8(&entry.file_name())?;
                if entry.path().is_dir() {
                    folders.insert(name)
                } else {
                    objects.insert(name)
                };
            }
            Ok((folders, objects))
        });
        let (folders, objects) = names.await?;
        let located = |names: BTreeSet<String>| names.iter().map(|name| folder.join(name)).collect();
        Ok(Children { folders: located(folders), objects: located(objects) })
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

    async fn read_part(&self, object: &Location, from: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let file = path(object)?;
        blocking(move || {
            let read = || -> std::io::Result<Vec<u8>> {
                let mut opened = fs::File::open(&file)?;
                opened.seek(SeekFrom::Start(from))?;
                let mut part = Vec::new();
                opened.take(length).read_to_end(&mut part)?;
                Ok(part)
            };
            match read() {
                Ok(part) => Ok(Some(part)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(anyhow!(error).context(format!("cannot read {}", file.display()))),
            }
        })
        .await
    }

    async fn write(&self, object: &Location, content: &[u8]) -> Result<()> {
        let file = path(object)?;
        let content = content.to_vec();
        blocking(move || write_file(&file, &content).with_context(|| format!("cannot write {}", file.display()))).await
    }

    async fn write_new(&self, object: &Location, content: &[u8]) -> Result<bool> {
        let file = path(object)?;
        let content = content.to_vec();
        blocking(move || write_new_file(&file, &content).with_context(|| format!("cannot write {}", file.display())))
            .await
    }

    async fn create(&self, object: &Location) -> Result<Box<dyn ObjectWriter>> {
        let file = path(object)?;
        blocking(move || {
            let new = NewFile::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(Box::new(LocalWriter(Some(new))) as Box<dyn ObjectWriter>)
        })
        .await
    }

    async fn sweep(&self, folder: &Location, age: Duration) -> Result<()> {
        let root = path(folder)?;
        blocking(move || sweep_tree(&root, age)).await
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
        blocking(move || {
            let sync = || {
                sync_tree(&root)?;
                // A folder above may be as new. Those that are not ours to open are older.
                root.ancestors().skip(1).take_while(|above| sync_folder(above).is_ok()).for_each(drop);
                Ok::<_, std::io::Error>(())
            };
            sync().with_context(|| format!("cannot flush {} to disk", root.display()))
        })
        .await
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
            storage_class: None,
        });
    }
    Ok(())
}

/// Deletes what writes that were killed left, below a folder.
fn sweep_tree(folder: &Path, age: Duration) -> Result<()> {
    for entry in entries(folder)? {
        if entry.path().is_dir() {
            sweep_tree(&entry.path(), age)?;
            continue;
        }
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
}

/// Writes beside the target and renames: the name appears with the whole content or not at all.
fn write_file(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut new = NewFile::create(file)?;
    new.write(content)?;
    new.finish().map(drop)
}

/// The same, but a name that is there stays as it is: a link to it cannot be made. False then. What was written survives a loss
/// of power: others act upon it.
fn write_new_file(file: &Path, content: &[u8]) -> std::io::Result<bool> {
    let mut new = NewFile::create(file)?;
    new.write(content)?;
    new.sync()?;
    match fs::hard_link(&new.temporary, file) {
        Ok(()) => {
            let mut above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(&new.made_in));
            above.try_for_each(sync_folder)?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
            Err(std::io::Error::other(format!(
                "this file system makes no hard links, by which runs agree on who is first: put the lake on another ({error})"
            )))
        }
        Err(error) => Err(error),
    }
}

/// A file being written under a hidden name, which is removed unless it is finished.
struct NewFile {
    target: PathBuf,
    temporary: PathBuf,
    /// The folder above all those that were made for it.
    made_in: PathBuf,
    /// `None` once it is closed.
    file: Option<fs::File>,
    size: u64,
}

impl NewFile {
    fn create(target: &Path) -> std::io::Result<Self> {
        let folder = target.parent().unwrap_or(Path::new("/"));
        let made_in = folder.ancestors().find(|above| above.exists()).unwrap_or(folder).to_owned();
        fs::create_dir_all(folder)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // A name of its own: two tasks may write the same object at once.
        let temporary = folder.join(format!(".{name}.{:016x}{TEMPORARY_SUFFIX}", rand::random::<u64>()));
        let file = Some(fs::File::create(&temporary)?);
        Ok(Self { target: target.to_owned(), temporary, made_in, file, size: 0 })
    }

    fn write(&mut self, content: &[u8]) -> std::io::Result<()> {
        self.size += content.len() as u64;
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(content))
    }

    fn sync(&self) -> std::io::Result<()> {
        self.file.as_ref().map_or(Ok(()), fs::File::sync_all)
    }

    fn finish(mut self) -> std::io::Result<u64> {
        self.sync()?;
        fs::rename(&self.temporary, &self.target)?;
        self.file = None;
        Ok(self.size)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// `None` after a write that failed.
struct LocalWriter(Option<NewFile>);

impl LocalWriter {
    fn take(&mut self) -> Result<NewFile> {
        self.0.take().context("an object that could not be written cannot be written on")
    }
}

#[async_trait]
impl ObjectWriter for LocalWriter {
    async fn write(&mut self, content: Vec<u8>) -> Result<()> {
        let mut file = self.take()?;
        let written = blocking(move || {
            file.write(&content).with_context(|| format!("cannot write {}", file.target.display()))?;
            Ok(file)
        });
        self.0 = Some(written.await?);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64> {
        let file = self.take()?;
        blocking(move || {
            let target = file.target.clone();
            file.finish().with_context(|| format!("cannot write {}", target.display()))
        })
        .await
    }
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
    sync_folder(folder)
}

/// Makes sure that the names in a folder survive a loss of power.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
