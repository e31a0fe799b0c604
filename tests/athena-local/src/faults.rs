//! Misbehaviour on demand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lock;

/// What the stand-in is told to do wrong. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    throttles: HashMap<String, u32>,
    cuts: HashMap<String, VecDeque<Cut>>,
    unprocessed: usize,
    queue_for: Duration,
    queries: VecDeque<Fault>,
}

/// When the connection breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The call has taken no effect.
    BeforeTheCall,
    /// The call has taken effect, and nobody is told.
    AfterTheCall,
}

/// What goes wrong with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and has done nothing.
    FailsBefore {
        /// Whether Athena says that another try may work.
        retryable: bool,
    },
    /// It fails, and has done all of its work.
    FailsAfter {
        /// Whether Athena says that another try may work.
        retryable: bool,
    },
    /// It is cancelled before it does anything, as if somebody else had stopped it.
    IsCancelled,
}

impl Faults {
    /// Answers the next `calls` calls of an operation, such as `GetQueryExecution`, with a `ThrottlingException`.
    pub fn throttle(&self, operation: &str, calls: u32) {
        lock(&self.0).throttles.insert(operation.to_owned(), calls);
    }

    /// Breaks the connection off at the next calls of an operation, after those that are to break off already.
    pub fn cut(&self, operation: &str, calls: usize, cut: Cut) {
        lock(&self.0).cuts.entry(operation.to_owned()).or_default().extend(std::iter::repeat_n(cut, calls));
    }

    /// Lets the next `executions` that a `BatchGetQueryExecution` asks for come back as unprocessed.
    pub fn leave_unprocessed(&self, executions: usize) {
        lock(&self.0).unprocessed = executions;
    }

    /// Keeps each query that starts from now on in the queue for a time.
    pub fn queue_for(&self, time: Duration) {
        lock(&self.0).queue_for = time;
    }

    /// Lets the next `queries` queries that start go wrong, after those that are to go wrong already.
    pub fn spoil(&self, queries: usize, fault: Fault) {
        lock(&self.0).queries.extend(std::iter::repeat_n(fault, queries));
    }

    /// Whether this call of an operation is to be throttled.
    pub(crate) fn is_throttled(&self, operation: &str) -> bool {
        match lock(&self.0).throttles.get_mut(operation) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// When, if at all, the connection of this call of an operation is to break off.
    pub(crate) fn cut_of(&self, operation: &str) -> Option<Cut> {
        lock(&self.0).cuts.get_mut(operation).and_then(VecDeque::pop_front)
    }

    /// Whether this execution of a batch is to come back as unprocessed.
    pub(crate) fn is_unprocessed(&self) -> bool {
        let mut plan = lock(&self.0);
        let is_unprocessed = plan.unprocessed > 0;
        plan.unprocessed -= usize::from(is_unprocessed);
        is_unprocessed
    }

    /// What is in store for a query that starts: its time in the queue, and what goes wrong.
    pub(crate) fn of_query(&self) -> (Duration, Option<Fault>) {
        let mut plan = lock(&self.0);
        (plan.queue_for, plan.queries.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_calls_are_throttled_as_were_asked_for() {
        let faults = Faults::default();
        faults.throttle("GetQueryExecution", 2);
        let throttled = [(); 3].map(|()| faults.is_throttled("GetQueryExecution"));
        assert_eq!(throttled, [true, true, false]);
        assert!(!faults.is_throttled("StartQueryExecution"));
    }

    #[test]
    fn connections_break_off_in_the_order_that_was_asked_for() {
        let faults = Faults::default();
        faults.cut("StartQueryExecution", 1, Cut::AfterTheCall);
        faults.cut("StartQueryExecution", 1, Cut::BeforeTheCall);
        let cuts = [(); 3].map(|()| faults.cut_of("StartQueryExecution"));
        assert_eq!(cuts, [Some(Cut::AfterTheCall), Some(Cut::BeforeTheCall), None]);
    }

    #[test]
    fn queries_go_wrong_in_the_order_that_was_asked_for() {
        let faults = Faults::default();
        faults.spoil(2, Fault::FailsBefore { retryable: true });
        faults.spoil(1, Fault::IsCancelled);
        let of_queries = [(); 4].map(|()| faults.of_query().1);
        let failed = Some(Fault::FailsBefore { retryable: true });
        assert_eq!(of_queries, [failed, failed, Some(Fault::IsCancelled), None]);
    }
}
