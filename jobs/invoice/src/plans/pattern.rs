//! Patterns of paths.

use std::fmt;

/// A pattern of resource paths: `*` stands for any text, slashes included, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(String);

impl PathPattern {
    /// A pattern; a path starts with `/`, so a pattern starts with `/` or `*`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        text.starts_with(['/', '*']).then(|| Self(text.to_owned()))
    }

    /// Whether the whole path fits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == path };
        let Some(mut path) = path.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The first place where a part fits leaves the most for those after it.
        for part in middle.split('*') {
            let Some(at) = path.find(part) else { return false };
            path = &path[at + part.len()..];
        }
        path.ends_with(end)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_all_else_for_itself() {
        let cases = [
            ("/v1/items", "/v1/items", true),
            ("/v1/items", "/v1/items/7", false),
            ("/v1/*", "/v1/items/7", true),
            ("/v1/*", "/v1/", true),
            ("/v1/*", "/v1", false),
            ("/v1/*", "/v2/items", false),
            ("*", "", true),
            ("/v*/items", "/v12/items", true),
            ("/v*/items", "/v12/items/7", false),
            ("*/items/*/parts", "/v1/items/items/7/parts", true),
            ("*/items/*/parts", "/v1/items/parts", false),
            ("/a*a", "/a", false),
            ("/a*b*b", "/ab", false),
            ("/items/{id}", "/items/{id}", true),
            ("/사용자/*", "/사용자/é", true),
        ];
        for (pattern, path, fits) in cases {
            assert_eq!(PathPattern::new(pattern).unwrap().matches(path), fits, "{pattern} {path}");
        }
        assert_eq!(PathPattern::new("v1/*"), None);
    }
}
