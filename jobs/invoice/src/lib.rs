//! The job `invoice`: what a month of usage costs.
//!
//! [`plans`] reads and checks the plan file, [`rating`] turns usage into lines, [`quote`] prices a quantity without a
//! lake. All three are pure: they know no store, no catalog and no clock.

pub mod currency;
pub mod exact;
pub mod plans;
pub mod quote;
pub mod rating;
