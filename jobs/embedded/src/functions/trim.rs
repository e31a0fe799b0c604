//! `trim`, `ltrim` and `rtrim` without characters: they take off what Trino takes for white space.

use super::Family;
use super::function::{Gives, Run, Takes, function, texts};
use super::sized::slices;
use datafusion::arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

/// The functions of this family.
///
/// `trim_start` and `trim_end` are what `dialect` makes of `ltrim` and `rtrim`, since the like of `trim(LEADING x FROM y)` is
/// DataFusion's under those names.
pub(super) fn functions() -> Family {
    let both: Run = |args| trimmed(args, |text| text.trim_matches(is_space));
    let left: Run = |args| trimmed(args, |text| text.trim_start_matches(is_space));
    let right: Run = |args| trimmed(args, |text| text.trim_end_matches(is_space));
    vec![one("trim", both), one("trim_start", left), one("trim_end", right)]
}

fn one(name: &'static str, run: Run) -> ScalarUDF {
    function(name, &[Takes::Text], Gives::Text, run)
}

fn trimmed(args: &[ArrayRef], trim: fn(&str) -> &str) -> Result<ArrayRef> {
    slices(texts(args, 0)?, |_, text| Ok(Some(trim(text))))
}

/// Java's `Character.isWhitespace`: no no-break space, and neither U+0085 nor a byte order mark.
fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t'..='\r'
            | '\u{1c}'..=' '
            | '\u{1680}'
            | '\u{2000}'..='\u{2006}'
            | '\u{2008}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn white_space_is_what_java_takes_for_it() {
        let spaces: Vec<u32> = (0..0x11_0000).filter(|c| char::from_u32(*c).is_some_and(is_space)).collect();
        let expected = [0x09..=0x0d, 0x1c..=0x20, 0x1680..=0x1680, 0x2000..=0x2006, 0x2008..=0x200a, 0x2028..=0x2029]
            .into_iter()
            .flatten()
            .chain([0x205f, 0x3000]);
        assert_eq!(spaces, expected.collect::<Vec<u32>>());
    }

    #[test]
    fn a_text_is_trimmed_at_the_ends_that_are_asked_for() {
        assert_eq!(answer("SELECT '<' || trim(U&'\\2003 a b \\3000') || '>'"), "<a b>");
        assert_eq!(answer("SELECT '<' || ltrim('  a ') || rtrim(' b  ') || '>'"), "<a  b>");
        assert_eq!(answer("SELECT length(trim(U&'\\FEFF\\00A0'))"), "2");
    }
}
