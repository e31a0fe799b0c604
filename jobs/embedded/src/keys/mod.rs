//! Numbering and finding rows by their keys as they stream by, with sixteen bytes of memory a key.
//!
//! DataFusion sorts a whole table to number the rows of each key, and builds a table of all rows of one side to join them.
//! Two shapes of query need neither, and merging an hour has both: `row_number() OVER (PARTITION BY key)` without an order,
//! and an outer join with distinct keys, of which only those keys can be asked. Here they run on a set of the keys' hashes,
//! which all threads share: rows stay where they are.

mod exec;
mod node;
mod rules;
mod set;

#[cfg(test)]
mod tests;

pub(crate) use node::KeyLabelPlanner;
pub(crate) use rules::{KnownKeyRule, NumberedKeyRule};
