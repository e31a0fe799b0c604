//! The object stores behind locations, for DataFusion to read and write through.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::TryStreamExt;
use meterlake_core::location::Location;
use meterlake_core::store::{Object, Store};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

/// Finds the object store of a location. Buckets are opened on first use, with the credentials that the AWS SDK finds.
#[derive(Debug, Clone)]
pub(crate) struct ObjectStores {
    runtime: Arc<RuntimeEnv>,
    sdk: Option<SdkConfig>,
}

impl ObjectStores {
    /// `sdk`: how buckets are reached; `None`: as the SDK finds it.
    pub(crate) fn new(runtime: Arc<RuntimeEnv>, sdk: Option<SdkConfig>) -> Self {
        Self { runtime, sdk }
    }

    /// The URL under which DataFusion knows the location's store.
    pub(crate) async fn url(&self, location: &Location) -> Result<ObjectStoreUrl> {
        let Some((bucket, _)) = location.bucket_and_key() else { return Ok(ObjectStoreUrl::local_filesystem()) };
        let url = ObjectStoreUrl::parse(format!("s3://{bucket}"))?;
        if self.runtime.object_store(&url).is_err() {
            self.runtime.register_object_store(url.as_ref(), self.s3(bucket).await?);
        }
        Ok(url)
    }

    /// The location's store.
    pub(crate) async fn store(&self, location: &Location) -> Result<Arc<dyn ObjectStore>> {
        let url = self.url(location).await?;
        Ok(self.runtime.object_store(&url)?)
    }
}

/// Every object below a folder. The lake's own store knows local folders; a bucket is listed through its object store, so
/// that a table of a local lake may lie on S3.
pub(crate) async fn list(objects: &ObjectStores, store: &dyn Store, folder: &Location) -> Result<Vec<Object>> {
    let Some((bucket, _)) = folder.bucket_and_key() else { return store.list(folder).await };
    let bucket: Location = format!("s3://{bucket}").parse()?;
    let listed = objects.store(folder).await?;
    let prefix = object_path(folder)?;
    let found = listed.list(Some(&prefix)).try_collect::<Vec<ObjectMeta>>().await;
    let mut found: Vec<Object> = found
        .with_context(|| format!("cannot list {folder}"))?
        .into_iter()
        .map(|object| Object {
            location: bucket.join(object.location.as_ref()),
            size: object.size,
            etag: object.e_tag.unwrap_or_default(),
            modified: object.last_modified,
            storage_class: None,
        })
        .collect();
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

/// The path of a location in its store.
pub(crate) fn object_path(location: &Location) -> Result<Path> {
    match (location.to_path(), location.bucket_and_key()) {
        (Some(path), _) => Path::from_absolute_path(path).with_context(|| format!("{location} is no usable path")),
        (_, Some((_, key))) => Path::parse(key).with_context(|| format!("{location} is no usable key")),
        _ => Err(anyhow!("{location} is neither a local path nor a key")),
    }
}

impl ObjectStores {
    async fn s3(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        match &self.sdk {
            Some(sdk) => s3(bucket, sdk),
            None => s3(bucket, &meterlake_aws::sdk_config().await),
        }
    }
}

fn s3(bucket: &str, config: &SdkConfig) -> Result<Arc<dyn ObjectStore>> {
    let credentials = config
        .credentials_provider()
        .context("found no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(config.region().map_or("us-east-1", |region| region.as_ref()))
        .with_credentials(Arc::new(SdkCredentials(credentials)));
    let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().or_else(|| config.endpoint_url().map(str::to_owned));
    if let Some(endpoint) = endpoint {
        // An endpoint of one's own, such as an emulator, is reached by path and often without TLS.
        builder = builder
            .with_allow_http(endpoint.starts_with("http://"))
            .with_virtual_hosted_style_request(false)
            .with_endpoint(endpoint);
    }
    let store = builder.build().with_context(|| format!("cannot open the bucket {bucket}"))?;
    Ok(Arc::new(store))
}

#[derive(Debug)]
struct SdkCredentials(SharedCredentialsProvider);

#[async_trait]
impl object_store::CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credentials = self.0.provide_credentials().await;
        let credentials =
            credentials.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        }))
    }
}
