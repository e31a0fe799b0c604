//! The calls that each job makes: all jobs run over a lake with the settings of the stack, through a proxy that notes what
//! they ask of S3, Glue and Athena.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use athena_local::{AthenaLocal, WorkGroup, serve};
use meterlake_aggregate::AggregateJob;
use meterlake_core::config::Config;
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::names::TableName;
use meterlake_core::period::Period;
use meterlake_core::run::Job;
use meterlake_invoice::InvoiceJob;
use meterlake_merge::MergeJob;
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tables::TablesJob;
use meterlake_tests::billing::{day, draft, finalize, month};
use meterlake_tests::calls::many_calls;
use meterlake_tests::cut::CallNames;
use meterlake_tests::lake::{hour, one, range, run};
use meterlake_tests::ministack;
use meterlake_tests::proxy::{Call, Proxy, Services};
use tokio::net::TcpListener;

const PLANS: &str = include_str!("../../../jobs/invoice/plans.example.toml");

/// The services, and what was asked of them by whom.
pub(crate) struct Recorder {
    config: Config,
    services: Services,
    calls: BTreeMap<&'static str, Vec<Call>>,
}

impl Recorder {
    /// With the settings of a function, whose bucket and workgroup it makes.
    pub(crate) async fn new(config: Config) -> Self {
        let (bucket, _) = config.lake.bucket_and_key().unwrap();
        ministack::s3().create_bucket().bucket(bucket).send().await.unwrap();
        let workgroup = WorkGroup {
            name: config.athena.workgroup.clone(),
            output: Some(config.lake.join("athena-results")),
            ..WorkGroup::default()
        };
        let sdk = ministack::sdk_config();
        let athena = Arc::new(AthenaLocal::new(&sdk, &sdk, workgroup).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, athena));
        let services = Services { aws: ministack::endpoint().to_owned(), athena: Some(endpoint) };
        Self { config, services, calls: BTreeMap::new() }
    }

    /// Runs a job as its function does: the lake is opened, then it works.
    async fn run<J: Job>(&mut self, name: &'static str, args: &J::Args) {
        let proxy = Proxy::start(self.services.clone(), CallNames::default(), None).await;
        let sdk = ministack::sdk_config_for(proxy.endpoint());
        let lake = meterlake_aws::open(self.config.clone(), &sdk, &sdk).await.unwrap();
        run::<J>(&lake, args).await.unwrap();
        self.calls.entry(name).or_default().extend(proxy.calls());
    }

    /// The lake, for what the test does to it: that is not noted.
    async fn lake(&self) -> Lake {
        let sdk = ministack::sdk_config();
        let athena = ministack::sdk_config_for(self.services.athena.as_ref().unwrap());
        meterlake_aws::open(self.config.clone(), &sdk, &athena).await.unwrap()
    }

    /// From empty to final invoices, with all that can come between: late files, wrong partitions, leftovers.
    pub(crate) async fn record(mut self) -> BTreeMap<&'static str, Vec<Call>> {
        let lake = self.lake().await;
        let raw = &lake.layout.raw;
        let [first, second] = [hour("2023-01-31T06"), hour("2023-01-31T07")];
        for (hour, name) in [(first, "a"), (second, "b")] {
            let object = raw.folder_of(hour).join(name);
            lake.store.write(&object, many_calls(5).as_bytes()).await.unwrap();
        }

        self.run::<TablesJob>("Tables", &Default::default()).await;
        self.run::<TablesJob>("Tables", &Default::default()).await;

        // A partition that lies elsewhere, and one that has no folder.
        let mut elsewhere = raw.partition(first);
        elsewhere.location = lake.layout.root.join("elsewhere");
        lake.catalog.add_partitions(&raw.name, &[elsewhere, raw.partition(hour("2023-01-31T09"))]).await.unwrap();
        self.run::<RepairJob>("Repair", &RepairArgs { full: true, ..RepairArgs::default() }).await;
        self.run::<RepairJob>("Repair", &RepairArgs { full: true, msck: true, ..RepairArgs::default() }).await;

        // Merge mends its own hours and the one before: again one lies elsewhere, one has no folder, and a third is new.
        let third = hour("2023-01-31T08");
        lake.store.write(&raw.folder_of(third).join("c"), many_calls(3).as_bytes()).await.unwrap();
        let mut elsewhere = raw.partition(first);
        elsewhere.location = lake.layout.root.join("elsewhere");
        lake.catalog.swap_partition(&raw.name, &elsewhere, Some(&raw.partition(first))).await.unwrap();
        lake.catalog.add_partitions(&raw.name, &[raw.partition(first.previous())]).await.unwrap();
        // Nothing is kept, so that each run finds the leftovers of the one before.
        self.config.vacuum_after = Duration::ZERO;
        let hours = range(first, third);
        self.run::<MergeJob>("Merge", &hours).await;
        let late = raw.folder_of(first).join("late");
        lake.store.write(&late, many_calls(7).as_bytes()).await.unwrap();
        leave_staging_table(&lake, "merge").await;
        self.run::<MergeJob>("Merge", &hours).await;
        self.run::<MergeJob>("Merge", &hours).await;

        let the_day =
            meterlake_aggregate::Args { day: Some(Some(day("2023-01-31"))), allow_missing: true, ..Default::default() };
        self.run::<AggregateJob>("Aggregate", &the_day).await;
        let later = raw.folder_of(second).join("later");
        lake.store.write(&later, many_calls(9).as_bytes()).await.unwrap();
        self.run::<MergeJob>("Merge", &one(second)).await;
        leave_staging_table(&lake, "aggregate").await;
        self.run::<AggregateJob>("Aggregate", &the_day).await;

        let plans = lake.config.billing.plans.clone();
        lake.store.write(&plans, PLANS.as_bytes()).await.unwrap();
        self.run::<InvoiceJob>("Invoice", &draft("2023-01")).await;
        let again = meterlake_invoice::Args { force: true, ..draft("2023-01") };
        self.run::<InvoiceJob>("Invoice", &again).await;
        let last = meterlake_invoice::Args { force: true, ..finalize("2023-01") };
        self.run::<InvoiceJob>("Invoice", &last).await;
        self.run::<InvoiceJob>("Invoice", &meterlake_invoice::Args { force: true, ..draft("2023-02") }).await;

        leave_staging_table(&lake, "invoice").await;
        let month = lake.layout.invoices.folder_of(month("2023-01"));
        let day = lake.layout.usage_daily.folder_of(day("2023-01-31"));
        for folder in [lake.layout.merged.folder_of(first), day, month] {
            let object = Generation::begin().folder(&folder).join("x");
            lake.store.write(&object, b"what a killed run left").await.unwrap();
        }
        self.run::<RepairJob>("Repair", &RepairArgs { full: true, vacuum: true, ..RepairArgs::default() }).await;
        self.calls
    }
}

/// A table of a CTAS whose run was killed.
async fn leave_staging_table(lake: &Lake, job: &str) {
    let mut table = lake.catalog.table(&lake.layout.raw.name).await.unwrap().unwrap();
    table.name = TableName::new(lake.config.database.clone(), Generation::begin().staging_table(job).unwrap());
    lake.catalog.create_table(&table).await.unwrap();
}
