//! Chance that depends on the seed and on what it is for, never on what was drawn before: a call looks the same
//! whichever faults are asked for, and can be made again when its copy is due.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of chance is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic {
    /// When buffers begin.
    Phase,
    /// How many calls a buffer holds, and whether its object is late.
    Buffer,
    /// How an object is named and its lines end.
    Object,
    /// What a call looks like.
    Call,
    /// What goes wrong with a call on its way.
    Fate,
    /// Who a user is.
    User,
    /// What a call to a gateway asks for.
    Request,
}

/// The stream of chance for one thing: `major` and `minor` number it within its topic.
pub(crate) fn chance(seed: u64, topic: Topic, major: i64, minor: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    let words = [seed, topic as u64, major.cast_unsigned(), minor];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A random (version 4) UUID.
pub(crate) fn uuid(chance: &mut ChaCha8Rng) -> String {
    let bits = chance.random::<u128>() & !(0xF000_C000 << 48) & !(0xF << 76) | (0x4 << 76) | (0x8 << 60);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// One of several things with weights.
#[derive(Debug)]
pub(crate) struct Lottery {
    /// The running sum of the weights.
    sums: Vec<u64>,
}

impl Lottery {
    /// A lottery between things 0, 1, 2 … of these weights; at least one must be above zero.
    pub(crate) fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let sums = weights.into_iter().scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// The number of the thing that wins.
    pub(crate) fn draw(&self, chance: &mut ChaCha8Rng) -> usize {
        let ticket = chance.random_range(0..self.sums.last().copied().unwrap_or(1));
        self.sums.partition_point(|sum| *sum <= ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        let mut chance = chance(1, Topic::User, 0, 0);
        for _ in 0..100 {
            let uuid = uuid(&mut chance);
            let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.as_bytes()[14] == b'4' && b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }

    #[test]
    fn what_it_is_for_decides_what_is_drawn() {
        let draw = |seed, topic, major, minor| chance(seed, topic, major, minor).random::<u64>();
        let first = draw(1, Topic::Call, 7, 7);
        assert_eq!(first, draw(1, Topic::Call, 7, 7));
        for other in [draw(2, Topic::Call, 7, 7), draw(1, Topic::Fate, 7, 7), draw(1, Topic::Call, 7, 8)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_thing_without_weight_never_wins() {
        let lottery = Lottery::new([0, 3, 0, 1]);
        let mut chance = chance(1, Topic::User, 0, 0);
        let wins = (0..1000).fold([0; 4], |mut wins, _| {
            wins[lottery.draw(&mut chance)] += 1;
            wins
        });
        assert!(wins[0] == 0 && wins[2] == 0 && wins[1] > 2 * wins[3] && wins[3] > 0, "{wins:?}");
    }
}
