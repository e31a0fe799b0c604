//! What a request asks of which service.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use serde_json::Value;
use url::form_urlencoded;

use crate::cut::{CallName, CallNames};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Amazon S3.
    S3,
    /// AWS Glue.
    Glue,
    /// Amazon Athena.
    Athena,
}

/// What a call is made on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A bucket, as a whole.
    Bucket(String),
    /// The keys of a bucket that begin so; all of them where it is empty.
    Prefix {
        /// The bucket.
        bucket: String,
        /// What the keys begin with.
        prefix: String,
    },
    /// An object.
    Object {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// A database of Glue.
    Database(String),
    /// A table of Glue, also where the call is about its partitions.
    Table {
        /// Its database.
        database: String,
        /// Its name.
        table: String,
    },
    /// A workgroup of Athena.
    WorkGroup(String),
    /// An execution of a query, by its id. Policies name its workgroup instead, which the call does not.
    Query(String),
}

/// A call to a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// The service.
    pub service: Service,
    /// The operation as the service's API names it: `ListObjectsV2`.
    pub operation: String,
    /// What it is made on; more than one only where objects are deleted.
    pub resources: Vec<Resource>,
}

impl Call {
    /// Whether it may change what the service has.
    #[must_use]
    pub fn is_a_change(&self) -> bool {
        !["Get", "BatchGet", "Head", "List"].iter().any(|verb| self.operation.starts_with(verb))
    }

    /// Its name among the calls of a job.
    pub(super) fn name(&self, names: &mut CallNames) -> CallName {
        let resources = self.resources.iter().map(ToString::to_string);
        names.next(&format!("{:?} {}", self.service, self.operation), resources)
    }

    /// Whether the request's body tells what it is made on.
    pub(super) fn is_told_by_body(request: &Parts) -> bool {
        target(&request.headers).is_some() || query(request).contains_key("delete")
    }

    /// The call that a request is; `None` if it is none that is known here.
    ///
    /// `body` counts only where [`Call::is_told_by_body`].
    pub(super) fn of(request: &Parts, body: &[u8]) -> Option<Self> {
        let Some(target) = target(&request.headers) else { return of_s3(request, body) };
        let (service, operation) = target.split_once('.')?;
        let body: Value = serde_json::from_slice(body).ok()?;
        let (service, resource) = match service {
            "AWSGlue" => (Service::Glue, of_glue(&body)?),
            "AmazonAthena" => (Service::Athena, of_athena(&body)?),
            _ => return None,
        };
        Some(Self { service, operation: operation.to_owned(), resources: vec![resource] })
    }
}

/// The header by which Glue and Athena tell operations: `AWSGlue.GetTable`.
fn target(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-target")?.to_str().ok()
}

fn of_glue(body: &Value) -> Option<Resource> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let Some(database) = text("/DatabaseName") else {
        return Some(Resource::Database(text("/Name").or_else(|| text("/DatabaseInput/Name"))?));
    };
    let table = text("/TableName").or_else(|| text("/Name")).or_else(|| text("/TableInput/Name"));
    Some(match table {
        Some(table) => Resource::Table { database, table },
        // All of its tables.
        None => Resource::Database(database),
    })
}

fn of_athena(body: &Value) -> Option<Resource> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let workgroup = text("WorkGroup").map(Resource::WorkGroup);
    workgroup.or_else(|| text("QueryExecutionId").map(Resource::Query))
}

fn of_s3(request: &Parts, body: &[u8]) -> Option<Call> {
    let path = percent_decode_str(request.uri.path().strip_prefix('/')?).decode_utf8().ok()?;
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    let query = query(request);
    let has = |name: &str| query.contains_key(name);
    let (operation, is_about_keys) = match (request.method.clone(), key.is_empty()) {
        _ if bucket.is_empty() => return None,
        (Method::HEAD, true) => ("HeadBucket", false),
        (Method::GET, true) if has("list-type") => ("ListObjectsV2", true),
        (Method::GET, true) if has("uploads") => ("ListMultipartUploads", true),
        (Method::POST, true) if has("delete") => ("DeleteObjects", false),
        (Method::HEAD, false) => ("HeadObject", false),
        (Method::GET, false) if !has("uploadId") => ("GetObject", false),
        (Method::PUT, false) if has("uploadId") => ("UploadPart", false),
        (Method::PUT, false) if !request.headers.contains_key("x-amz-copy-source") => ("PutObject", false),
        (Method::POST, false) if has("uploads") => ("CreateMultipartUpload", false),
        (Method::POST, false) if has("uploadId") => ("CompleteMultipartUpload", false),
        (Method::DELETE, false) if has("uploadId") => ("AbortMultipartUpload", false),
        (Method::DELETE, false) => ("DeleteObject", false),
        _ => return None,
    };
    let bucket = bucket.to_owned();
    let object = |key: String| Resource::Object { bucket: bucket.clone(), key };
    let resources = if operation == "DeleteObjects" {
        keys_to_delete(body)?.into_iter().map(object).collect()
    } else if is_about_keys {
        let prefix = query.get("prefix").map(|prefix| prefix.clone().into_owned()).unwrap_or_default();
        vec![Resource::Prefix { bucket, prefix }]
    } else if key.is_empty() {
        vec![Resource::Bucket(bucket)]
    } else {
        vec![object(key.to_owned())]
    };
    Some(Call { service: Service::S3, operation: operation.to_owned(), resources })
}

