//! Turns an hour of small files into one typed table of calls, each counted once.
//!
//! An hour's partition is a pure function of its raw objects, of what the hour before publishes, and of the SQL. Their
//! fingerprint is stored with the partition: the same one means that there is nothing to do.

mod args;
mod closed;
mod inputs;
mod job;
mod objects;
mod publication;
mod report;
mod statements;

pub use args::{Args, MergeJob};
pub use job::{Options, merge_hour};
pub use meterlake_core::report::Status;
pub use report::Report;
