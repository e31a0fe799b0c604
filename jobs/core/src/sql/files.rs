//! Where SQL files come from, and what was parsed of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use super::{Quoting, SqlFile};

include!(concat!(env!("OUT_DIR"), "/sql_files.rs"));

/// The SQL files of one run: a folder's, or those built into the binary.
#[derive(Debug, Clone)]
pub struct SqlFiles {
    folder: Option<PathBuf>,
    /// A job asks for the same file for each of its periods. Clones share what was parsed.
    parsed: Arc<Mutex<BTreeMap<String, Parsed>>>,
}

/// A file, and the texts that it was made from by their paths: its own and those that it includes.
#[derive(Debug, Clone)]
struct Parsed {
    texts: Vec<(String, String)>,
    file: SqlFile,
}

impl SqlFiles {
    /// The files in `folder`, or the built-in ones.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, parsed: Arc::default() }
    }

    /// `queries/<name>.sql`, in Trino's dialect.
    ///
    /// # Errors
    /// The file is not there or is wrong.
    pub fn query(&self, name: &str) -> Result<SqlFile> {
        let path = format!("queries/{name}.sql");
        let file = self.parse(&path, Quoting::Trino)?;
        if file.name() != name {
            bail!("the SQL file {} is named `{}` in its header: write `-- name: {name}`", file.path, file.name());
        }
        Ok(file)
    }

    /// `tables/V001__….sql` and on, in Hive's dialect, in the order of their versions.
    ///
    /// # Errors
    /// A file is wrong, or the numbers do not run 1, 2, 3, ….
    pub fn tables(&self) -> Result<Vec<SqlFile>> {
        let mut names = self.names("tables")?;
        names.sort();
        let mut files = Vec::new();
        for name in names {
            let path = format!("tables/{name}");
            let file = self.parse(&path, Quoting::Hive)?;
            let expected = files.len() + 1;
            let number = name.strip_prefix('V').and_then(|rest| rest.split_once("__")?.0.parse::<usize>().ok());
            if number != Some(expected) || usize::try_from(file.version()).ok() != number {
                bail!(
                    "the SQL file {} is out of order: it should be named V{expected:03}__….sql and say \
                     `-- version: {expected}`",
                    file.path
                );
            }
            files.push(file);
        }
        Ok(files)
    }

    /// Parses a file, unless its texts are what they were when it was parsed before.
    fn parse(&self, path: &str, quoting: Quoting) -> Result<SqlFile> {
        let known = self.parsed().get(path).cloned();
        let is_same = |(path, text): &(String, String)| self.text(path).is_ok_and(|now| now == *text);
        if let Some(known) = known.filter(|known| known.texts.iter().all(is_same)) {
            return Ok(known.file);
        }
        let texts = RefCell::new(Vec::new());
        let read = |path: &str| -> Result<String> {
            let text = self.text(path)?;
            texts.borrow_mut().push((path.to_owned(), text.clone()));
            Ok(text)
        };
        let file = SqlFile::parse(&self.describe(path), &read(path)?, quoting, read)?;
        self.parsed().insert(path.to_owned(), Parsed { texts: texts.into_inner(), file: file.clone() });
        Ok(file)
    }

    fn parsed(&self) -> MutexGuard<'_, BTreeMap<String, Parsed>> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, path: &str) -> String {
        match &self.folder {
            Some(folder) => folder.join(path).display().to_string(),
            None => format!("sql/{path} (built in)"),
        }
    }

    fn text(&self, path: &str) -> Result<String> {
        match &self.folder {
            Some(folder) => {
                let file = folder.join(path);
                fs::read_to_string(&file).with_context(|| format!("cannot read the SQL file {}", file.display()))
            }
            None => match BUILT_IN.iter().find(|(name, _)| *name == path) {
                Some((_, text)) => Ok((*text).to_owned()),
                None => bail!("there is no SQL file {path} in this binary"),
            },
        }
    }

    fn names(&self, kind: &str) -> Result<Vec<String>> {
        let is_sql = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "sql");
        match &self.folder {
            Some(folder) => {
                let folder = folder.join(kind);
                let cannot = || format!("cannot list the SQL files in {}", folder.display());
                let mut names = Vec::new();
                for entry in fs::read_dir(&folder).with_context(cannot)? {
                    names.push(entry.with_context(cannot)?.file_name().to_string_lossy().into_owned());
                }
                Ok(names.into_iter().filter(is_sql).collect())
            }
            None => {
                let below = |path: &str| path.strip_prefix(kind)?.strip_prefix('/').map(str::to_owned);
                Ok(BUILT_IN.iter().filter_map(|(path, _)| below(path)).filter(is_sql).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_file_is_sound() {
        let files = SqlFiles::new(None);
        assert!(!files.tables().unwrap().is_empty());
        for (path, _) in BUILT_IN.iter().filter(|(path, _)| path.starts_with("queries/")) {
            files.query(path.trim_start_matches("queries/").trim_end_matches(".sql")).unwrap();
        }
    }

    #[test]
    fn an_edit_of_a_file_or_of_what_it_includes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let own = |text: &str| {
            format!("-- name: q\n-- version: 1\n-- parameters:\n\nSELECT {text}, {{% include \"sources/s.sql\" %}}")
        };
        let included = |text: &str| format!("-- name: s\n-- version: 1\n-- parameters:\n\n{text}");
        write("queries/q.sql", &own("1"));
        write("sources/s.sql", &included("2"));
        let files = SqlFiles::new(Some(folder.path().to_owned()));
        let checksum = || files.clone().query("q").unwrap().checksum();
        let first = checksum();
        assert_eq!(checksum(), first);
        write("sources/s.sql", &included("3"));
        let second = checksum();
        write("queries/q.sql", &own("4"));
        assert!(first != second && second != checksum());
        fs::remove_file(folder.path().join("sources/s.sql")).unwrap();
        assert!(files.query("q").is_err());
    }
}
