//! Turns a day of calls into usage: a row per user, day of use, method and path.
//!
//! A day's partition is a pure function of the generations of its 24 merged hours, of the SQL and of the billing time
//! zone. Their fingerprint is stored with the partition: the same one means that there is nothing to do.

mod args;
mod job;
mod report;

pub use args::{AggregateJob, Args};
pub use job::{Options, aggregate_day};
pub use report::Report;

pub use meterlake_core::names::UNATTRIBUTED;
