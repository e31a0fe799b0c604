//! Objects on S3.

mod put_if_absent;
mod writer;

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::primitives::{ByteStream, DateTime as SdkDateTime};
use aws_sdk_s3::types::{Delete, MultipartUpload, Object as Listed, ObjectIdentifier};
use chrono::{DateTime, Utc};
use meterlake_core::location::Location;
use meterlake_core::store::{Children, Object, ObjectWriter, Store};

use crate::client::failed;
use writer::S3Writer;

/// How many keys one call deletes at most.
const KEYS_PER_DELETE: usize = 1_000;
/// How often an object is asked for whose content stopped coming; the SDK tries again only until content starts to come.
const READ_ATTEMPTS: u32 = 3;

/// Objects on S3.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
}

impl S3Store {
    /// A store with the credentials, the region and the endpoint of `config`.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        // An endpoint of one's own, such as an emulator, has no host name per bucket.
        let own_endpoint = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(own_endpoint).build();
        Self { client: Client::from_conf(config) }
    }

    /// An object's content, or a range of it.
    async fn get(&self, object: &Location, range: Option<String>) -> Result<Option<Vec<u8>>> {
        let (bucket, key) = bucket_and_key(object)?;
        let mut attempt = 1;
        loop {
            let get = self.client.get_object().bucket(bucket).key(key).set_range(range.clone());
            let found = match get.send().await {
                Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => return Ok(None),
                // A range that starts at the end or behind it.
                Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 416) => {
                    return Ok(Some(Vec::new()));
                }
                found => found.map_err(|error| failed(error, format_args!("cannot read {object}")))?,
            };
            match found.body.collect().await {
                Ok(content) => return Ok(Some(content.to_vec())),
                Err(error) if attempt == READ_ATTEMPTS => {
                    return Err(anyhow!(error).context(format!("cannot read {object}")));
                }
                Err(error) => {
                    tracing::debug!(%object, attempt, %error, "the content stopped coming: asking for it again");
                    attempt += 1;
                }
            }
        }
    }

    /// Deletes keys of one bucket. The call succeeds even when it could not delete some of them.
    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<()> {
        let ids: Result<Vec<_>, _> = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect();
        let delete = Delete::builder().set_objects(Some(ids?)).quiet(true).build()?;
        let deleted = self.client.delete_objects().bucket(bucket).delete(delete).send().await;
        let deleted =
            deleted.map_err(|error| failed(error, format_args!("cannot delete {} objects of {bucket}", keys.len())))?;
        let Some(first) = deleted.errors().first() else { return Ok(()) };
        let others = match deleted.errors().len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        bail!(
            "cannot delete s3://{bucket}/{}{others}: {}: {}",
            first.key().unwrap_or_default(),
            first.code().unwrap_or("unknown"),
            first.message().unwrap_or("S3 gave no reason"),
        )
    }

    /// Gives up an upload and the parts it has.
    async fn abort(&self, bucket: &str, upload: &MultipartUpload) -> Result<()> {
        let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { return Ok(()) };
        match self.client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send().await {
            // It was finished, or given up by another run.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_upload()) => Ok(()),
            Err(error) => Err(failed(error, format_args!("cannot give up the upload of s3://{bucket}/{key}"))),
            Ok(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Store for S3Store {
    async fn exists(&self, root: &Location) -> Result<bool> {
        let (bucket, _) = bucket_and_key(root)?;
        match self.client.head_bucket().bucket(bucket).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.raw_response().map(|answer| answer.status().as_u16()) {
                Some(404) => Ok(false),
                Some(status) => Err(unreachable(error, bucket, status)),
                None => Err(failed(error, format_args!("cannot reach the bucket {bucket}"))),
            },
        }
    }

    async fn list(&self, folder: &Location) -> Result<Vec<Object>> {
        let (bucket, key) = bucket_and_key(folder)?;
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix(key));
        let mut pages = list.into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(error, format_args!("cannot list {folder}")))?;
            for listed in page.contents() {
                objects.extend(object(bucket, listed)?);
            }
        }
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    async fn children(&self, folder: &Location) -> Result<Children> {
        let (bucket, key) = bucket_and_key(folder)?;
        let prefix = prefix(key);
        let list = self.client.list_objects_v2().bucket(bucket).prefix(&prefix).delimiter("/");
        let mut pages = list.into_paginator().send();
        let mut children = Children::default();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(error, format_args!("cannot list {folder}")))?;
            let names = page.common_prefixes().iter().filter_map(|common| common.prefix()?.strip_prefix(&prefix));
            // A key such as `a//b` gives a folder without a name, which no location can tell from the one it lies in.
            children.folders.extend(names.filter(|name| *name != "/").map(|name| folder.join(name)));
            // The object of the folder itself, as consoles make it, has no name.
            let names = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&prefix));
            children.objects.extend(names.filter(|name| !name.is_empty()).map(|name| folder.join(name)));
        }
        children.folders.sort();
        children.objects.sort();
        Ok(children)
    }

    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>> {
        self.get(object, None).await
    }

    async fn read_part(&self, object: &Location, from: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let Some(last) = length.checked_sub(1) else { return Ok(Some(Vec::new())) };
        self.get(object, Some(format!("bytes={from}-{}", from.saturating_add(last)))).await
    }

    async fn write(&self, object: &Location, content: &[u8]) -> Result<()> {
        let (bucket, key) = bucket_and_key(object)?;
        let put = self.client.put_object().bucket(bucket).key(key).body(ByteStream::from(content.to_vec()));
        put.send().await.map_err(|error| failed(error, format_args!("cannot write {object}")))?;
        Ok(())
    }

    async fn write_new(&self, object: &Location, content: &[u8]) -> Result<bool> {
        self.put_if_absent(object, content).await
    }

    async fn create(&self, object: &Location) -> Result<Box<dyn ObjectWriter>> {
        Ok(Box::new(S3Writer::new(self.clone(), object)?))
    }

    async fn sweep(&self, folder: &Location, age: Duration) -> Result<()> {
        let (bucket, key) = bucket_and_key(folder)?;
        let list = self.client.list_multipart_uploads().bucket(bucket).prefix(prefix(key));
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = list.clone().set_key_marker(key_marker).set_upload_id_marker(id_marker).send().await;
            let page = page.map_err(|error| failed(error, format_args!("cannot list the uploads below {folder}")))?;
            for upload in page.uploads().iter().filter(|upload| is_older(upload.initiated(), age)) {
                self.abort(bucket, upload).await?;
            }
            if page.is_truncated() != Some(true) {
                return Ok(());
            }
            key_marker = page.next_key_marker;
            id_marker = page.next_upload_id_marker;
        }
    }

    async fn delete_folder(&self, folder: &Location) -> Result<()> {
        let (bucket, key) = bucket_and_key(folder)?;
        let mut pages = self.client.list_objects_v2().bucket(bucket).prefix(prefix(key)).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(error, format_args!("cannot list {folder}")))?;
            let keys: Vec<String> = page.contents().iter().filter_map(|found| found.key().map(str::to_owned)).collect();
            for batch in keys.chunks(KEYS_PER_DELETE) {
                self.delete(bucket, batch).await?;
            }
        }
        Ok(())
    }

    async fn persist(&self, _folder: &Location) -> Result<()> {
        // What S3 has acknowledged is durable.
        Ok(())
    }
}

