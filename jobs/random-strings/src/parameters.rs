//! What a request asks for.

use std::num::IntErrorKind;
use std::ops::RangeInclusive;

use rand::Rng;
use rand::seq::IndexedRandom;

use crate::Query;

/// How many strings one request gets.
const NUM: RangeInclusive<i64> = 1..=100;
/// How long they are, in characters.
const LEN: RangeInclusive<i64> = 1..=20;

/// Which strings a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// What the strings are made of.
    pub chars: Charset,
    /// How many strings: 1–100.
    pub num: usize,
    /// How long each is, in characters: 1–20.
    pub len: usize,
}

/// What strings are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `a` to `z` and `A` to `Z`.
    Letters,
    /// `a` to `z`.
    Lowercase,
    /// `A` to `Z`.
    Uppercase,
    /// `0` to `9`.
    Digits,
}

/// A value that is not allowed. The value itself is not repeated: the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongParameter {
    /// No whole number.
    #[error("{name} must be a whole number from {} to {}", range.0, range.1)]
    Number {
        /// Which parameter.
        name: &'static str,
        /// What is allowed, both ends included.
        range: (i64, i64),
    },
    /// No known set of characters.
    #[error("chars must be one of letters, lowercase, uppercase, digits")]
    Charset,
}

impl Parameters {
    /// Reads the parameters of a request. One that is missing has its default (letters, 1, 1); a number outside its range
    /// becomes the nearest one inside; parameters with other names are ignored, as a client may add its own.
    ///
    /// # Errors
    /// A value is no whole number, or no known set.
    pub fn parse(query: &Query) -> Result<Self, WrongParameter> {
        let chars = query.get("chars").map_or(Ok(Charset::Letters), |name| Charset::parse(name))?;
        Ok(Self { chars, num: number(query, "num", NUM)?, len: number(query, "len", LEN)? })
    }

    /// Strings as they were asked for, each character as likely as any other.
    pub fn strings(&self, rng: &mut impl Rng) -> Vec<String> {
        let alphabet = self.chars.alphabet();
        let character = |rng: &mut _| alphabet.choose(rng).map(|byte| char::from(*byte));
        (0..self.num).map(|_| (0..self.len).filter_map(|_| character(rng)).collect()).collect()
    }
}

impl Charset {
    fn parse(name: &str) -> Result<Self, WrongParameter> {
        Ok(match name {
            "letters" => Self::Letters,
            "lowercase" => Self::Lowercase,
            "uppercase" => Self::Uppercase,
            "digits" => Self::Digits,
            _ => return Err(WrongParameter::Charset),
        })
    }

    /// All its characters.
    fn alphabet(self) -> &'static [u8] {
        match self {
            Self::Letters => b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::Lowercase => b"abcdefghijklmnopqrstuvwxyz",
            Self::Uppercase => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::Digits => b"0123456789",
        }
    }
}

/// A number inside the range. A whole number is clamped, however large it is.
fn number(query: &Query, name: &'static str, range: RangeInclusive<i64>) -> Result<usize, WrongParameter> {
    let (least, most) = range.into_inner();
    let Some(text) = query.get(name) else { return Ok(1) };
    let number = text.parse::<i64>().or_else(|error| match error.kind() {
        IntErrorKind::PosOverflow => Ok(most),
        IntErrorKind::NegOverflow => Ok(least),
        _ => Err(WrongParameter::Number { name, range: (least, most) }),
    })?;
    Ok(number.clamp(least, most) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn parse(parameters: &[(&str, &str)]) -> Result<Parameters, WrongParameter> {
        Parameters::parse(&parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_not_given_has_its_default_and_what_is_not_known_is_ignored() {
        let default = Parameters { chars: Charset::Letters, num: 1, len: 1 };
        assert_eq!(parse(&[]), Ok(default));
        assert_eq!(parse(&[("NUM", "5"), ("count", "x"), ("len", "2")]), Ok(Parameters { len: 2, ..default }));
    }

    #[test]
    fn a_whole_number_outside_the_range_is_clamped_however_large_it_is() {
        let num = |text| parse(&[("num", text)]).unwrap().num;
        let len = |text| parse(&[("len", text)]).unwrap().len;
        for text in ["0", "-1", "-99999999999999999999999", "1", "01"] {
            assert_eq!((num(text), len(text)), (1, 1), "{text}");
        }
        for text in ["100", "101", "99999999999999999999999"] {
            assert_eq!((num(text), len(text)), (100, 20), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_refused() {
        for text in ["", " ", "abc", "1.5", "1e2", "0x10", "1 ", "-", "１"] {
            assert_eq!(parse(&[("num", text)]), Err(WrongParameter::Number { name: "num", range: (1, 100) }), "{text}");
            assert_eq!(parse(&[("len", text)]), Err(WrongParameter::Number { name: "len", range: (1, 20) }), "{text}");
        }
    }

    #[test]
    fn what_is_no_known_set_is_refused() {
        for text in ["", "Letters", "letters ", "hex"] {
            assert_eq!(parse(&[("chars", text)]), Err(WrongParameter::Charset), "{text}");
        }
    }

    #[test]
    fn every_character_of_a_set_turns_up_and_no_other() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (name, letters, size) in
            [("letters", true, 52), ("lowercase", true, 26), ("uppercase", true, 26), ("digits", false, 10)]
        {
            let all = parse(&[("chars", name), ("num", "100"), ("len", "20")]).unwrap().strings(&mut rng).concat();
            let distinct: HashSet<char> = all.chars().collect();
            assert_eq!(distinct.len(), size, "{name}");
            assert!(distinct.iter().all(|char| if letters {
                char.is_ascii_alphabetic()
            } else {
                char.is_ascii_digit()
            }));
        }
        let lower = Parameters { chars: Charset::Lowercase, num: 100, len: 20 }.strings(&mut rng).concat();
        let upper = Parameters { chars: Charset::Uppercase, num: 100, len: 20 }.strings(&mut rng).concat();
        assert!(
            lower.chars().all(|char| char.is_ascii_lowercase()) && upper.chars().all(|char| char.is_ascii_uppercase())
        );
    }

    #[test]
    fn no_character_is_likelier_than_another() {
        let digits = Parameters { chars: Charset::Digits, num: 100, len: 20 };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0_i32; 10];
        for byte in (0..50).flat_map(|_| digits.strings(&mut rng)).flat_map(String::into_bytes) {
            counts[usize::from(byte - b'0')] += 1;
        }
        // 100,000 digits: 10,000 of each, with a standard deviation of 95.
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 475), "{counts:?}");
    }

    proptest! {
        #[test]
        fn any_whole_numbers_give_that_many_strings_of_that_length(num: i64, len: i64, seed: u64) {
            let (num, len) = (num % 200, len % 40);
            let parameters = parse(&[("num", &num.to_string()), ("len", &len.to_string())]).unwrap();
            let strings = parameters.strings(&mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(strings.len() as i64, num.clamp(1, 100));
            prop_assert!(strings.iter().all(|string| string.len() as i64 == len.clamp(1, 20)));
        }

        #[test]
        fn any_text_is_a_number_in_the_range_or_refused(text in "[-+]?[0-9]{0,30}|.*") {
            if let Ok(Parameters { num, .. }) = parse(&[("num", &text)]) {
                prop_assert!((1..=100).contains(&num));
                prop_assert!(text.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit()));
            }
        }
    }
}
