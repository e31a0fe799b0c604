//! What is not billed and whose it is: bounded lists for the report, the notes of a month and its page.

use meterlake_core::notes::{NotAdjusted, Unbilled};
use meterlake_core::period::Month;

/// How many customers a list names. What it counts, it counts in full.
pub(crate) const NAMED: usize = 100;
/// How many of them a line of text names.
const NAMED_IN_TEXT: usize = 3;
/// Characters that are kept of an id and of a reason, so that a list fits into the parameters of a partition.
const LENGTH: usize = 300;

/// An earlier month that is corrected for nobody, and why.
pub(crate) fn not_adjusted(month: Month, why: &str) -> NotAdjusted {
    NotAdjusted { month, why: cut(why) }
}

/// Customers by id: the first of them with a reason each, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// All customers, named or not.
    pub(crate) customers: u64,
    /// At most [`NAMED`], by id.
    pub(crate) named: Vec<Unbilled>,
}

impl Listing {
    /// Adds a customer, whose id comes after those of all that were added.
    pub(crate) fn add(&mut self, customer: &str, why: &str) {
        self.customers += 1;
        if self.named.len() < NAMED {
            self.named.push(Unbilled { customer: cut(customer), why: cut(why) });
        }
    }

    /// Adds the customers of another list, none of which is in this one.
    pub(crate) fn merge(&mut self, other: Self) {
        self.customers += other.customers;
        self.named.extend(other.named);
        self.named.sort();
        self.named.truncate(NAMED);
    }

    /// Warns, if there is any customer. `what` comes after their number.
    pub(crate) fn warn(&self, month: Month, what: &str) {
        if self.customers > 0 {
            let named = text(&self.named, self.customers);
            tracing::warn!(%month, customers = self.customers, "{} customers {what}: {named}", self.customers);
        }
    }
}

/// Some customers with their reasons, and how many more there are.
pub(crate) fn text(named: &[Unbilled], customers: u64) -> String {
    let first = named.iter().take(NAMED_IN_TEXT).map(|one| format!("`{}` {}", one.customer, one.why));
    let more = customers.saturating_sub(NAMED_IN_TEXT.min(named.len()) as u64);
    let more = (more > 0).then(|| format!("and {more} more"));
    first.chain(more).collect::<Vec<_>>().join("; ")
}

/// The first characters of a text, without those that the parameters of a Glue partition cannot hold.
fn cut(text: &str) -> String {
    let is_no_character = |c: char| matches!(c, '\u{FFFE}' | '\u{FFFF}');
    let mut letters = text.chars().map(|c| if is_no_character(c) { char::REPLACEMENT_CHARACTER } else { c });
    let mut kept: String = letters.by_ref().take(LENGTH).collect();
    if letters.next().is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_first_and_counts_all() {
        let (mut first, mut second) = (Listing::default(), Listing::default());
        for number in 0..80 {
            first.add(&format!("{:03}", 2 * number), "why");
            second.add(&format!("{:03}", 2 * number + 1), "why");
        }
        first.merge(second);
        assert_eq!((first.customers, first.named.len()), (160, NAMED));
        assert_eq!((first.named[1].customer.as_str(), first.named[99].customer.as_str()), ("001", "099"));
        assert_eq!(text(&first.named, 160), "`000` why; `001` why; `002` why; and 157 more");
        assert_eq!(text(&first.named[..2], 2), "`000` why; `001` why");
    }

    #[test]
    fn a_long_id_is_cut_between_characters_and_what_glue_refuses_is_replaced() {
        let mut list = Listing::default();
        list.add(&"서".repeat(1000), "\u{FFFF}");
        assert_eq!(list.named[0].customer, format!("{}…", "서".repeat(LENGTH)));
        assert_eq!(list.named[0].why, "\u{FFFD}");
    }
}
