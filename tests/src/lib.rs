//! What the end-to-end tests share: a lake in a temporary folder, calls to put into it, the jobs in process and as
//! programs, and seams that cut a run off.
// Only tests call this, and a test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod billing;
pub mod both;
pub mod calls;
pub mod chain;
pub mod cut;
pub mod fuse;
pub mod hostile;
pub mod lake;
pub mod lakes;
pub mod ministack;
pub mod model;
pub mod programs;
pub mod proxy;
pub mod python;
pub mod python_clients;
pub mod runtime_api;
pub mod stand_in;
pub mod supervisor;
pub mod tree;
pub mod trino;
