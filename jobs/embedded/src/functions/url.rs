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
        function("url_extract_path", &[Text], Gives::Text, |args| part(args, |url| Some(url.path().to_owned()))),
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
}
