//! The tools from PyPI that know CloudFormation's templates.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use meterlake_tests::python::{python_with, succeed};
use serde_json::Value;

/// Reads templates, with CloudFormation's short tags, and prints them as JSON.
const TO_JSON: &str = "
import json, sys
from samcli.yamlhelper import yaml_parse
json.dump([yaml_parse(open(path).read()) for path in sys.argv[1:]], sys.stdout)
";

/// The interpreter of a virtual environment with `sam` and `cfn-lint`.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| python_with(include_str!("../../requirements-infra.txt")))
}

/// One of the tools, which finds the others and calls nobody: not even to tell its makers that it is used.
pub(crate) fn tool(name: &str) -> Command {
    let folder = python().parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new(folder.join(name));
    command.env("PATH", std::env::join_paths(path).unwrap());
    command
        .env("SAM_CLI_TELEMETRY", "0")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// The folder of the templates.
pub(crate) fn infra() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra")
}

/// The templates' files, sorted.
pub(crate) fn files() -> Vec<PathBuf> {
    let files = infra().read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    files
}

/// The templates, as JSON, in the order of [`files`].
pub(crate) fn parsed() -> Vec<Value> {
    let json = succeed(Command::new(python()).args(["-c", TO_JSON]).args(files()));
    serde_json::from_str(&json).unwrap()
}
