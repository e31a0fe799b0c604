//! The templates in `infra/`: sound by the tools that know them, in step with the programs, and no wider than the jobs.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access_log;
mod builds;
mod deploy;
mod deployed;
mod grants;
mod lint;
mod named_queries;
mod on_behalf;
mod policies;
mod recorded;
mod removal;
mod settings;
mod templates;
mod tools;
mod watch;
