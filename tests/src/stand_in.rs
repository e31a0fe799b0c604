//! The stand-in for Athena, with a bucket and a database of its own.

use std::sync::Arc;

use athena_local::{AthenaLocal, Trino, WorkGroup};
use meterlake_core::config::Config;
use meterlake_core::location::Location;
use tokio::net::TcpListener;

use crate::ministack::{bucket, sdk_config};

/// A stand-in that answers, over the emulator's S3 and Glue.
pub struct StandIn {
    /// The stand-in itself.
    pub athena: Arc<AthenaLocal>,
    /// Its URL.
    pub endpoint: String,
    /// A bucket of its own, which its results lie in too.
    pub root: Location,
}

impl StandIn {
    /// Starts one, which hands queries to a Trino or runs them itself.
    pub async fn start(trino: Option<&Trino>, change: impl FnOnce(&mut WorkGroup)) -> Self {
        let root = bucket().await;
        let sdk = sdk_config();
        let mut workgroup = WorkGroup { output: Some(root.join("results")), ..WorkGroup::default() };
        change(&mut workgroup);
        let mut athena = AthenaLocal::new(&sdk, &sdk, workgroup).expect("an engine that starts");
        if let Some(trino) = trino {
            athena = athena.with_trino(trino.clone());
        }
        let athena = Arc::new(athena);
        Self { endpoint: serve(Arc::clone(&athena)).await, athena, root }
    }

    /// Settings of a lake in its bucket.
    #[must_use]
    pub fn config(&self) -> Config {
        config_in(self.root.clone())
    }
}

/// Settings of a lake in a bucket: its database is named after it, because the emulator has one catalog for all.
#[must_use]
pub fn config_in(bucket: Location) -> Config {
    let (name, _) = bucket.bucket_and_key().expect("a bucket");
    Config { database: name.replace('-', "_").parse().expect("a name"), lake: bucket, ..Config::default() }
}

/// Lets a stand-in answer at a port of its own; its URL.
pub async fn serve(athena: Arc<AthenaLocal>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("a port"));
    tokio::spawn(athena_local::serve(listener, athena));
    endpoint
}
