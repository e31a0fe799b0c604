//! Keeping rows by their keys as they stream by, with sixteen bytes of memory a key.
//!
//! DataFusion sorts a whole table to number the rows of each key, and holds all rows of one side to find those without
//! a partner. Two shapes of query need neither, and merging an hour is both: "the first row of each key"
//! (`row_number() OVER (PARTITION BY key) = 1`) and "no such key over there" (`NOT EXISTS`). Here they run on a set of
//! the keys' hashes.

mod exec;
mod node;
mod rules;
mod set;

#[cfg(test)]
mod tests;

pub(crate) use node::KeyFilterPlanner;
pub(crate) use rules::{AbsentKeyRule, FirstOfKeyRule};
