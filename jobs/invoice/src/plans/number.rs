//! Numbers as the plan file and the command line write them.

use rust_decimal::Decimal;

/// Digits before and after the point. Together they fit a `Decimal` (28 digits) without rounding.
const DIGITS: (usize, usize) = (16, 12);

/// Reads `12`, `0.0000035` or `-1.5`: digits and at most one point, no exponent, no separators.
///
/// # Errors
/// What is wrong with the text, for a person.
pub fn parse(text: &str) -> Result<Decimal, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(format!("`{text}` is no number: write digits and at most one point, such as 0.0000035"));
    }
    // Zeros that say nothing may be as many as one likes.
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() > DIGITS.0 || fraction.len() > DIGITS.1 {
        return Err(format!(
            "`{text}` has too many digits: at most {} before the point and {} after it",
            DIGITS.0, DIGITS.1
        ));
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let number = Decimal::from_str_exact(&format!("0{whole}{point}{fraction}"))
        .map_err(|error| format!("`{text}` is no number: {error}"))?;
    Ok(if text.starts_with('-') && !number.is_zero() { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_exactly() {
        for text in ["0", "12", "0.0000035", "-1.5", "9999999999999999.999999999999", "1000000000000000"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("007.500").unwrap().to_string(), "7.5");
        assert_eq!(parse("0.0000000000000000000000000000000000").unwrap().to_string(), "0");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.", ".5", "1e3", "1_000", "1,5", "+1", " 1", "1.2.3", "--1", "NaN", "0x1", "１"] {
            assert!(parse(text).unwrap_err().contains("no number"), "{text}");
        }
        for text in ["10000000000000000", "0.0000000000001"] {
            assert!(parse(text).unwrap_err().contains("too many digits"), "{text}");
        }
    }
}
