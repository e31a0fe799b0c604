//! Whole jobs over whole lakes: what each of them promises, and the invariants of the design.

mod again;
mod at_once;
mod bad_input;
mod command_line;
mod copies;
mod crash;
mod edge_cases;
mod full_disk;
mod kill;
mod repair;
mod tables;
mod truth;
mod usage;
