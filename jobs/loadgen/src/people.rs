//! Who calls.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::chance::{Lottery, Topic, chance, uuid};

/// One caller.
#[derive(Debug)]
pub(crate) struct Person {
    /// The Cognito `sub`.
    pub(crate) sub: String,
    /// Where the calls come from.
    pub(crate) ip: String,
    /// The request id that this client sets by header, ever the same.
    pub(crate) request_id: String,
}

/// All callers. The n-th calls 1/n as often as the first (Zipf).
#[derive(Debug)]
pub(crate) struct People {
    people: Vec<Person>,
    lottery: Lottery,
}

impl People {
    /// The first `count` callers of a seed.
    pub(crate) fn new(seed: u64, count: u32) -> Self {
        let people = (0..u64::from(count)).map(|number| Person::new(&mut chance(seed, Topic::User, 0, number)));
        let weights = (1..=u64::from(count)).map(|rank| (1_u64 << 40) / rank);
        Self { people: people.collect(), lottery: Lottery::new(weights) }
    }

    /// The one who makes the next call.
    pub(crate) fn draw(&self, chance: &mut ChaCha8Rng) -> &Person {
        &self.people[self.lottery.draw(chance)]
    }
}

impl Person {
    fn new(chance: &mut ChaCha8Rng) -> Self {
        let ip = match chance.random_range(0..4) {
            0 => format!("2001:db8::{:x}:{:x}", chance.random::<u16>(), chance.random_range(1..=u16::MAX)),
            1 => format!("198.51.100.{}", chance.random_range(1..255)),
            _ => format!("203.0.113.{}", chance.random_range(1..255)),
        };
        Self { sub: uuid(chance), ip, request_id: uuid(chance) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_caller_calls_more_than_the_tenth() {
        let people = People::new(1, 50);
        let mut chance = chance(1, Topic::Call, 0, 0);
        let calls: Vec<&str> = (0..2000).map(|_| people.draw(&mut chance).sub.as_str()).collect();
        let count = |number: usize| calls.iter().filter(|sub| **sub == people.people[number].sub).count();
        assert!(count(0) > 5 * count(9) && count(9) > 0, "{} and {}", count(0), count(9));
    }
}
