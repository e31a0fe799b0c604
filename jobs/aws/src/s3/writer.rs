//! An object written in parts, as a multipart upload.

use std::mem;

use anyhow::{Context, Result};
use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, MultipartUpload};
use meterlake_core::location::Location;
use meterlake_core::store::{ObjectWriter, Store};

use super::put_if_absent::{WRITER, new_writer};
use super::{S3Store, bucket_and_key};
use crate::client::failed;

/// The least size of a part. S3 wants 5 MiB at least, all but the last.
const PART_SIZE: usize = 8 << 20;
/// S3 takes 10,000 parts. They grow with every thousand, so that they make 440 GiB.
const PARTS_OF_ONE_SIZE: usize = 1_000;

/// `None` after a write that failed.
pub(super) struct S3Writer(Option<Upload>);

impl S3Writer {
    pub(super) fn new(store: S3Store, object: &Location) -> Result<Self> {
        bucket_and_key(object)?;
        Ok(Self(Some(Upload { store, object: object.clone(), rest: Vec::new(), parts: None, size: 0 })))
    }

    fn take(&mut self) -> Result<Upload> {
        self.0.take().context("an object that could not be written cannot be written on")
    }
}

#[async_trait]
impl ObjectWriter for S3Writer {
    async fn write(&mut self, content: Vec<u8>) -> Result<()> {
        let mut upload = self.take()?;
        match upload.write(content).await {
            Ok(()) => self.0 = Some(upload),
            Err(error) => return Err(upload.give_up(error).await),
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64> {
        let mut upload = self.take()?;
        match upload.finish().await {
            Ok(()) => Ok(upload.size),
            Err(error) => Err(upload.give_up(error).await),
        }
    }
}

/// An object on its way. Dropped before it is finished, it is given up.
struct Upload {
    store: S3Store,
    object: Location,
    /// What is not yet sent.
    rest: Vec<u8>,
    /// `None` as long as nothing is sent.
    parts: Option<Parts>,
    size: u64,
}

/// A multipart upload: its id, the name of its writer, and the parts that S3 has.
struct Parts {
    id: String,
    writer: String,
    done: Vec<CompletedPart>,
}

impl Upload {
    async fn write(&mut self, content: Vec<u8>) -> Result<()> {
        self.size += content.len() as u64;
        if self.rest.is_empty() {
            self.rest = content;
        } else {
            self.rest.extend_from_slice(&content);
        }
        let sent = self.parts.as_ref().map_or(0, |parts| parts.done.len());
        if self.rest.len() >= PART_SIZE * (1 + sent / PARTS_OF_ONE_SIZE) {
            self.send().await?;
        }
        Ok(())
    }

    /// Sends what there is as the next part.
    async fn send(&mut self) -> Result<()> {
        let (bucket, key) = bucket_and_key(&self.object)?;
        let cannot_write = format!("cannot write {}", self.object);
        let client = &self.store.client;
        if self.parts.is_none() {
            let writer = new_writer();
            let begin = client.create_multipart_upload().bucket(bucket).key(key).metadata(WRITER, &writer);
            let begun = begin.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await;
            let begun = begun.map_err(|error| failed(error, &cannot_write))?;
            let id = begun.upload_id.with_context(|| format!("{cannot_write}: S3 gave the upload no id"))?;
            self.parts = Some(Parts { id, writer, done: Vec::new() });
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let number = i32::try_from(parts.done.len() + 1)?;
        let part = client.upload_part().bucket(bucket).key(key).upload_id(&parts.id).part_number(number);
        let part = part.checksum_algorithm(ChecksumAlgorithm::Crc32).body(ByteStream::from(mem::take(&mut self.rest)));
        let sent = part.send().await.map_err(|error| failed(error, format_args!("{cannot_write}, part {number}")))?;
        let done = CompletedPart::builder().part_number(number);
        parts.done.push(done.set_e_tag(sent.e_tag).set_checksum_crc32(sent.checksum_crc32).build());
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if self.parts.is_none() {
            return self.store.write(&self.object, &mem::take(&mut self.rest)).await;
        }
        if !self.rest.is_empty() {
            self.send().await?;
        }
        let (bucket, key) = bucket_and_key(&self.object)?;
        let Some(parts) = &self.parts else { return Ok(()) };
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts.done.clone())).build();
        let complete = self.store.client.complete_multipart_upload().bucket(bucket).key(key).upload_id(&parts.id);
        if let Err(error) = complete.multipart_upload(all).send().await {
            let is_gone = error.as_service_error().and_then(|error| error.meta().code()) == Some("NoSuchUpload");
            // It is gone because it is complete where the answer to a first try was lost, and the SDK tried again.
            if !is_gone || !self.store.is_written_by(&self.object, &parts.writer).await? {
                return Err(failed(error, format_args!("cannot write {}", self.object)));
            }
        }
        self.parts = None;
        Ok(())
    }

    /// Gives the upload up and passes on why.
    async fn give_up(mut self, error: anyhow::Error) -> anyhow::Error {
        if let Some(parts) = self.parts.take() {
            give_up(&self.store, &self.object, parts).await;
        }
        error
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        // Without a runtime, as at the end of a program, a sweep does it later.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (store, object) = (self.store.clone(), self.object.clone());
        runtime.spawn(async move { give_up(&store, &object, parts).await });
    }
}

/// Frees what S3 keeps, and bills, of an upload. Where that fails a sweep does it later.
async fn give_up(store: &S3Store, object: &Location, parts: Parts) {
    let Ok((bucket, key)) = bucket_and_key(object) else { return };
    let upload = MultipartUpload::builder().key(key).upload_id(parts.id).build();
    if let Err(error) = store.abort(bucket, &upload).await {
        tracing::debug!(%object, %error, "an upload is left for the next sweep");
    }
}
