//! The time that a lake goes by.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// Tells the time: the machine's, or what a test set.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Milliseconds since 1970; `None`: the machine's time.
    set: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's.
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// One that stands still until it is moved. Clones show the same time.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self { set: Some(Arc::new(AtomicI64::new(time.timestamp_millis()))) }
    }

    /// Moves a clock that stands still. The machine's stays as it is.
    pub fn move_to(&self, time: DateTime<Utc>) {
        if let Some(set) = &self.set {
            set.store(time.timestamp_millis(), Ordering::Relaxed);
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let set = self.set.as_ref().and_then(|set| DateTime::from_timestamp_millis(set.load(Ordering::Relaxed)));
        set.unwrap_or_else(Utc::now)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_clock_that_was_set_stands_still_until_it_is_moved() {
        let time: DateTime<Utc> = "2023-01-31T07:10:00Z".parse().unwrap();
        let clock = Clock::at(time);
        let other = clock.clone();
        assert_eq!([clock.now(), other.now()], [time; 2]);
        other.move_to(time + TimeDelta::hours(3));
        assert_eq!(clock.now(), time + TimeDelta::hours(3));
        assert!(Clock::real().now() > time);
    }
}
