//! The AWS side of the seams: objects on S3, the Glue catalog, the Athena engine.

mod athena;
mod client;
mod glue;
mod s3;

pub use athena::AthenaEngine;
pub use client::sdk_config;
pub use glue::{Claims, GlueCatalog, S3Claims};
pub use s3::S3Store;
