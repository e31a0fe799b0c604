//! A try: a job runs over a lake of its own until it is cut off, and runs again.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use athena_local::{AthenaLocal, State as Progress, WorkGroup, serve};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use futures::StreamExt;
use futures::stream;
use meterlake_aggregate::AggregateJob;
use meterlake_core::config::{Config, EngineKind};
use meterlake_core::lake::Lake;
use meterlake_core::layout::Layout;
use meterlake_core::names::TableName;
use meterlake_embedded::connect_aws;
use meterlake_invoice::InvoiceJob;
use meterlake_merge::MergeJob;
use meterlake_repair::RepairJob;
use meterlake_tables::TablesJob;
use meterlake_tests::cut::{ATTEMPTS, CallName, CallNames, Cut, Moment};
use meterlake_tests::lake::run;
use meterlake_tests::ministack::endpoint;
use meterlake_tests::proxy::{Call, Proxy, Services};
use regex::Regex;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::state::State;
use super::template::Template;

/// How many tries are under way at once: for most of their time they wait for a query.
const TRIES_AT_ONCE: usize = 12;

/// What costs nothing on Athena, and may run again.
const FREE: [&str; 3] = ["CREATE DATABASE", "CREATE EXTERNAL TABLE", "MSCK REPAIR TABLE"];

/// A job and what it is asked to do.
pub(super) enum Asked {
    Tables,
    Repair(meterlake_repair::Args),
    Merge(meterlake_merge::Args),
    Aggregate(meterlake_aggregate::Args),
    Invoice(meterlake_invoice::Args),
}

impl Asked {
    async fn run(&self, lake: &Lake) -> Result<()> {
        match self {
            Self::Tables => run::<TablesJob>(lake, &Default::default()).await,
            Self::Repair(args) => run::<RepairJob>(lake, args).await,
            Self::Merge(args) => run::<MergeJob>(lake, args).await,
            Self::Aggregate(args) => run::<AggregateJob>(lake, args).await,
            Self::Invoice(args) => run::<InvoiceJob>(lake, args).await,
        }
        .map(drop)
    }

    /// The tables that it changes.
    fn tables<'a>(&self, layout: &'a Layout) -> Vec<&'a TableName> {
        let Layout { raw, lines, merged, copies, malformed, usage_daily, invoices, line_items, .. } = layout;
        let tables = match self {
            Self::Tables => vec![raw, lines, merged, copies, malformed, usage_daily, invoices, line_items],
            Self::Repair(_) => vec![raw, lines],
            Self::Merge(_) => vec![merged, copies, malformed],
            Self::Aggregate(_) => vec![usage_daily],
            Self::Invoice(_) => vec![invoices, line_items],
        };
        tables.into_iter().map(|table| &table.name).collect()
    }
}

/// What kills a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// It ends at once, as by SIGKILL.
    Kill,
    /// Nothing answers any more: it meets errors, and tries to tidy up.
    Silence,
}

/// What there is when all is done.
#[derive(Debug, PartialEq, Eq)]
struct End {
    published: State,
    /// The statements that Athena ran and was paid for, each with how often and how it ended; without what differs from try
    /// to try.
    paid: BTreeMap<String, String>,
}

/// What all tries at a job share.
struct Tries {
    template: Template,
    config: Config,
    asked: Asked,
    athena: Arc<AthenaLocal>,
    services: Services,
    /// Settings of clients that call the emulator.
    sdk: SdkConfig,
    s3: aws_sdk_s3::Client,
}