fn query(request: &Parts) -> BTreeMap<Cow<'_, str>, Cow<'_, str>> {
    form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()).collect()
}

/// The keys in the body of `DeleteObjects`.
fn keys_to_delete(body: &[u8]) -> Option<Vec<String>> {
    let mut reader = quick_xml::Reader::from_reader(body);
    let mut keys = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.name().as_ref() == b"Key" => {
                let text = reader.read_text(tag.name()).ok()?;
                keys.push(unescape(&text).ok()?.into_owned());
            }
            Event::Eof => return Some(keys),
            _ => {}
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.service, self.operation)?;
        self.resources.iter().try_for_each(|resource| write!(f, " {resource}"))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket(bucket) => write!(f, "s3://{bucket}"),
            Self::Prefix { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}*"),
            Self::Object { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::Database(name) | Self::WorkGroup(name) => f.write_str(name),
            Self::Table { database, table } => write!(f, "{database}.{table}"),
            Self::Query(id) => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn call(method: &str, uri: &str, target: Option<&str>, body: &str) -> Option<String> {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Call::of(&parts, body.as_bytes()).map(|call| call.to_string())
    }

    #[test]
    fn calls_to_s3_are_told_by_method_path_and_query() {
        for (method, uri, expected) in [
            ("HEAD", "/b", "HeadBucket s3://b"),
            ("GET", "/b?list-type=2&prefix=a%3D1%2F", "ListObjectsV2 s3://b/a=1/*"),
            ("GET", "/b/?uploads", "ListMultipartUploads s3://b/*"),
            ("GET", "/b/a%3D1/x?x-id=GetObject", "GetObject s3://b/a=1/x"),
            ("HEAD", "/b/k", "HeadObject s3://b/k"),
            ("PUT", "/b/k?x-id=PutObject", "PutObject s3://b/k"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload s3://b/k"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart s3://b/k"),
            ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload s3://b/k"),
            ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload s3://b/k"),
            ("DELETE", "/b/k", "DeleteObject s3://b/k"),
        ] {
            assert_eq!(call(method, uri, None, "").unwrap(), format!("S3 {expected}"));
        }
        let body = "<Delete><Object><Key>a/1</Key></Object><Object><Key>a&amp;b</Key></Object></Delete>";
        assert_eq!(call("POST", "/b/?delete", None, body).unwrap(), "S3 DeleteObjects s3://b/a/1 s3://b/a&b");
        assert_eq!(call("GET", "/", None, ""), None);
        assert_eq!(call("GET", "/b?acl", None, ""), None);
    }

    #[test]
    fn calls_to_glue_and_athena_are_told_by_their_target_and_body() {
        for (target, body, expected) in [
            ("AWSGlue.GetDatabase", r#"{"Name":"d"}"#, "Glue GetDatabase d"),
            ("AWSGlue.CreateDatabase", r#"{"DatabaseInput":{"Name":"d"}}"#, "Glue CreateDatabase d"),
            ("AWSGlue.GetTables", r#"{"DatabaseName":"d"}"#, "Glue GetTables d"),
            ("AWSGlue.GetTable", r#"{"DatabaseName":"d","Name":"t"}"#, "Glue GetTable d.t"),
            ("AWSGlue.CreateTable", r#"{"DatabaseName":"d","TableInput":{"Name":"t"}}"#, "Glue CreateTable d.t"),
            ("AWSGlue.GetPartitions", r#"{"DatabaseName":"d","TableName":"t"}"#, "Glue GetPartitions d.t"),
            ("AmazonAthena.GetWorkGroup", r#"{"WorkGroup":"w"}"#, "Athena GetWorkGroup w"),
            ("AmazonAthena.GetQueryExecution", r#"{"QueryExecutionId":"q"}"#, "Athena GetQueryExecution q"),
        ] {
            assert_eq!(call("POST", "/", Some(target), body).unwrap(), expected);
        }
        assert_eq!(call("POST", "/", Some("DynamoDB_20120810.GetItem"), "{}"), None);
    }
}
