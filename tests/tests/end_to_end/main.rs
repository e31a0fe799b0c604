//! Whole jobs over whole lakes: what each of them promises, and the invariants of the design.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adjustments;
mod again;
mod asleep;
mod at_once;
mod bad_input;
mod beginning;
mod closed;
mod command_line;
mod copies;
mod crash;
mod edge_cases;
mod exit_codes;
mod focus;
mod full_disk;
mod gates;
mod invoice_crash;
mod invoice_edges;
mod invoice_input;
mod invoices;
mod kill;
mod lambda;
mod left_out;
mod model;
mod raw_lines;
mod repair;
mod schedules;
mod strangers;
mod tables;
mod truth;
mod usage;
