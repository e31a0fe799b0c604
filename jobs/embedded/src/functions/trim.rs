//! `trim`, `ltrim` and `rtrim` without characters: they take off what Trino takes for white space.

use super::Family;
use super::function::{Gives, Run, Takes, function, texts};
use super::sized::slices;
use datafusion::arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use meterlake_core::white_space::is_white_space;

/// The functions of this family.
///
/// `trim_start` and `trim_end` are what `dialect` makes of `ltrim` and `rtrim`, since the like of `trim(LEADING x FROM y)` is
/// DataFusion's under those names.
pub(super) fn functions() -> Family {
    let both: Run = |args| trimmed(args, |text| text.trim_matches(is_white_space));
    let left: Run = |args| trimmed(args, |text| text.trim_start_matches(is_white_space));
    let right: Run = |args| trimmed(args, |text| text.trim_end_matches(is_white_space));
    vec![one("trim", both), one("trim_start", left), one("trim_end", right)]
}

fn one(name: &'static str, run: Run) -> ScalarUDF {
    function(name, &[Takes::Text], Gives::Text, run)
}

fn trimmed(args: &[ArrayRef], trim: fn(&str) -> &str) -> Result<ArrayRef> {
    slices(texts(args, 0)?, |_, text| {
        // Most texts have nothing to take off, which the bytes at their ends tell.
        let is_bare =
            [text.as_bytes().first(), text.as_bytes().last()].iter().flatten().all(|end| end.is_ascii_graphic());
        Ok(Some(if is_bare { text } else { trim(text) }))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_text_is_trimmed_at_the_ends_that_are_asked_for() {
        assert_eq!(answer("SELECT '<' || trim(U&'\\2003 a b \\3000') || '>'"), "<a b>");
        assert_eq!(answer("SELECT '<' || ltrim('  a ') || rtrim(' b  ') || '>'"), "<a  b>");
        assert_eq!(answer("SELECT length(trim(U&'\\FEFF\\00A0'))"), "2");
    }
}
