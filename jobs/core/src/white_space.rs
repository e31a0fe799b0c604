//! White space as Trino's `trim` takes it off.

/// Java's `Character.isWhitespace`: no no-break space, and neither U+0085 nor a byte order mark.
#[must_use]
pub const fn is_white_space(character: char) -> bool {
    matches!(
        character,
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

    #[test]
    fn white_space_is_what_java_takes_for_it() {
        let spaces: Vec<u32> = ('\0'..=char::MAX).filter(|c| is_white_space(*c)).map(u32::from).collect();
        let expected = [0x09..=0x0d, 0x1c..=0x20, 0x1680..=0x1680, 0x2000..=0x2006, 0x2008..=0x200a, 0x2028..=0x2029]
            .into_iter()
            .flatten()
            .chain([0x205f, 0x3000]);
        assert_eq!(spaces, expected.collect::<Vec<u32>>());
    }
}
