//! The scheduler over a lake in a temporary folder, with scripts in the place of the jobs; and the forms of the list.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod command_line;
mod failures;
mod fixture;
mod forms;
mod run;
mod stop;
mod two;
