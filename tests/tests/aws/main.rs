//! The AWS side of the seams, over emulated services.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod account;
mod athena;
mod chain;
mod clients;
mod cuts;
mod fake;
mod gateway;
mod glue;
mod join;
mod s3;
mod s3_failures;
mod storage_classes;

use meterlake_tests::lakes;
