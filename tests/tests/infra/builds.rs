//! What `sam build` would build. It takes long, so it is only asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::templates::template;
use crate::tools::{infra, tool};

/// A cargo that builds nothing, but says what it was to build.
const CARGO: &str = r#"#!/bin/sh
if [ "$1" = build ]; then echo "$@" > "$ASKED"; exit 1; fi
exec "$REAL_CARGO" "$@"
"#;

#[test]
fn each_function_is_built_small_from_a_crate_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (cargo, asked) = (folder.path().join("cargo"), folder.path().join("asked"));
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let real = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());

    let mut crates = Vec::new();
    for file in ["api.yaml", "jobs.yaml"] {
        for resource in template(file)["Resources"].as_object().unwrap().values() {
            if resource["Type"] != "AWS::Serverless::Function" {
                continue;
            }
            assert_eq!(resource["Metadata"]["BuildMethod"], "rust-cargolambda");
            let code = infra().join(resource["Properties"]["CodeUri"].as_str().unwrap());
            let mut build = tool("cargo-lambda");
            build.args(["lambda", "build", "--release"]).current_dir(&code);
            build.env("CARGO", &cargo).env("REAL_CARGO", &real).env("ASKED", &asked);
            let said = build.output().unwrap();
            let asked = fs::read_to_string(&asked).unwrap_or_else(|_| panic!("{said:?}"));
            for flag in ["--release", "--no-default-features", "profile.release.strip=\"symbols\""] {
                assert!(asked.contains(flag), "{}: {asked}", code.display());
            }
            crates.push(code.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    crates.sort();
    assert_eq!(crates, ["aggregate", "invoice", "merge", "random-strings", "repair", "tables"]);
}
