//! One call to the sample API: where it goes, and what it asks for.

use rand::RngExt;
use rand::seq::IndexedRandom;
use reqwest::Url;

use crate::chance::{Topic, chance};

/// Where the sample API lies below a stage.
const PATH: [&str; 2] = ["random", "strings"];
/// The sets of characters it knows.
const CHARS: [&str; 4] = ["letters", "lowercase", "uppercase", "digits"];

/// The URL of the sample API, from its own or from that of a stage, such as
/// `https://abcdefghij.execute-api.us-east-1.amazonaws.com/prod`.
///
/// # Errors
/// It is no URL of a web server, or says more than a place.
pub fn endpoint(text: &str) -> Result<Url, String> {
    let advice = "write it like https://abcdefghij.execute-api.us-east-1.amazonaws.com/prod";
    let mut url: Url = text.parse().map_err(|error| format!("{error}: {advice}"))?;
    let is_more = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
    if !["http", "https"].contains(&url.scheme()) || is_more || url.password().is_some() {
        return Err(advice.to_owned());
    }
    if !url.path().trim_end_matches('/').ends_with(&format!("/{}", PATH.join("/")))
        && let Ok(mut segments) = url.path_segments_mut()
    {
        segments.pop_if_empty().extend(PATH);
    }
    Ok(url)
}

/// What the call of this number asks for. The same seed gives the same calls.
pub(crate) fn call_url(endpoint: &Url, seed: u64, number: u64) -> Url {
    let mut chance = chance(seed, Topic::Request, 0, number);
    let chars = CHARS.choose(&mut chance).copied().unwrap_or_default();
    let (num, len) = (chance.random_range(1..=100), chance.random_range(1..=20));
    let mut url = endpoint.clone();
    url.set_query(Some(&format!("chars={chars}&num={num}&len={len}")));
    url
}

/// The same call for a shell, where the variable `TOKEN` holds the token.
pub(crate) fn curl(url: &Url) -> String {
    // A URL may hold an apostrophe, which would end the quotation.
    format!(r#"curl -sS -H "Authorization: $TOKEN" '{}'"#, url.as_str().replace('\'', "%27"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_url_of_a_stage_or_of_the_api_itself_may_be_given() {
        for (given, wanted) in [
            ("https://a.example/prod", "https://a.example/prod/random/strings"),
            ("https://a.example/prod/", "https://a.example/prod/random/strings"),
            ("https://a.example/prod/random/strings", "https://a.example/prod/random/strings"),
            ("https://a.example/prod/random/strings/", "https://a.example/prod/random/strings/"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/random/strings"),
        ] {
            assert_eq!(endpoint(given).unwrap().as_str(), wanted);
        }
    }

    #[test]
    fn what_is_no_place_on_a_web_server_is_refused() {
        for wrong in [
            "",
            "prod",
            "a.example/prod",
            "localhost:3000",
            "ftp://a.example/prod",
            "file:///prod",
            "https://",
            "https://a.example/prod?num=5",
            "https://a.example/prod#top",
            "https://user:password@a.example/prod",
        ] {
            assert!(endpoint(wrong).unwrap_err().contains("write it like https://"), "{wrong}");
        }
    }

    #[test]
    fn calls_differ_and_cover_what_the_api_takes_and_a_seed_repeats_them() {
        let endpoint = endpoint("https://a.example").unwrap();
        let mut seen: [HashSet<String>; 3] = Default::default();
        for number in 0..2000 {
            let url = call_url(&endpoint, 1, number);
            assert_eq!(url, call_url(&endpoint, 1, number));
            for ((name, value), (wanted, seen)) in url.query_pairs().zip(["chars", "num", "len"].iter().zip(&mut seen))
            {
                assert_eq!(name, *wanted);
                seen.insert(value.into_owned());
            }
        }
        let [chars, num, len] = seen;
        assert_eq!(chars, CHARS.map(str::to_owned).into());
        assert_eq!(num, (1..=100).map(|num: u32| num.to_string()).collect());
        assert_eq!(len, (1..=20).map(|len: u32| len.to_string()).collect());
        assert_ne!(call_url(&endpoint, 1, 7), call_url(&endpoint, 2, 7));
    }

    #[test]
    fn a_line_for_a_shell_is_one_word_per_argument_and_names_no_token() {
        let url = call_url(&endpoint("https://a.example/it's").unwrap(), 1, 0);
        let line = curl(&url);
        assert!(
            line.starts_with(r#"curl -sS -H "Authorization: $TOKEN" 'https://a.example/it%27s/random/strings?chars="#)
        );
        assert_eq!(line.matches('\'').count(), 2);
    }
}