/// Bucket and key of a location on S3.
fn bucket_and_key(location: &Location) -> Result<(&str, &str)> {
    location.bucket_and_key().with_context(|| format!("{location} is not on S3: write s3://bucket/prefix"))
}

/// The start of all keys in a folder. It ends in a slash: `day=1` must not take in `day=10`.
fn prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}/") }
}

/// A listed object; `None` for one whose key ends in a slash, by which consoles show an empty folder.
fn object(bucket: &str, listed: &Listed) -> Result<Option<Object>> {
    let key = listed.key().unwrap_or_default();
    if key.ends_with('/') {
        return Ok(None);
    }
    Ok(Some(Object {
        location: format!("s3://{bucket}/{key}").parse()?,
        size: listed.size().unwrap_or_default().try_into().unwrap_or_default(),
        etag: listed.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
        storage_class: listed.storage_class().map(|class| class.as_str().to_owned()),
        modified: time(listed.last_modified()).with_context(|| format!("s3://{bucket}/{key} has no time"))?,
    }))
}

fn time(time: Option<&SdkDateTime>) -> Option<DateTime<Utc>> {
    time.and_then(|time| DateTime::from_timestamp(time.secs(), time.subsec_nanos()))
}

/// Whether something is of this age. What the service's clock puts into the future is new.
fn is_older(begun: Option<&SdkDateTime>, age: Duration) -> bool {
    let begun = begun.and_then(|begun| SystemTime::try_from(*begun).ok());
    begun.is_some_and(|begun| SystemTime::now().duration_since(begun).unwrap_or_default() >= age)
}

/// Why a bucket that is there cannot be used. The answer has no body, so the words are ours.
fn unreachable(error: SdkError<HeadBucketError>, bucket: &str, status: u16) -> anyhow::Error {
    let region = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
    match (status, region) {
        // A bucket is answered for by its own region only.
        (301 | 400, Some(region)) => {
            anyhow!("the bucket {bucket} lies in the region {region}: set AWS_REGION={region}")
        }
        (403, _) => failed(
            error,
            format_args!(
                "access to the bucket {bucket} is denied: check which AWS credentials are in use, and allow them \
                 s3:ListBucket on it"
            ),
        ),
        _ => failed(error, format_args!("cannot reach the bucket {bucket}")),
    }
}
