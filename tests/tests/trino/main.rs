//! The SQL on a real Trino, as Athena's engine is one.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod chain;
mod clients;
mod corpus;
mod edits;
mod fuzz;
mod merge;
mod queries;
mod statements;
