//! The catalog's tables as DataFusion reads them.

mod filter;
mod metadata;
mod provider;
mod schema;

pub(crate) use provider::HiveTable;
pub(crate) use schema::{LakeCatalog, Reader, columns};
