//! An object that only one of several writers gets to write.

use std::time::Duration;

use anyhow::Result;
use aws_sdk_s3::primitives::ByteStream;
use meterlake_core::location::Location;

use super::{S3Store, bucket_and_key};
use crate::client::failed;

/// The metadata by which a writer knows its object again.
pub(super) const WRITER: &str = "meterlake-writer";
/// How often a write is tried that another one, or a delete, got in the way of.
const ATTEMPTS: u32 = 4;

impl S3Store {
    /// Writes an object unless there is one; says whether it did. Of any number at once, one does.
    ///
    /// After an error the object may have been written.
    pub(super) async fn put_if_absent(&self, object: &Location, content: &[u8]) -> Result<bool> {
        let (bucket, key) = bucket_and_key(object)?;
        let writer = new_writer();
        for attempt in 1..=ATTEMPTS {
            let put = self.client.put_object().bucket(bucket).key(key).metadata(WRITER, &writer);
            let put = put.if_none_match("*").body(ByteStream::from(content.to_vec())).send().await;
            let Err(error) = put else { return Ok(true) };
            match error.raw_response().map(|answer| answer.status().as_u16()) {
                // There is one. It is ours where the answer to a first try was lost, and the SDK tried again.
                Some(412) => return self.is_written_by(object, &writer).await,
                // ConditionalRequestConflict: another write or a delete came between. S3 asks to try again.
                Some(409) => tokio::time::sleep(Duration::from_millis(50) * attempt).await,
                _ => return Err(failed(error, format_args!("cannot write {object}"))),
            }
        }
        // Whoever keeps getting in the way is writing it.
        Ok(false)
    }

    /// Whether an object is there and this writer wrote it.
    pub(super) async fn is_written_by(&self, object: &Location, writer: &str) -> Result<bool> {
        let (bucket, key) = bucket_and_key(object)?;
        match self.client.head_object().bucket(bucket).key(key).send().await {
            Ok(found) => Ok(found.metadata().and_then(|metadata| metadata.get(WRITER)).is_some_and(|by| by == writer)),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(false),
            Err(error) => Err(failed(error, format_args!("cannot look at {object}"))),
        }
    }
}

/// A name for one writer of one object.
pub(super) fn new_writer() -> String {
    format!("{:032x}", rand::random::<u128>())
}
