//! A filter as Glue reads it.

use meterlake_core::catalog::{Column, PartitionFilter};

/// Glue takes no longer one.
const MOST_CHARACTERS: usize = 2_048;

/// The types of keys that Glue compares as numbers.
const INTEGERS: [&str; 4] = ["tinyint", "smallint", "int", "bigint"];

/// The expression that takes at least what the filter takes; `None` where that is everything.
///
/// A range that Glue cannot compare, or that there is no room for, is left out: who asks filters again.
pub(super) fn expression(keys: &[Column], filter: &PartitionFilter) -> Option<String> {
    let mut text = String::new();
    for range in &filter.0 {
        if !keys.iter().any(|key| key.name == range.key && INTEGERS.contains(&key.data_type.as_str())) {
            continue;
        }
        let key = &range.key;
        let mut terms = Vec::new();
        if range.min == range.max {
            terms.push(format!("{key} = {}", range.min));
        } else {
            terms.extend((range.min > i64::MIN).then(|| format!("{key} >= {}", range.min)));
            terms.extend((range.max < i64::MAX).then(|| format!("{key} <= {}", range.max)));
        }
        for term in terms {
            let and = if text.is_empty() { "" } else { " AND " };
            if text.len() + and.len() + term.len() <= MOST_CHARACTERS {
                text.push_str(and);
                text.push_str(&term);
            }
        }
    }
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Column> {
        let column = |name: &str, data_type: &str| Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            comment: None,
        };
        vec![column("year", "int"), column("month", "int"), column("region", "string")]
    }

    fn everything() -> PartitionFilter {
        PartitionFilter::default()
    }

    #[test]
    fn ranges_become_comparisons() {
        let filter = everything().and("year", 2023, 2023).and("month", 1, 6);
        assert_eq!(expression(&keys(), &filter).as_deref(), Some("year = 2023 AND month >= 1 AND month <= 6"));
        let filter = everything().and("year", 2023, i64::MAX).and("month", i64::MIN, 6);
        assert_eq!(expression(&keys(), &filter).as_deref(), Some("year >= 2023 AND month <= 6"));
    }

    #[test]
    fn what_glue_cannot_compare_is_left_out() {
        assert_eq!(expression(&keys(), &everything()), None);
        assert_eq!(expression(&keys(), &everything().and("region", 1, 2)), None);
        assert_eq!(expression(&keys(), &everything().and("year", i64::MIN, i64::MAX)), None);
    }

    #[test]
    fn an_expression_is_never_longer_than_glue_takes() {
        let filter = (0..1000).fold(everything(), |filter, n| filter.and("month", n, n + 1_000_000));
        let text = expression(&keys(), &filter).unwrap();
        assert!((2_000..=2_048).contains(&text.len()), "{}", text.len());
        assert!(text.starts_with("month >= 0 AND month <= 1000000 AND ") && !text.ends_with("AND "), "{text}");
    }
}
