//! Texts in cells that a spreadsheet must not run.

use std::borrow::Cow;

/// What begins a formula. The wide and small forms do in some spreadsheets.
const SIGNS: [char; 12] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫'];
/// Where a reader that does not split at commas begins a new cell. At a comma the text is in quotes, and stays one cell.
const SEPARATORS: [char; 4] = [';', '\t', '\n', '\r'];

/// A text as a cell has it: an apostrophe stands before each sign that would begin a formula, at the text's beginning and
/// behind each separator, since `x;=1+2` is two cells to a reader that splits at `;`. Spreadsheets take the apostrophe for
/// "this is text" (OWASP, CSV injection).
///
/// Different texts give different cells: an apostrophe that is there already counts as a blank, so `'=1` gets one too, and to
/// take one away before each such sign gives the text back.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let mut guarded = String::new();
    let (mut copied, mut begins_cell) = (0, true);
    for (at, character) in text.char_indices() {
        if begins_cell && SIGNS.contains(&character) {
            guarded.push_str(&text[copied..at]);
            guarded.push('\'');
            copied = at;
        }
        begins_cell = SEPARATORS.contains(&character) || begins_cell && is_skipped(character);
    }
    if guarded.is_empty() {
        return Cow::Borrowed(text);
    }
    guarded.push_str(&text[copied..]);
    Cow::Owned(guarded)
}

/// Whether some readers see what comes after it as the beginning of the cell: they trim blanks, show nothing for these, or
/// take quotes away.
fn is_skipped(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\'' | '"')
        || matches!(
            character,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator, zero-width and direction marks, BOM.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for (formula, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("  =1", "  '=1"),
            ("\u{a0}=1", "\u{a0}'=1"),
            ("\u{feff}=1", "\u{feff}'=1"),
            ("\u{200b}\u{2060}=1", "\u{200b}\u{2060}'=1"),
            ("\0=1", "\0'=1"),
            ("\"=1", "\"'=1"),
            ("\t=1", "\t'=1"),
            ("\r=1", "\r'=1"),
            ("x;=1+2", "x;'=1+2"),
            ("x\t @a", "x\t '@a"),
            ("x\n=1;-2", "x\n'=1;'-2"),
            ("==1", "'==1"),
            ("'=1", "''=1"),
        ] {
            assert_eq!(text(formula), cell);
        }
    }

    #[test]
    fn what_no_spreadsheet_would_run_stays_as_it_is() {
        for harmless in ["", "a=1", "a -1", "a; b", "'a", "a,=1", "서울", "x;1=1", "john@example.com"] {
            assert_eq!(text(harmless), harmless);
        }
    }

    /// The text of a cell, as the docstring says it.
    fn text_of(cell: &str) -> String {
        let mut text = String::new();
        let mut begins_cell = true;
        for character in cell.chars() {
            if begins_cell && SIGNS.contains(&character) {
                assert_eq!(text.pop(), Some('\''), "a formula: {cell:?}");
            }
            text.push(character);
            begins_cell = SEPARATORS.contains(&character) || begins_cell && is_skipped(character);
        }
        text
    }

    proptest! {
        #[test]
        fn two_texts_are_two_cells_and_none_is_a_formula(original in "([=+@'\" ;\t\n\u{feff}ax-]|\\PC){0,12}") {
            prop_assert_eq!(text_of(&text(&original)), original);
        }
    }
}
