//! What a process is sent to do.

use anyhow::Result;
use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::beginning::Beginning;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Month, Period};
use meterlake_core::run::{Context, Job, Output};
use meterlake_invoice::{Args as InvoiceArgs, InvoiceJob};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;

use super::life::HOURS;

/// More than a life has of what is no call.
const ACCEPTED: &str = "malformed=100000,copies=100000,late=100000";

/// One run of a job.
#[derive(Debug)]
pub(super) enum Errand {
    Merge(MergeArgs),
    Aggregate(AggregateArgs),
    Repair(RepairArgs),
    Invoice(InvoiceArgs),
    /// `tables --begins`.
    Begins(Hour),
}

/// What an errand is drawn from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The first hour of the life.
    pub(super) first: Hour,
    /// Whether the lake notes where it begins.
    pub(super) is_begun: bool,
    /// Whether a run may look back over all hours since the first.
    pub(super) is_far: bool,
}

impl Errand {
    pub(super) fn drawn(chance: &mut StdRng, times: Times) -> Self {
        let Times { first, is_begun, .. } = times;
        let month = first.day().month();
        let some_hour = |chance: &mut StdRng| first.offset(chance.random_range(-2..HOURS));
        match chance.random_range(0..24) {
            0..9 => Self::Merge(MergeArgs { lookback: lookback(chance, times), ..MergeArgs::default() }),
            9..12 => Self::Merge(merge_one(some_hour(chance))),
            12 => {
                let (from, hours) = (some_hour(chance), chance.random_range(0..5));
                let to = Some(from.offset(hours));
                Self::Merge(MergeArgs { from: Some(from), to, lookback: Some(1), ..MergeArgs::default() })
            }
            13..16 => {
                let lookback = [None, Some(0), Some(1), Some(3)][chance.random_range(0..4)];
                Self::Aggregate(AggregateArgs { lookback, ..AggregateArgs::default() })
            }
            16 => {
                let day = Some(Some(first.day()));
                Self::Aggregate(AggregateArgs { day, allow_missing: true, ..AggregateArgs::default() })
            }
            17 => Self::Repair(RepairArgs { full: true, ..RepairArgs::default() }),
            18 => Self::Repair(RepairArgs::default()),
            19 | 20 => Self::Repair(RepairArgs { vacuum: true, ..RepairArgs::default() }),
            21 if is_begun && chance.random_range(0..4) == 0 => Self::Begins(first.offset(-chance.random_range(1..3))),
            21 => Self::Invoice(draft([month, month.next()][chance.random_range(0..2)])),
            _ if is_begun => Self::Invoice(finalize(month, chance.random())),
            _ => Self::Invoice(draft(month)),
        }
    }

    pub(super) async fn run(&self, lake: &Lake) -> Result<()> {
        match self {
            Self::Merge(args) => run::<MergeJob>(lake, args).await.1,
            Self::Aggregate(args) => run::<AggregateJob>(lake, args).await.1,
            Self::Repair(args) => run::<RepairJob>(lake, args).await.1,
            Self::Invoice(args) => run::<InvoiceJob>(lake, args).await.1,
            Self::Begins(first) => Beginning::look(lake).await?.move_to(lake, *first).await.map(drop),
        }
    }
}

/// How far an ordinary run looks back: as the settings say, or as it is told to.
fn lookback(chance: &mut StdRng, times: Times) -> Option<u32> {
    match chance.random_range(0..6) {
        0 => Some(0),
        1 => Some(chance.random_range(1..6)),
        2 if times.is_far => Some(26),
        3 if times.is_far => Some(960),
        // After an outage, such a run goes back as far as 40 days.
        _ if times.is_far => None,
        _ => Some(chance.random_range(1..9)),
    }
}

/// `merge` for one hour alone.
pub(super) fn merge_one(hour: Hour) -> MergeArgs {
    MergeArgs { hour: Some(Some(hour)), lookback: Some(0), ..MergeArgs::default() }
}

/// A draft of a month.
pub(super) fn draft(month: Month) -> InvoiceArgs {
    InvoiceArgs { month: Some(Some(month)), no_html: true, ..InvoiceArgs::default() }
}

/// A month is made final, with or without what was not read.
pub(super) fn finalize(month: Month, accepts: bool) -> InvoiceArgs {
    let accept = accepts.then(|| ACCEPTED.parse().expect("numbers"));
    InvoiceArgs { finalize: true, accept, ..draft(month) }
}

/// Runs a job: its reports, and whether it failed.
pub(super) async fn run<J: Job>(lake: &Lake, args: &J::Args) -> (Vec<Value>, Result<()>) {
    let mut output = Output::keep();
    let context = Context { now: lake.clock.now(), dry_run: false, deadline: None };
    let done = J::run(lake, args, &context, &mut output).await;
    (output.into_kept(), done)
}
