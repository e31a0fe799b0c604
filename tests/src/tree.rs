//! A folder's files, to see what a run changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Size and time of every file below a folder, by path.
pub type Tree = BTreeMap<PathBuf, (u64, SystemTime)>;

/// Every file below a folder.
#[must_use]
pub fn tree(folder: &Path) -> Tree {
    let mut files = Tree::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that can be listed") {
            let path = entry.expect("a folder that can be listed").path();
            let metadata = fs::symlink_metadata(&path).expect("a file that stays");
            if metadata.is_dir() {
                folders.push(path);
            } else {
                files.insert(path, (metadata.len(), metadata.modified().expect("a file system with times")));
            }
        }
    }
    files
}

/// Copies every file below a folder to the same place below another.
pub fn copy_tree(from: &Path, to: &Path) {
    for file in tree(from).into_keys() {
        let target = to.join(file.strip_prefix(from).expect("a file below the folder"));
        fs::create_dir_all(target.parent().expect("a file in a folder")).expect("a folder that can be made");
        fs::copy(&file, &target).expect("a file that can be copied");
    }
}
