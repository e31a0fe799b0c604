//! Parts of a URL, as `java.net.URI` has them, which Trino uses. What is no URI has none: NULL, never an error.

use super::Family;
use super::function::{Gives, Takes, collect, function, text_at, texts};
use datafusion::arrow::array::{Array, ArrayRef, Int64Array, StringViewArray};
use datafusion::common::{Result, exec_err};
use std::fmt::Write;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::Text;
    vec![
        function("url_extract_protocol", &[Text], Gives::Text, |args| part(args, |uri| uri.scheme.into())),
        function("url_extract_host", &[Text], Gives::Text, |args| part(args, |uri| uri.host.into())),
        function("url_extract_port", &[Text], Gives::Int, port),
        function("url_extract_path", &[Text], Gives::Text, |args| part(args, |uri| decoded(uri.path))),
        function("url_extract_query", &[Text], Gives::Text, |args| part(args, |uri| decoded(uri.query.unwrap_or("")))),
        function("url_extract_fragment", &[Text], Gives::Text, |args| part(args, |uri| decoded(uri.fragment))),
        function("url_extract_parameter", &[Text, Text], Gives::Text, parameter),
        function("url_encode", &[Text], Gives::Text, |args| each(args, |text| Ok(encoded(text)))),
        function("url_decode", &[Text], Gives::Text, |args| each(args, form_decoded)),
    ]
}

/// The parts of a URI, each as it is written; empty where there is none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Uri<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<i64>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: &'a str,
}

impl<'a> Uri<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        is_uri(text).then_some(())?;
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let colon = text.find([':', '/', '?']).filter(|at| text[*at..].starts_with(':'));
        let (scheme, rest) = colon.map_or(("", text), |at| (&text[..at], &text[at + 1..]));
        if colon.is_some() {
            let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
            (is_scheme && !rest.is_empty()).then_some(())?;
            // `mailto:x` is one opaque part.
            if !rest.starts_with('/') {
                return Some(Self { scheme, fragment, ..Self::default() });
            }
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = match rest.strip_prefix("//") {
            Some("") => return None,
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        (!path.contains(['[', ']'])).then_some(())?;
        let (host, port) = server(authority).unwrap_or(("", None));
        Some(Self { scheme, host, port, path, query, fragment })
    }
}

/// Host and port; none of a name that a registry might know, but is no host.
fn server(authority: &str) -> Option<(&str, Option<i64>)> {
    let (_, server) = authority.rsplit_once('@').unwrap_or(("", authority));
    let end = if server.starts_with('[') { server.find(']')? + 1 } else { server.find(':').unwrap_or(server.len()) };
    let (host, port) = server.split_at(end);
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse::<i32>().ok()?.into()),
        _ => return None,
    };
    is_host(host).then_some((host, port))
}

/// An address, or labels of letters and digits of which the last begins with a letter.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        return true;
    }
    let labels = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let ends = [label.as_bytes().first(), label.as_bytes().last()];
        ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let top = labels.rsplit('.').next().unwrap_or_default();
    labels.split('.').all(is_label) && top.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn each(args: &[ArrayRef], map: fn(&str) -> Result<String>) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    collect::<StringViewArray, _>(text.len(), |row| text_at(text, row).map(map).transpose())
}

fn part(args: &[ArrayRef], of: fn(Uri<'_>) -> String) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    collect::<StringViewArray, _>(text.len(), |row| Ok(text_at(text, row).and_then(Uri::parse).map(of)))
}

fn port(args: &[ArrayRef]) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    collect::<Int64Array, _>(text.len(), |row| Ok(text_at(text, row).and_then(Uri::parse).and_then(|uri| uri.port)))
}

/// The bytes of a text, in which `%20` stands for one.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.extend(after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&unescaped(text)).into_owned()
}

/// As a form's value: a plus stands for a blank, too.
fn form_decoded(text: &str) -> Result<String> {
    let is_hex = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    if text.match_indices('%').any(|(at, _)| !is_hex(at + 1) || !is_hex(at + 2)) {
        return exec_err!("URLDecoder: Illegal hex characters in escape (%) pattern: {text}");
    }
    Ok(decoded(&text.replace('+', " ")))
}

/// A value as forms send it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
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

/// The first value of a query parameter. Its name is compared as it is written.
fn parameter(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (text, name) = (texts(args, 0)?, texts(args, 1)?);
    collect::<StringViewArray, _>(text.len(), |row| {
        let (Some(text), Some(name)) = (text_at(text, row), text_at(name, row)) else { return Ok(None) };
        let Some(query) = Uri::parse(text).and_then(|uri| uri.query) else { return Ok(None) };
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
        value.map(form_decoded).transpose()
    })
}

#[cfg(test)]
mod tests {
    use super::Uri;
    use crate::functions::testing::answer;

    #[test]
    fn a_url_is_taken_apart() {
        let url = "'https://u@API.example.com:8080/v1/items?limit=10&q=a%20b+c&r#top'";
        for (part, expected) in [
            ("protocol", "https"),
            ("host", "API.example.com"),
            ("port", "8080"),
            ("path", "/v1/items"),
            ("query", "limit=10&q=a b+c&r"),
            ("fragment", "top"),
        ] {
            assert_eq!(answer(&format!("SELECT url_extract_{part}({url})")), expected);
        }
        assert_eq!(answer(&format!("SELECT url_extract_parameter({url}, 'q')")), "a b c");
        assert_eq!(answer(&format!("SELECT url_extract_parameter({url}, 'r')")), "");
        assert_eq!(answer(&format!("SELECT url_extract_parameter({url}, 's') IS NULL")), "true");
        assert_eq!(answer("SELECT url_extract_host('not a url') IS NULL"), "true");
        assert_eq!(answer("SELECT url_decode(url_encode('é & b.c'))"), "é & b.c");
        assert_eq!(answer("SELECT url_encode('é & b.c')"), "%C3%A9+%26+b.c");
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (url, expected) in [
            ("http://ex.com", "ex.com"),
            ("http://10.0.0.1:80/", "10.0.0.1"),
            ("http://[::1]:80/", "[::1]"),
            ("http://under_score.com/", ""),
            ("http://ex.com:x/", ""),
            ("http://1.2.3/", ""),
            ("nothing", ""),
        ] {
            assert_eq!(Uri::parse(url).map(|uri| uri.host), Some(expected), "{url}");
        }
    }

    #[test]
    fn a_path_needs_no_host() {
        for (url, expected) in [
            ("/only/path", Some("/only/path")),
            ("https://ex.com?q=/x", Some("")),
            ("https://ex.com/a/../b#c", Some("/a/../b")),
            ("mailto:a@b", Some("")),
            ("https://ex.com/a b", None),
            ("https://ex.com/%zz", None),
        ] {
            assert_eq!(Uri::parse(url).map(|uri| uri.path), expected, "{url}");
        }
        assert_eq!(answer("SELECT url_extract_path('https://ex.com/a%20b')"), "/a b");
    }
}
