//! Traffic: calls to the sample API behind a gateway ([`gateway`], with a token from [`login`]), or, without any AWS, the
//! files that such calls leave, whose right totals are known beforehand.
//!
//! [`write_files`] writes the objects that Firehose would leave in the raw folders, with whatever goes wrong on the
//! way (copies, spoiled lines, late objects), and returns the [`Truth`] that every later table must agree with.
//! The same [`Options`] give the same bytes.

mod call;
mod chance;
mod delivery;
mod fault;
pub mod gateway;
mod http;
pub mod login;
mod object;
mod options;
mod people;
mod schedule;
mod secret;
mod truth;

use anyhow::{Context, Result};
use meterlake_core::layout::Layout;
use meterlake_core::store::Store;

pub use crate::options::{Gzip, Late, Options};
pub use crate::secret::Secret;
pub use crate::truth::{HourTruth, Totals, Truth, Usage};

use crate::delivery::Delivery;

/// Writes the raw objects of the hours `options.from` to `options.to`, one after the other, and says what is true of
/// the lake afterwards. Running it again overwrites the objects with themselves.
///
/// # Errors
/// An option is wrong, or an object cannot be written; those written before it remain.
pub async fn write_files(store: &dyn Store, layout: &Layout, options: &Options) -> Result<Truth> {
    options.check()?;
    let (mut objects, mut size_bytes) = (0_u64, 0);
    let mut delivery = Delivery::new(options);
    while let Some(object) = delivery.next_object()? {
        if options.dry_run || !options.late.writes(object.late) {
            continue;
        }
        let location = layout.raw.folder_of(object.hour).join(&object.name);
        store.write(&location, &object.content).await.context("the lake cannot be written to")?;
        objects += 1;
        size_bytes += object.content.len();
    }
    let (from, to, lake) = (options.from, options.to, &layout.root);
    tracing::info!(%lake, %from, %to, objects, size_bytes, "wrote {objects} raw objects");
    Ok(delivery.into_truth())
}

#[cfg(test)]
mod tests;
