//! Where a life of a lake is played, and what is asked of the place.

use std::collections::BTreeMap;
use std::sync::Arc;

use meterlake_core::clock::Clock;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::Hour;
use meterlake_core::publications::Head;
use rand::rngs::StdRng;
use serde_json::Value;

use super::{Fate, Memory, Process, World};

/// Where a life is played.
pub trait Home {
    /// The lake as a new process sees it, and the process, if it can die.
    fn lake(&self, clock: &Clock, seed: u64, fate: Fate) -> (Lake, Option<Arc<Process>>);
    /// Lets updates of the catalog arrive that were under way, and what is to expire go.
    fn deliver(&self, chance: &mut StdRng);
    /// Deletes an object, now or soon, as an expiry rule of the store does.
    fn expire(&self, object: &Location);
    /// Moves the lake into another folder, while no process works on it.
    fn move_away(&mut self) -> impl Future<Output = ()>;
    /// The calls of published hours, by their ids.
    fn calls(&self, lake: &Lake, heads: &[(Hour, Head<Hour>)]) -> impl Future<Output = BTreeMap<Hour, Vec<String>>>;
}

/// A world in memory.
pub struct InMemory<'a>(pub &'a Memory, pub Arc<World>);

impl Home for InMemory<'_> {
    fn lake(&self, clock: &Clock, seed: u64, fate: Fate) -> (Lake, Option<Arc<Process>>) {
        let (lake, process) = self.0.lake(&self.1, clock, seed, fate);
        (lake, Some(process))
    }

    fn deliver(&self, chance: &mut StdRng) {
        self.1.deliver(chance);
    }

    fn expire(&self, object: &Location) {
        self.1.expire(object);
    }

    async fn move_away(&mut self) {
        self.1.move_away();
    }

    async fn calls(&self, lake: &Lake, heads: &[(Hour, Head<Hour>)]) -> BTreeMap<Hour, Vec<String>> {
        let mut calls = BTreeMap::new();
        for (hour, head) in heads {
            let Some(partition) = &head.partition else { continue };
            let part = lake.store.read(&partition.location.join("part.txt")).await.expect("a store");
            let text = String::from_utf8(part.unwrap_or_default()).expect("a text");
            let id = |row: &str| -> String {
                let (_, line) = row.split_once('\t').expect("an object and a line");
                let call: Value = serde_json::from_str(line).expect("a call");
                call["extendedRequestId"].as_str().expect("an id").to_owned()
            };
            let mut ids: Vec<String> = text.lines().map(id).collect();
            ids.sort();
            calls.insert(*hour, ids);
        }
        calls
    }
}
