//! What becomes of a query when nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::timeout;

use super::api::Api;

/// How long the end of a program waits for Athena to take note.
const PATIENCE: Duration = Duration::from_secs(2);

/// A query that somebody waits for. When that ends early, by Ctrl-C or a deadline, the query runs on, to be joined by
/// its token; or it is stopped, where the settings say so. What is stopped is billed for what it scanned.
pub(super) struct Watched {
    api: Arc<dyn Api>,
    id: String,
    stops: bool,
}

impl Watched {
    pub(super) fn new(api: &Arc<dyn Api>, id: &str, stop_on_exit: bool) -> Self {
        Self { api: Arc::clone(api), id: id.to_owned(), stops: stop_on_exit }
    }

    /// The query is over.
    pub(super) fn ended(mut self) {
        self.stops = false;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.stops {
            return;
        }
        let (api, id) = (Arc::clone(&self.api), std::mem::take(&mut self.id));
        let stop = async move {
            match timeout(PATIENCE, api.stop(&id)).await {
                Ok(Ok(())) => tracing::info!(execution_id = id, "stopped the query on Athena"),
                Ok(Err(error)) => tracing::warn!(execution_id = id, "cannot stop the query on Athena: {error}"),
                Err(_) => tracing::warn!(execution_id = id, "Athena did not answer to the stop of the query"),
            }
        };
        match Handle::try_current() {
            // The program is likely to end next: a task in the background would end with it, unheard.
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                tokio::task::block_in_place(|| handle.block_on(stop));
            }
            Ok(handle) => drop(handle.spawn(stop)),
            Err(_) => {
                tracing::warn!(execution_id = self.id, "the query on Athena runs on: there is nothing to stop it with")
            }
        }
    }
}
