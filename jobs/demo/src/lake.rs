//! The folder that the tour works in.

use std::fs;

use anyhow::{Context, Result, bail};
use meterlake_core::config::Config;

/// Marks a lake that the tour made, and may therefore make anew.
const MARK: &str = ".meterlake/demo";

/// Makes an empty lake. One that an earlier tour made is replaced; any other folder with something in it is not touched.
pub(crate) fn make_fresh(config: &Config) -> Result<()> {
    let Some(folder) = config.lake.to_path() else {
        bail!("the demo works in a local folder, not in {}: give one with --lake", config.lake);
    };
    let is_in_use = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_in_use && !folder.join(MARK).exists() {
        bail!("{} holds something that no demo made: give a new folder with --lake", folder.display());
    }
    if is_in_use {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    let mark = folder.join(MARK);
    let made = fs::create_dir_all(folder.join(".meterlake")).and_then(|()| fs::write(&mark, ""));
    made.with_context(|| format!("cannot make a lake in {}", folder.display()))
}
