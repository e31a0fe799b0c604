//! What is to be done with each entry at a time, by what is noted.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::book::{Book, Notes, Progress};
use crate::list::{Firing, Schedules};

/// How an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is due before then; `None`: nothing ever.
    Until(Option<DateTime<Utc>>),
    /// The firing of a time may run.
    Due(Due),
    /// The firing failed and is tried again later.
    Failed(Due, DateTime<Utc>),
    /// Another entry has to be done first: its place.
    Needs(Due, usize),
    /// Another scheduler runs the job until then, or longer.
    Held(Due, DateTime<Utc>),
}

/// A firing that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Its time.
    pub at: DateTime<Utc>,
    /// How far the entry is.
    pub progress: Progress,
}

impl Standing {
    /// When it may change by itself.
    #[must_use]
    pub fn changes_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Until(next) => *next,
            Self::Failed(_, until) | Self::Held(_, until) => Some(*until),
            Self::Due(_) | Self::Needs(..) => None,
        }
    }
}

/// How each entry of a list stands. Without patience a firing that failed is due at once.
#[must_use]
pub fn standings(
    schedules: &Schedules,
    book: &Book,
    notes: &Notes,
    now: DateTime<Utc>,
    patience: bool,
) -> Vec<Standing> {
    let progress_of = |place: usize| {
        let entry = &schedules.entries[place];
        notes.get(entry.job.name).and_then(|notes| notes.entries.get(&entry.name).copied())
    };
    let standing = |place: usize| {
        let entry = &schedules.entries[place];
        let Some(progress) = progress_of(place) else { return Standing::Until(None) };
        let next = entry.due_after(progress.done).next();
        let Some(at) = next.filter(|at| *at <= now) else { return Standing::Until(next) };
        let due = Due { at, progress };
        // What is due at the same time counts as well: at 01:10 merge comes before aggregate, if that needs it.
        let is_behind = |needed: &usize| {
            let next = progress_of(*needed).and_then(|it| schedules.entries[*needed].due_after(it.done).next());
            next.is_some_and(|next| next <= at)
        };
        if let Some(retry_at) = progress.retry_at.filter(|retry_at| patience && *retry_at > now) {
            return Standing::Failed(due, retry_at);
        }
        if let Some(needed) = entry.after.iter().copied().find(is_behind) {
            return Standing::Needs(due, needed);
        }
        match notes.get(entry.job.name).and_then(|notes| book.holder(notes, now)) {
            Some(lease) => Standing::Held(due, lease.until),
            None => Standing::Due(due),
        }
    };
    (0..schedules.entries.len()).map(standing).collect()
}

/// What may run now, one firing per job: of several the earliest. The entries at the places `but` are left out.
#[must_use]
pub fn to_run<'a>(
    schedules: &'a Schedules,
    standings: &[Standing],
    but: &BTreeSet<usize>,
) -> Vec<(Firing<'a>, Progress)> {
    let mut due: Vec<(Firing<'a>, Progress)> = Vec::new();
    for (place, standing) in standings.iter().enumerate() {
        if let Standing::Due(Due { at, progress }) = standing
            && !but.contains(&place)
        {
            due.push((Firing { at: *at, place, entry: &schedules.entries[place] }, *progress));
        }
    }
    due.sort_by_key(|(firing, _)| (firing.at, schedules.rank(firing.place)));
    let mut jobs = Vec::new();
    due.retain(|(firing, _)| {
        let is_first = !jobs.contains(&firing.entry.job.name);
        jobs.push(firing.entry.job.name);
        is_first
    });
    due
}
