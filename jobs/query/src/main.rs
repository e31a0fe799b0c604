//! Runs a query over a lake and prints its rows: what a data engineer tries an edit with.

use std::process::ExitCode;

#[cfg(not(feature = "embedded"))]
use meterlake_aws::connect;
#[cfg(feature = "embedded")]
use meterlake_embedded::connect;

fn main() -> ExitCode {
    meterlake_core::run::main::<meterlake_query::QueryJob>(connect)
}
