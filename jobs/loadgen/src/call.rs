//! One call and its line in the access log.

use std::sync::LazyLock;

use anyhow::Result;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::chance::{Lottery, Topic, chance, uuid};
use crate::options::Options;
use crate::people::People;
use crate::schedule::Buffer;

/// What the gateway offers, and how often of 100 it is called.
const OFFERS: [(&str, &str, u64); 7] = [
    ("GET", "/random/strings", 40),
    ("GET", "/v1/search", 20),
    ("GET", "/v1/orders/{id}", 18),
    ("POST", "/v1/orders", 10),
    ("PUT", "/v1/customers/{id}", 5),
    ("DELETE", "/v1/orders/{id}", 4),
    ("GET", "/v1/reports/{year}/{month}", 3),
];
/// How calls end, in calls of 1000. `None`: well, with the status that goes with the method.
const ENDS: [(Option<u16>, u64); 7] =
    [(None, 900), (Some(400), 20), (Some(403), 15), (Some(404), 30), (Some(429), 20), (Some(500), 10), (Some(503), 5)];
/// The longest that a call's line takes to arrive, in milliseconds.
pub(crate) const LONGEST_WAY_MS: i64 = 2000;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static OFFER: LazyLock<Lottery> = LazyLock::new(|| Lottery::new(OFFERS.map(|(_, _, weight)| weight)));
static END: LazyLock<Lottery> = LazyLock::new(|| Lottery::new(ENDS.map(|(_, weight)| weight)));

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    request_id: String,
    /// `None`: logged in the older form.
    extended_request_id: Option<String>,
    ip: &'a str,
    /// The caller's `sub`; `None` if unauthenticated.
    pub(crate) user: Option<&'a str>,
    /// Milliseconds since 1970, UTC.
    pub(crate) request_time: i64,
    method: &'static str,
    path: &'static str,
    /// The HTTP status; `None` where the gateway logs a bare `-`.
    pub(crate) status: Option<u16>,
    protocol: &'static str,
    /// Bytes; `None` where the gateway logs `-`.
    pub(crate) response_length: Option<u64>,
}

impl<'a> Call<'a> {
    /// The call numbered `index` of those that arrive in a buffer. They arrive in the order of their numbers, the first
    /// at the buffer's start, each a little after it was made.
    pub(crate) fn new(options: &Options, people: &'a People, buffer: &Buffer, index: u64) -> Self {
        let start = buffer.start.timestamp_millis();
        let mut chance = chance(options.seed, Topic::Call, start, index);
        let person = people.draw(&mut chance);
        let legacy = chance.random_bool(options.legacy);
        let (method, path, _) = OFFERS[OFFER.draw(&mut chance)];
        let (bad_end, _) = ENDS[END.draw(&mut chance)];
        let status = bad_end.unwrap_or(match method {
            "POST" => 201,
            "DELETE" => 204,
            _ => 200,
        });
        // The gateway knows no length of an empty answer, and the older form could not have said so.
        let response_length = match status {
            204 | 503 => legacy.then_some(0),
            200 => Some(chance.random_range(11..=20_000)),
            _ => Some(chance.random_range(20..=200)),
        };
        let mut call = Self {
            request_id: match chance.random_range(0..100) {
                0 if !legacy => person.request_id.clone(),
                _ => uuid(&mut chance),
            },
            extended_request_id: (!legacy).then(|| extended_request_id(&mut chance)),
            ip: &person.ip,
            user: (!chance.random_bool(options.unauthenticated)).then_some(&*person.sub),
            request_time: arrival(buffer, index, &mut chance) - chance.random_range(5..=LONGEST_WAY_MS),
            method,
            path,
            status: Some(status),
            protocol: if chance.random_range(0..4) == 0 { "HTTP/2.0" } else { "HTTP/1.1" },
            response_length,
        };
        if chance.random_bool(options.bare_dashes) {
            // Only a format that leaves numbers unquoted, as the older form does, has such lines.
            (call.extended_request_id, call.status, call.response_length) = (None, None, Some(0));
        }
        call
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> Result<String> {
        let text = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let line = match &self.extended_request_id {
            Some(id) => {
                let (status, length) = (text(self.status.map(u64::from)), text(self.response_length));
                serde_json::to_string(&self.keys(self.request_time.to_string(), status, length, Some(id)))
            }
            None => {
                let length = self.response_length.unwrap_or_default();
                serde_json::to_string(&self.keys(self.request_time, self.status, length, None))
            }
        };
        Ok(line?.replacen("\"status\":null", "\"status\":-", 1))
    }

    fn keys<'b, Time, Status, Length>(
        &'b self,
        request_time: Time,
        status: Status,
        response_length: Length,
        extended_request_id: Option<&'b str>,
    ) -> Line<'b, Time, Status, Length> {
        Line {
            request_time,
            status,
            response_length,
            ip: self.ip,
            user: self.user.unwrap_or("-"),
            http_method: self.method,
            resource_path: self.path,
            protocol: self.protocol,
            extended_request_id,
            request_id: &self.request_id,
        }
    }
}

/// The keys of a line, in the order of the format in `infra/api.yaml`. `Time`, `Status` and `Length` are text today and
/// were numbers once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a, Time, Status, Length> {
    request_time: Time,
    status: Status,
    response_length: Length,
    ip: &'a str,
    user: &'a str,
    http_method: &'a str,
    resource_path: &'a str,
    protocol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_request_id: Option<&'a str>,
    request_id: &'a str,
}

/// When a call's line arrives, in milliseconds since 1970: the buffer's time is cut into as many parts as it has calls.
fn arrival(buffer: &Buffer, index: u64, chance: &mut ChaCha8Rng) -> i64 {
    let edge = |index: u64| index * buffer.length_ms / buffer.calls.max(1);
    let (from, to) = (edge(index), edge(index + 1));
    let within = if index == 0 { 0 } else { chance.random_range(from..to.max(from + 1)) };
    buffer.start.timestamp_millis() + within.cast_signed()
}

/// Eleven random bytes in Base64, such as `fk9aWHgLIAMFW2g=`.
fn extended_request_id(chance: &mut ChaCha8Rng) -> String {
    let mut letters = chance.random::<u128>();
    let mut text = String::with_capacity(16);
    for _ in 0..14 {
        text.push(BASE64[(letters % 64) as usize].into());
        letters /= 64;
    }
    // The last letter stands for four bits only.
    text.push(BASE64[(letters % 16 * 4) as usize].into());
    text.push('=');
    text
}
