//! The job `merge`, from the command line or as a Lambda.

use std::process::ExitCode;

#[cfg(not(feature = "embedded"))]
use meterlake_aws::connect;
#[cfg(feature = "embedded")]
use meterlake_embedded::connect;

fn main() -> ExitCode {
    meterlake_core::run::main::<meterlake_merge::MergeJob>(connect)
}
