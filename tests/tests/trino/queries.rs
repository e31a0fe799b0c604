//! Each file of `sql/queries` gives the same rows on Trino and on the embedded engine.

use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::names::UNATTRIBUTED;
use meterlake_core::period::{Day, Hour};
use meterlake_core::sql::{SqlValue, SqlValues};
use meterlake_loadgen::{Options, write_files};
use meterlake_merge::Args as MergeArgs;
use meterlake_tests::both::{Both, rendered};
use meterlake_tests::hostile;
use meterlake_tests::lake::{TestLake, hour, range, run};
use meterlake_tests::trino::trino;

/// Days of traffic with copies, late and malformed lines, merged and aggregated on the embedded engine.
async fn lake_with_usage() -> TestLake {
    let lake = TestLake::new().await;
    let traffic = Options {
        from: hour("2023-01-30T12"),
        to: hour("2023-02-01T11"),
        calls_per_hour: 60,
        objects_per_hour: 2,
        copies: 0.1,
        malformed: 0.02,
        unauthenticated: 0.1,
        legacy: 0.1,
        late_share: 0.1,
        ..Options::default()
    };
    write_files(&*lake.lake.store, &lake.lake.layout, &traffic).await.unwrap();
    for (name, content) in hostile::lines() {
        lake.put(hour("2023-01-31T06"), name, content);
    }
    lake.merge(&MergeArgs { lookback: Some(0), ..range(traffic.from, traffic.to) }).await;
    for day in DAYS {
        let args =
            AggregateArgs { day: Some(Some(day.parse().unwrap())), allow_missing: true, ..AggregateArgs::default() };
        run::<AggregateJob>(&lake.lake, &args).await.unwrap();
    }
    lake
}

const DAYS: [&str; 3] = ["2023-01-30", "2023-01-31", "2023-02-01"];

/// A table for what a statement gives, in the lake's database.
fn staging(lake: &Lake, name: &str) -> SqlValue {
    SqlValue::Name(vec![lake.config.database.to_string(), name.to_owned()])
}

fn folder(lake: &Lake, name: &str) -> Location {
    lake.config.lake.join("compared").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_the_same() {
    let Some(trino) = trino() else { return };
    let both = Both::of(lake_with_usage().await, &trino).await;
    let generations = both.generations::<Hour>(&both.local.lake.layout.merged).await;
    for (number, (day, zone)) in
        DAYS.iter().flat_map(|day| ["UTC", "Asia/Seoul", "America/St_Johns"].map(|zone| (*day, zone))).enumerate()
    {
        let name = format!("usage_{number}");
        let date: chrono::NaiveDate = day.parse().unwrap();
        let number_of = |format: &str| SqlValue::Integer(date.format(format).to_string().parse().unwrap());
        both.execute(|lake| {
            let values = SqlValues::from([
                ("staging_table", staging(lake, &name)),
                ("location", (&folder(lake, &name)).into()),
                ("merged_table", (&lake.layout.merged.name).into()),
                ("generations", generations.clone()),
                ("time_zone", zone.into()),
                ("day_start", format!("{day} 00:00:00.000").as_str().into()),
                ("year", number_of("%Y")),
                ("month", number_of("%m")),
                ("day", number_of("%d")),
            ]);
            rendered(lake, "usage_daily", &values)
        })
        .await;
        let rows = both.same_rows(|_| format!("SELECT * FROM {name}")).await;
        assert!(rows.len() > 100, "{day} {zone}: {}", rows.len());
        let totals = |lake: &Lake| {
            let values = [("staging_table", staging(lake, &name)), ("unattributed", UNATTRIBUTED.into())];
            rendered(lake, "usage_daily_totals", &SqlValues::from(values))
        };
        assert_eq!(both.same_rows(totals).await[0][0], Some(rows.len().to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_of_a_month_is_the_same() {
    let Some(trino) = trino() else { return };
    let both = Both::of(lake_with_usage().await, &trino).await;
    let generations = both.generations::<Day>(&both.local.lake.layout.usage_daily).await;
    let meters = ["billable_requests", "requests", "response_bytes"];
    let columns = [["usage_date", "httpmethod", "resourcepath"].as_slice(), &meters].concat();
    for digits in [0, 1] {
        let name = format!("month_{digits}");
        both.execute(|lake| {
            let values = SqlValues::from([
                ("location", (&folder(lake, &name)).into()),
                ("usage_daily_table", (&lake.layout.usage_daily.name).into()),
                ("generations", generations.clone()),
                ("columns", SqlValue::Names(columns.iter().map(|&column| column.to_owned()).collect())),
                ("unattributed", UNATTRIBUTED.into()),
                ("first_date", "2023-01-01".into()),
                ("last_date", "2023-01-31".into()),
                ("first_arrival", SqlValue::Integer(20_230_101)),
                ("first_year", SqlValue::Integer(2023)),
                ("bucket_digits", SqlValue::Integer(digits)),
            ]);
            rendered(lake, "usage_month", &values)
        })
        .await;
        both.execute(|lake| {
            let data_type = |meter| if meter == "response_bytes" { "decimal(38,0)" } else { "bigint" };
            let meters = meters.map(|meter| format!("{meter} {}", data_type(meter))).join(", ");
            format!(
                "CREATE EXTERNAL TABLE {name} (`user` string, usage_date date, httpmethod string, resourcepath string, \
                 {meters}) PARTITIONED BY (bucket string) STORED AS PARQUET LOCATION '{}'",
                folder(lake, &name)
            )
        })
        .await;
        both.execute(|_| format!("MSCK REPAIR TABLE {name}")).await;
        let rows = both.same_rows(|_| format!("SELECT * FROM {name}")).await;
        assert!(rows.len() > 100, "{}", rows.len());
        let buckets = both.same_rows(|_| format!("SELECT DISTINCT bucket FROM {name}")).await;
        assert_eq!(buckets.len() > 1, digits > 0, "{buckets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_late_is_the_same() {
    let Some(trino) = trino() else { return };
    let both = Both::of(lake_with_usage().await, &trino).await;
    let generations = both.generations::<Day>(&both.local.lake.layout.usage_daily).await;
    let too_late = |lake: &Lake| {
        let values = SqlValues::from([
            ("usage_daily_table", (&lake.layout.usage_daily.name).into()),
            ("generations", generations.clone()),
            ("unattributed", UNATTRIBUTED.into()),
            ("first_date", "2023-01-31".into()),
            ("next_date", "2023-02-01".into()),
            ("after_next_date", "2023-03-01".into()),
            ("first_arrival", SqlValue::Integer(20_230_101)),
            ("first_year", SqlValue::Integer(2023)),
            ("last_arrival", SqlValue::Integer(20_230_228)),
        ]);
        rendered(lake, "usage_too_late", &values)
    };
    let rows = both.same_rows(too_late).await;
    assert_ne!(rows[0][0].as_deref(), Some("0"));
}
