//! Parts of a URL. What is not a URL has none: NULL, never an error.

use super::Family;
use super::function::{Gives, Takes, collect, function, text_at, texts};
use ::url::Url;
use datafusion::arrow::array::{Array, ArrayRef, StringViewArray};
use datafusion::common::Result;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::Text;
    vec![
        function("url_extract_host", &[Text], Gives::Text, |args| part(args, |url| url.host_str().map(str::to_owned))),
        function("url_extract_path", &[Text], Gives::Text, |args| {
            let text = texts(args, 0)?;
            collect::<StringViewArray, _>(text.len(), |row| Ok(text_at(text, row).and_then(path)))
        }),
        function("url_extract_query", &[Text], Gives::Text, |args| {
            part(args, |url| Some(url.query().unwrap_or_default().to_owned()))
        }),
        function("url_extract_parameter", &[Text, Text], Gives::Text, parameter),
    ]
}

fn part(args: &[ArrayRef], of: fn(&Url) -> Option<String>) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    collect::<StringViewArray, _>(text.len(), |row| {
        Ok(text_at(text, row).and_then(|text| Url::parse(text).ok()).and_then(|url| of(&url)))
    })
}

/// The path as `java.net.URI` has it, which Trino uses: decoded, of a URL with or without a host, and as it is written.
fn path(text: &str) -> Option<String> {
    is_uri(text).then_some(())?;
    let (text, _) = text.split_once('#').unwrap_or((text, ""));
    let scheme = text.find([':', '/', '?']).filter(|at| text[*at..].starts_with(':'));
    let rest = match scheme {
        Some(at) => {
            let (scheme, rest) = (&text[..at], &text[at + 1..]);
            let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
            (is_scheme && !rest.is_empty()).then_some(())?;
            // `mailto:x` is one opaque part, without a path.
            if !rest.starts_with('/') {
                return Some(String::new());
            }
            rest
        }
        None => text,
    };
    let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match rest.strip_prefix("//") {
        Some("") => return None,
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => rest,
    };
    (!path.contains(['[', ']'])).then(|| decoded(path))
}

/// A text with its `%20` as the bytes that they stand for.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.extend(after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether all characters are such as a URI may have.
fn is_uri(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    text.matches('#').count() < 2
        && text.char_indices().all(|(at, c)| match c {
            '%' => is_hex(at + 1) && is_hex(at + 2),
            c if c.is_ascii() => c.is_ascii_alphanumeric() || "_-!.~'()*;/?:@&=+$,[]#".contains(c),
            c => !c.is_control() && !c.is_whitespace(),
        })
}

/// The first value of a query parameter.
fn parameter(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (text, name) = (texts(args, 0)?, texts(args, 1)?);
    collect::<StringViewArray, _>(text.len(), |row| {
        let (Some(text), Some(name)) = (text_at(text, row), text_at(name, row)) else { return Ok(None) };
        let Ok(url) = Url::parse(text) else { return Ok(None) };
        Ok(url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_url_is_taken_apart() {
        let url = "'https://api.example.com/v1/items?limit=10&q=a%20b'";
        assert_eq!(answer(&format!("SELECT url_extract_host({url})")), "api.example.com");
        assert_eq!(answer(&format!("SELECT url_extract_path({url})")), "/v1/items");
        assert_eq!(answer(&format!("SELECT url_extract_parameter({url}, 'q')")), "a b");
        assert_eq!(answer("SELECT url_extract_host('nothing') IS NULL"), "true");
    }

    #[test]
    fn a_path_is_decoded_and_needs_no_host() {
        for (url, expected) in [
            ("/only/path", Some("/only/path")),
            ("https://ex.com/a%20b", Some("/a b")),
            ("https://ex.com?q=/x", Some("")),
            ("https://ex.com/a/../b#c", Some("/a/../b")),
            ("mailto:a@b", Some("")),
            ("https://ex.com/a b", None),
            ("https://ex.com/%zz", None),
        ] {
            assert_eq!(super::path(url).as_deref(), expected, "{url}");
        }
    }
}
