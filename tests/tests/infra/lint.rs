//! What the makers of CloudFormation's tools have to say.

use meterlake_tests::python::succeed;

use crate::tools::{files, infra, tool};

#[test]
fn cfn_lint_finds_nothing() {
    assert_eq!(succeed(tool("cfn-lint").args(files())), "");
}

#[test]
fn sam_finds_nothing() {
    for file in files() {
        let said = succeed(tool("sam").args(["validate", "--lint", "--template-file"]).arg(&file).current_dir(infra()));
        assert!(said.contains("is a valid SAM Template"), "{said}");
    }
}
