//! How a record is spoiled.

use anyhow::Result;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::call::Call;

/// What was logged in a record's place.
const GARBAGE: [&str; 4] =
    ["Endpoint request timed out", "<html><body>502 Bad Gateway</body></html>", "$context.requestId - -", "}{"];
/// Lines that are neither a record nor a fault.
const BLANKS: [&str; 3] = ["", " ", "\t  "];

/// The line of a call whose record is spoiled: with a bare `-` where a number belongs, cut off, or something else.
pub(crate) fn spoiled_line(call: &Call<'_>, chance: &mut ChaCha8Rng) -> Result<String> {
    Ok(match chance.random_range(0..3) {
        0 => call.line_with_a_bare_dash()?,
        1 => {
            let line = call.line()?;
            let end = chance.random_range(1..line.len());
            line[..line.floor_char_boundary(end)].to_owned()
        }
        _ => GARBAGE[chance.random_range(0..GARBAGE.len())].to_owned(),
    })
}

/// A line without text.
pub(crate) fn blank_line(chance: &mut ChaCha8Rng) -> &'static str {
    BLANKS[chance.random_range(0..BLANKS.len())]
}
