//! Puts the SQL files into the binary, so that a deployed job needs no files beside it.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sql = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../sql").canonicalize()?;
    println!("cargo:rerun-if-changed={}", sql.display());
    let mut entries = String::new();
    for folder in ["queries", "sources", "tables"] {
        let mut files: Vec<PathBuf> =
            fs::read_dir(sql.join(folder))?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sql")) {
            let name = format!("{folder}/{}", file.file_name().unwrap_or_default().to_string_lossy());
            entries.push_str(&format!("    ({name:?}, include_str!({file:?})),\n"));
        }
    }
    let code = format!("/// Path below `sql/`, and text.\nstatic BUILT_IN: &[(&str, &str)] = &[\n{entries}];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("sql_files.rs"), code)?;
    Ok(())
}
