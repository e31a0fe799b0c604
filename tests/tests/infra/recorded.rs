//! The calls that each job makes: all jobs run over a lake with the settings of the stack, through a proxy that notes what
//! they ask of S3, Glue and Athena.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use athena_local::{AthenaLocal, WorkGroup, serve};
use meterlake_aggregate::AggregateJob;
use meterlake_core::catalog::Partition;
use meterlake_core::clock::Clock;
use meterlake_core::config::Config;
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::layout::{TableLayout, period_values};
use meterlake_core::names::TableName;
use meterlake_core::period::{Hour, Period};
use meterlake_core::run::Job;
use meterlake_invoice::InvoiceJob;
use meterlake_merge::MergeJob;
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tables::TablesJob;
use meterlake_tests::billing::{accept, day, draft, finalize, month};
use meterlake_tests::calls::{calls, many_calls};
use meterlake_tests::cut::CallNames;
use meterlake_tests::lake::{hour, one, range, run};
use meterlake_tests::ministack;
use meterlake_tests::proxy::{Call, Proxy, Services};
use tokio::net::TcpListener;

const PLANS: &str = include_str!("../../../jobs/invoice/plans.example.toml");
const NO_RECORD: &str = "no record\n";

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
        let (raw, lines) = (&lake.layout.raw, &lake.layout.lines);
        let [first, second] = [hour("2023-01-31T06"), hour("2023-01-31T07")];
        for (hour, name) in [(first, "a"), (second, "b")] {
            let object = raw.folder_of(hour).join(name);
            lake.store.write(&object, (many_calls(5) + NO_RECORD).as_bytes()).await.unwrap();
        }

        self.run::<TablesJob>("Tables", &Default::default()).await;
        self.run::<TablesJob>("Tables", &Default::default()).await;
        let earlier = meterlake_tables::Args { begins: Some(hour("2023-01-31T00")) };
        self.run::<TablesJob>("Tables", &earlier).await;
        // Jobs look back at more than the few hours of this lake where nobody noted when it begins.
        lake.store.delete_folder(&lake.config.lake.join(meterlake_core::log::FOLDER).join("lake")).await.unwrap();

        // A partition that lies elsewhere, and one that has no folder.
        for table in [raw, lines] {
            let mut elsewhere = table.partition(first);
            elsewhere.location = lake.layout.root.join("elsewhere");
            let partitions = [elsewhere, table.partition(hour("2023-01-31T09"))];
            lake.catalog.add_partitions(&table.name, &partitions).await.unwrap();
        }
        let whole = RepairArgs { from: Some(first), to: Some(hour("2023-01-31T23")), ..RepairArgs::default() };
        self.run::<RepairJob>("Repair", &whole).await;
        self.run::<RepairJob>("Repair", &RepairArgs { msck: true, ..whole }).await;

        // Merge mends its own hours: again one lies elsewhere, one has no folder, and a third is new.
        let third = hour("2023-01-31T08");
        lake.store.write(&raw.folder_of(third).join("c"), many_calls(3).as_bytes()).await.unwrap();
        move_partition(&lake, lines, first).await;
        let fourth = third.next();
        lake.catalog.add_partitions(&lines.name, &[lines.partition(fourth)]).await.unwrap();
        // Nothing is kept, so that each run finds the leftovers of the one before.
        self.config.vacuum_after = Duration::ZERO;
        let hours = range(first, fourth);
        self.run::<MergeJob>("Merge", &hours).await;
        let late = raw.folder_of(first).join("late");
        lake.store.write(&late, many_calls(7).as_bytes()).await.unwrap();
        leave_staging_table(&lake, "merge").await;
        self.run::<MergeJob>("Merge", &hours).await;
        self.run::<MergeJob>("Merge", &hours).await;
        // One hour loses its malformed line, and one its copies.
        lake.store.write(&raw.folder_of(first).join("a"), many_calls(5).as_bytes()).await.unwrap();
        lake.store.write(&raw.folder_of(third).join("c"), (calls(&["c"]) + NO_RECORD).as_bytes()).await.unwrap();
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
        let again = meterlake_invoice::Args { no_html: false, ..draft("2023-01") };
        self.run::<InvoiceJob>("Invoice", &again).await;
        let last = accept("days=40", finalize("2023-01"));
        self.run::<InvoiceJob>("Invoice", &last).await;
        self.run::<InvoiceJob>("Invoice", &draft("2023-02")).await;

        leave_staging_table(&lake, "invoice").await;
        let month = lake.layout.invoices.folder_of(month("2023-01"));
        let day = lake.layout.usage_daily.folder_of(day("2023-01-31"));
        for folder in [lake.layout.merged.folder_of(first), day, month] {
            let object = Generation::begin(&Clock::real()).folder(&folder).join("x");
            lake.store.write(&object, b"what a killed run left").await.unwrap();
        }
        put_wrong(&lake, &lake.layout.copies, [first, second, third]).await;
        put_wrong(&lake, &lake.layout.malformed, [second, third, first]).await;
        // What no job published.
        let layout = &lake.layout;
        let tables = [&layout.merged, &layout.copies, &layout.malformed, &layout.usage_daily, &layout.invoices];
        for table in tables.into_iter().chain([&layout.line_items]) {
            let keys = lake.catalog.table(&table.name).await.unwrap().unwrap().partition_keys.len();
            let values = ["2023", "1", "9", "9"][..keys].iter().map(|value| (*value).to_owned()).collect();
            let stranger = Partition { values, location: layout.root.join("x"), parameters: Default::default() };
            lake.catalog.add_partitions(&table.name, &[stranger]).await.unwrap();
        }
        self.run::<RepairJob>("Repair", &RepairArgs { full: true, vacuum: true, ..RepairArgs::default() }).await;
        self.calls
    }
}

/// Lets an hour's partition lie elsewhere.
async fn move_partition(lake: &Lake, table: &TableLayout, hour: Hour) {
    let there = lake.catalog.get_partitions(&table.name, &[period_values(hour)]).await.unwrap().remove(0).unwrap();
    let elsewhere = Partition { location: lake.layout.root.join("elsewhere"), ..there };
    lake.catalog.put_partitions(&table.name, &[elsewhere]).await.unwrap();
}

/// Makes a table's partitions disagree with the published hours, in each way that there is: one lies elsewhere, one is
/// missing, and one belongs to an hour that has no such rows.
async fn put_wrong(lake: &Lake, table: &TableLayout, [moved, missing, needless]: [Hour; 3]) {
    move_partition(lake, table, moved).await;
    assert_eq!(lake.catalog.drop_partitions(&table.name, &[period_values(missing)]).await.unwrap(), 1);
    assert_eq!(lake.catalog.add_partitions(&table.name, &[table.partition(needless)]).await.unwrap(), 1);
}

/// A table of a CTAS whose run was killed.
async fn leave_staging_table(lake: &Lake, job: &str) {
    let mut table = lake.catalog.table(&lake.layout.raw.name).await.unwrap().unwrap();
    table.name =
        TableName::new(lake.config.database.clone(), Generation::begin(&Clock::real()).staging_table(job).unwrap());
    lake.catalog.create_table(&table).await.unwrap();
}
