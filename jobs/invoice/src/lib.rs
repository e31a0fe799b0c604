//! The job `invoice`: what a month of usage costs.
//!
//! [`plans`] reads and checks the plan file, [`rating`] turns usage into lines, [`quote`] prices a quantity without a
//! lake. All three are pure: they know no store, no catalog and no clock. Around them stands the job: it looks at what a
//! month is made from, extracts its usage, bills each customer ([`document`]), corrects what earlier months were billed,
//! writes the exports, and publishes them.
//!
//! A month's invoices are a pure function of the generations of `usage_daily`, of the final months before, of the plan
//! file and of the SQL. Their fingerprint is stored with the partition; final months never change.

mod accepted;
mod args;
mod bill;
mod billed;
mod close;
pub mod currency;
pub mod document;
pub mod exact;
mod export;
mod extract;
mod gates;
mod job;
mod left_out;
mod look;
mod make;
mod plan_file;
pub mod plans;
pub mod quote;
pub mod rating;
mod report;
mod tally;
mod usage;

pub use accepted::{Accepted, Gate};
pub use args::{Args, InvoiceJob};
pub use job::{Options, invoice_month};
pub use report::{Report, Status};
