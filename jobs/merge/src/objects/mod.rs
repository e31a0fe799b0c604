//! Raw objects: which of them are lines of text, told from their content before a statement reads them.
//!
//! Query engines read plain text, and GZIP under a name that ends in `.gz`. Of anything else they make garbage or an error, each in
//! its own way. So such objects are found first, named, and left out of the statements.

mod content;
mod look;

pub(crate) use look::{Depth, Finding, MAX_LINE_BYTES, look_at};