impl Tries {
    async fn new(template: Template, config: Config, asked: Asked) -> Self {
        let sdk = template.sdk.clone();
        let workgroup = WorkGroup { output: Some(template.bucket.join("results")), ..WorkGroup::default() };
        let athena = Arc::new(AthenaLocal::new(&sdk, &sdk, workgroup).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::clone(&athena)));
        let services = Services { aws: endpoint().to_owned(), athena: Some(url) };
        let s3 = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        Self { template, config, asked, athena, services, sdk, s3 }
    }

    async fn lake(&self) -> Config {
        self.template.copy(&self.config).await
    }

    /// A proxy for a job over a lake.
    fn proxy(&self, config: &Config, cut: Option<Cut>) -> impl Future<Output = Proxy> {
        Proxy::start(self.services.clone(), CallNames::of(&config.database), cut)
    }

    /// Opens a lake through a proxy. Calls are tried again as the SDK does, but soon.
    async fn open(&self, config: Config, proxy: &Proxy) -> Result<Lake> {
        let retry = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1));
        let sdk = self.sdk.clone().into_builder().endpoint_url(proxy.endpoint()).retry_config(retry).build();
        connect_aws(config, &sdk).await
    }

    /// Runs the job, from the moment at which it opens its lake.
    async fn run(&self, config: &Config, proxy: &Proxy) -> Result<()> {
        self.asked.run(&self.open(config.clone(), proxy).await?).await
    }

    /// Runs the job, lets it die at a call, and runs it again. The end must be that of a job that nobody disturbed.
    async fn cut(&self, cut: Cut, death: Death, expected: &End) {
        let place = format!("{cut}, by {death:?}");
        let mut attempts = 0;
        let config = loop {
            let config = self.lake().await;
            if self.dies(&config, &cut, death).await {
                break config;
            }
            attempts += 1;
            assert!(attempts < ATTEMPTS, "{place}: {attempts} runs did not make this call");
        };
        let again = self.run(&config, &self.proxy(&config, None).await).await;
        again.unwrap_or_else(|error| panic!("{place}: {error:#}"));
        let end = self.end(&config, &place).await;
        assert!(end == *expected, "{place}:\n{}", difference(expected, &end));
    }

    /// Runs the job until it dies at a call; `false`: it never made this call.
    async fn dies(&self, config: &Config, cut: &Cut, death: Death) -> bool {
        let proxy = self.proxy(config, Some(cut.clone())).await;
        match death {
            Death::Kill => tokio::select! {
                biased;
                () = proxy.cut_off() => {}
                _ = self.run(config, &proxy) => {}
            },
            // It may well succeed, if all that was left to do was to tidy up.
            Death::Silence => drop(self.run(config, &proxy).await),
        }
        proxy.has_cut()
    }

    /// Deletes what can be deleted, and looks at what there is then.
    async fn end(&self, config: &Config, place: &str) -> End {
        let proxy = self.proxy(config, None).await;
        let lake = self.open(Config { vacuum_after: Duration::ZERO, ..config.clone() }, &proxy).await.unwrap();
        let args = meterlake_repair::Args { vacuum: true, ..Default::default() };
        run::<RepairJob>(&lake, &args).await.unwrap();
        let published = State::of(&lake, &self.s3, &self.asked.tables(&lake.layout), place).await;
        End { published, paid: self.paid(config).await }
    }

    /// What Athena ran over a lake and was paid for, when all of it is over.
    async fn paid(&self, config: &Config) -> BTreeMap<String, String> {
        let name = config.database.as_str();
        let paid = loop {
            let mut executions = self.athena.executions();
            executions.retain(|one| one.sql.contains(name) && !FREE.iter().any(|start| one.sql.starts_with(start)));
            if executions.iter().all(|one| !matches!(one.state, Progress::Queued | Progress::Running)) {
                break executions;
            }
            sleep(Duration::from_millis(20)).await;
        };
        let generation = Regex::new("[0-9]{8}t[0-9]{6}_[0-9a-f]{8}").unwrap();
        let plain = |sql: &str| generation.replace_all(&sql.replace(name, "LAKE"), "GENERATION").into_owned();
        let mut ends = BTreeMap::<_, Vec<_>>::new();
        for one in paid {
            ends.entry(plain(&one.sql)).or_default().push(one.state);
        }
        ends.into_iter().map(|(sql, ends)| (sql, format!("{ends:?}"))).collect()
    }

    /// Where and how a job is cut off that makes these calls.
    fn cuts(&self, calls: &[(Call, CallName)]) -> Vec<(Cut, Death)> {
        // Reading through the embedded engine, a job would try for minutes before it gave up.
        let before = if self.config.engine == EngineKind::Embedded { Death::Kill } else { Death::Silence };
        let cuts = Cut::all_of(calls.iter().map(|(call, name)| (name, call.is_a_change())));
        let with_death = cuts.into_iter().map(|cut| {
            let death = if cut.moment == Moment::Before { before } else { Death::Kill };
            (cut, death)
        });
        with_death.collect()
    }
}

/// Cuts a job off at each of its calls in turn, each time over a copy of the same lake, and runs it again. The end is
/// always that of a job that nobody disturbed.
pub(super) async fn cut_everywhere(template: Template, config: Config, asked: Asked) {
    cut_everywhere_from(template, config, asked, |_| true).await;
}

/// The same, from the first call of a kind on.
pub(super) async fn cut_everywhere_from(
    template: Template,
    config: Config,
    asked: Asked,
    mut is_first: impl FnMut(&Call) -> bool,
) {
    let tries = Arc::new(Tries::new(template, config, asked).await);
    let config = tries.lake().await;
    let proxy = tries.proxy(&config, None).await;
    tries.run(&config, &proxy).await.unwrap();
    let calls = proxy.named_calls();
    assert!(calls.len() > 20, "a job makes more calls than {calls:?}");
    let expected = Arc::new(tries.end(&config, "undisturbed").await);
    let is_free = matches!(tries.asked, Asked::Tables | Asked::Repair(_)) || config.engine == EngineKind::Embedded;
    assert_eq!(expected.paid.is_empty(), is_free, "{expected:?}");
    assert!(expected.paid.values().all(|ends| ends == "[Succeeded]"), "{expected:?}");

    let first = calls.iter().position(|(call, _)| is_first(call)).unwrap();
    let cuts = tries.cuts(&calls[first..]).into_iter().map(|(cut, death)| {
        let (tries, expected) = (Arc::clone(&tries), Arc::clone(&expected));
        tokio::spawn(async move { tries.cut(cut, death, &expected).await })
    });
    let mut cuts = stream::iter(cuts).buffer_unordered(TRIES_AT_ONCE);
    while let Some(done) = cuts.next().await {
        done.unwrap_or_else(|error| resume_unwind(error.into_panic()));
    }
}

/// The lines of one end that the other does not have.
fn difference(expected: &End, found: &End) -> String {
    let [expected, found] = [expected, found].map(|end| format!("{end:#?}"));
    let not_in = |text: &str, mark: &'static str, lines: &str| -> String {
        let has = |line: &&str| text.lines().any(|other| other == *line);
        lines.lines().filter(|line| !has(line)).map(|line| format!("{mark} {line}\n")).collect()
    };
    not_in(&found, "-", &expected) + &not_in(&expected, "+", &found)
}
