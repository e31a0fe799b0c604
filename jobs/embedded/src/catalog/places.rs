//! Locations as the catalog stores them: relative to the lake where they lie in it, so that a lake can be moved.

use std::ops::Deref;

use anyhow::Result;
use meterlake_core::location::Location;
use rusqlite::Connection;

/// How a stored location begins that lies in the lake. No URI does.
const HERE: &str = ".";

/// A transaction, and the lake that its locations are relative to.
pub(super) struct Db<'a> {
    pub(super) connection: &'a Connection,
    pub(super) lake: &'a Location,
}

impl Deref for Db<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Db<'_> {
    /// A location as it is stored.
    pub(super) fn stored(&self, location: &Location) -> String {
        match location.relative_to(self.lake) {
            Some(path) => format!("{HERE}/{path}"),
            None if location == self.lake => HERE.to_owned(),
            None => location.to_string(),
        }
    }

    /// A stored location, where the lake is now.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn found(&self, stored: &str) -> Result<Location> {
        match stored.strip_prefix(HERE) {
            Some(path) => Ok(self.lake.join(path)),
            None => stored.parse(),
        }
    }
}
