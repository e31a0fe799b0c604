//! Records as the gateway logs them, and objects as Firehose delivers them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A record in today's form, every value quoted. `id` is its `extendedRequestId`; its other columns are those of every
/// other call.
#[must_use]
pub fn call(id: &str) -> Value {
    json!({
        "requestId": "0b0d1c1e-1111-4a1a-8a1a-000000000001",
        "extendedRequestId": id,
        "ip": "203.0.113.9",
        "user": "5c1d9f5e-0c4b-4d4f-9a55-1f0f8d2f6a01",
        "requestTime": "1675146135165",
        "httpMethod": "GET",
        "resourcePath": "/random/strings",
        "status": "200",
        "protocol": "HTTP/1.1",
        "responseLength": "27",
    })
}

/// A record in the original design's form: bare numbers, no `extendedRequestId`. `id` is its `requestId`.
#[must_use]
pub fn legacy_call(id: &str) -> Value {
    json!({
        "requestId": id,
        "ip": "203.0.113.9",
        "user": "5c1d9f5e-0c4b-4d4f-9a55-1f0f8d2f6a01",
        "requestTime": 1_675_146_135_165_u64,
        "httpMethod": "GET",
        "resourcePath": "/random/strings",
        "status": 200,
        "protocol": "HTTP/1.1",
        "responseLength": 27,
    })
}

/// The record with one column changed.
#[must_use]
pub fn with(mut record: Value, key: &str, value: &str) -> Value {
    record[key] = json!(value);
    record
}

/// An object's text: one record a line.
#[must_use]
pub fn lines<'a>(records: impl IntoIterator<Item = &'a Value>) -> String {
    records.into_iter().map(|record| format!("{record}\n")).collect()
}

/// An object's text with a call for each id.
#[must_use]
pub fn calls(ids: &[&str]) -> String {
    lines(&ids.iter().map(|id| call(id)).collect::<Vec<_>>())
}

/// An object's text with this many different calls.
#[must_use]
pub fn many_calls(count: u32) -> String {
    lines(&(0..count).map(|number| call(&format!("call-{number:08}"))).collect::<Vec<_>>())
}

/// The text as GZIP.
#[must_use]
pub fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}
