//! What is true of a lake's raw folders, and so what every later table must say.

use std::collections::BTreeMap;

use chrono::DateTime;
use meterlake_core::period::{Day, Hour, Period};
use serde::{Deserialize, Serialize};

use crate::call::Call;

/// What is true of the lake after a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Over all hours.
    pub totals: Totals,
    /// By hour of arrival, every hour of the range.
    pub hours: BTreeMap<Hour, HourTruth>,
    /// By user and by the day the call was made (UTC). Unauthenticated calls are not among them.
    pub users: BTreeMap<String, BTreeMap<Day, Usage>>,
}

/// Over all hours. `lines` = `calls` + `copies` + `malformed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Lines that are not blank.
    pub lines: u64,
    /// Calls, each once.
    pub calls: u64,
    /// Lines that equal the line of a call.
    pub copies: u64,
    /// Lines that are no record.
    pub malformed: u64,
    /// Blank lines: no call and no fault.
    pub blank: u64,
    /// Calls without a user.
    pub unattributed: u64,
    /// Objects.
    pub objects: u64,
    /// Bytes of the objects, as stored.
    pub bytes: u64,
}

/// What the folder of one hour holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourTruth {
    /// Calls that the merged partition must have. A call that lies in two hours' folders counts for the earlier.
    pub calls: u64,
    /// Lines of the folder that the merged partition must not have, being equal to a line in it or in the folder of the
    /// hour before.
    pub duplicates: u64,
    /// Lines that are no record.
    pub malformed: u64,
    /// Objects.
    pub objects: u64,
    /// Bytes of the objects, as stored.
    pub bytes: u64,
}

/// The calls of one user on one day, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All calls.
    pub requests: u64,
    /// Calls with a status 400–499, throttled ones too.
    pub client_errors: u64,
    /// Calls with a status 500–599.
    pub server_errors: u64,
    /// Calls with the status 429.
    pub throttled: u64,
    /// Calls whose status is not known: they are not billed.
    pub unknown_status: u64,
    /// Bytes of the answers whose length is known.
    pub response_bytes: u64,
}

impl Truth {
    /// The truth of empty folders.
    pub(crate) fn of_hours(from: Hour, to: Hour) -> Self {
        Self { hours: Hour::range(from, to).map(|hour| (hour, HourTruth::default())).collect(), ..Self::default() }
    }

    /// Adds a call that was delivered into these hours' folders, earliest first.
    pub(crate) fn add_call(&mut self, call: &Call<'_>, folders: impl IntoIterator<Item = Hour>) {
        let mut folders = folders.into_iter();
        let Some(first) = folders.next() else { return };
        self.hour(first).calls += 1;
        self.totals.calls += 1;
        self.totals.lines += 1;
        for folder in folders {
            self.hour(folder).duplicates += 1;
            self.totals.copies += 1;
            self.totals.lines += 1;
        }
        match call.user {
            Some(user) => self.usage(user, call.request_time).add(call),
            None => self.totals.unattributed += 1,
        }
    }

    /// Adds a line that is no record.
    pub(crate) fn add_malformed(&mut self, folder: Hour) {
        self.hour(folder).malformed += 1;
        self.totals.malformed += 1;
        self.totals.lines += 1;
    }

    /// Adds an object and its blank lines.
    pub(crate) fn add_object(&mut self, folder: Hour, bytes: usize, blank: u64) {
        let bytes = bytes as u64;
        let hour = self.hour(folder);
        hour.objects += 1;
        hour.bytes += bytes;
        self.totals.objects += 1;
        self.totals.bytes += bytes;
        self.totals.blank += blank;
    }

    fn hour(&mut self, hour: Hour) -> &mut HourTruth {
        self.hours.entry(hour).or_default()
    }

    fn usage(&mut self, user: &str, request_time: i64) -> &mut Usage {
        let day = Day::containing(DateTime::from_timestamp_millis(request_time).unwrap_or_default());
        self.users.entry(user.to_owned()).or_default().entry(day).or_default()
    }
}

impl Usage {
    fn add(&mut self, call: &Call<'_>) {
        self.requests += 1;
        let has_status = |is_so: fn(u16) -> bool| u64::from(call.status.is_some_and(is_so));
        self.client_errors += has_status(|status| (400..500).contains(&status));
        self.server_errors += has_status(|status| (500..600).contains(&status));
        self.throttled += has_status(|status| status == 429);
        self.unknown_status += u64::from(call.status.is_none());
        self.response_bytes += call.response_length.unwrap_or_default();
    }
}
