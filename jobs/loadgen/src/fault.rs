//! How a record is spoiled.

use anyhow::{Context, Result};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::call::Call;

/// What was logged in a record's place.
const GARBAGE: [&str; 4] =
    ["Endpoint request timed out", "<html><body>502 Bad Gateway</body></html>", "$context.requestId - -", "}{"];
/// Lines that are neither a record nor a fault.
const BLANKS: [&str; 3] = ["", " ", "\t  "];

/// The line of a call whose record is spoiled: cut off, or something else.
///
/// It is cut off before its last key, which is the only one whose value a client may choose: merge reads what stands
/// before that key even where the rest is broken.
pub(crate) fn spoiled_line(call: &Call<'_>, chance: &mut ChaCha8Rng) -> Result<String> {
    if chance.random() {
        return Ok(GARBAGE[chance.random_range(0..GARBAGE.len())].to_owned());
    }
    let line = call.line()?;
    let last_key = line.rfind(",\"requestId\":").context("a line has a request id")?;
    let end = chance.random_range(1..=last_key);
    Ok(line[..line.floor_char_boundary(end)].to_owned())
}

/// A line without text.
pub(crate) fn blank_line(chance: &mut ChaCha8Rng) -> &'static str {
    BLANKS[chance.random_range(0..BLANKS.len())]
}
