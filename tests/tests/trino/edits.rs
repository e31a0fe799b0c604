//! Edits that a data engineer makes to `merge_hour.sql` and `usage_daily.sql`, right ones and wrong ones: each gives the same
//! rows on Trino and on the embedded engine, or is refused by both.

use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Hour, Period};
use meterlake_core::sql::{SqlValue, SqlValues};
use meterlake_loadgen::{Options, write_files};
use meterlake_tests::both::{Both, rendered};
use meterlake_tests::lake::{TestLake, hour, range};
use meterlake_tests::trino::trino;

const HOUR: &str = "2023-01-31T06";
const DAY: &str = "2023-01-31";

/// What an edit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Rows,
    Refusal,
}
use Outcome::{Refusal, Rows};

/// What stands in the file, what is put in its place, and what comes of it.
type Edit = (&'static str, &'static str, Outcome);

/// The end of `merge_hour.sql`: one column more goes before it, a condition after it.
const LAST: &str = "  kind\nFROM labelled";

/// What replaces [`LAST`].
const MERGE_EDITS: &[(&str, Outcome)] = &[
    ("kind, upper(httpmethod) || ' ' || lower(resourcepath) AS route FROM labelled", Rows),
    ("kind, split_part(resourcepath, '/', 2) AS resource FROM labelled", Rows),
    ("kind, url_extract_path('https://x' || resourcepath) AS url_path FROM labelled", Rows),
    ("kind, regexp_extract(resourcepath, '^/([a-z]+)', 1) AS first_segment FROM labelled", Rows),
    ("kind, date_format(requesttime, '%Y-%m-%d %H:%i') AS minute FROM labelled", Rows),
    ("kind, date_trunc('hour', requesttime) AS hour_of_use, day_of_week(requesttime) AS weekday FROM labelled", Rows),
    ("kind, format_datetime(requesttime, 'yyyy-MM-dd''T''HH:mm:ss') AS stamp FROM labelled", Rows),
    ("kind, json_extract_scalar(text, '$.requestId') AS id FROM labelled WHERE kind = 'call'", Rows),
    ("kind, responselength / 1024.0 AS kibibytes, responselength / 1000 AS kilobytes FROM labelled", Rows),
    ("kind, CASE WHEN status >= 500 THEN 'ours' WHEN status >= 400 THEN 'theirs' END AS fault FROM labelled", Rows),
    ("kind, IF(\"user\" LIKE '%-%', substr(\"user\", 1, 8), \"user\") AS short FROM labelled WHERE status < 500", Rows),
    ("kind, try_cast(regexp_extract(resourcepath, '[0-9]+') AS integer) AS number FROM labelled", Rows),
    ("kind, to_hex(md5(to_utf8(ip))) AS visitor FROM labelled WHERE NOT regexp_like(resourcepath, '^/health')", Rows),
    ("kind, lag(requesttime) OVER (PARTITION BY ip ORDER BY requesttime, copy_key) AS before FROM labelled", Rows),
    ("kind FROM labelled WHERE kind <> 'call' OR (\"user\" <> '-' AND CAST(status AS varchar) LIKE '2%')", Rows),
    ("kind FROM labelled WHERE requesttime >= TIMESTAMP '2023-01-31 06:20:00' - INTERVAL '5' MINUTE", Rows),
    ("kind FROM labelled WHERE ip IN (SELECT ip FROM labelled GROUP BY ip HAVING count(*) > 1)", Rows),
    ("kind FROM labelled WHERE status = '200'", Refusal),
    ("kind, 'status ' || status AS said FROM labelled", Refusal),
    ("kind, nvl(status, 0) AS known_status FROM labelled", Refusal),
    ("kind, status::varchar AS said FROM labelled", Refusal),
    ("kind FROM labelled WHERE resourcepath ILIKE '/V1%'", Refusal),
    ("kind, upper(httpmethod) AS verb FROM labelled WHERE verb = 'GET'", Refusal),
    ("kind, CASE WHEN status = 200 THEN 'good' ELSE 0 END AS said FROM labelled", Refusal),
    ("kind, requesttime > '2023-01-31' AS is_late FROM labelled", Refusal),
    ("kind, CAST(resourcepath AS integer) AS number FROM labelled", Refusal),
    ("kind, row_number() AS number FROM labelled", Refusal),
    ("kind FROM labelled LIMIT 10 OFFSET 5", Refusal),
];

const USAGE_EDITS: &[Edit] = &[
    ("  count(*) AS requests,", "  count(*) AS requests, count(DISTINCT status) AS kinds_of_status,", Rows),
    ("  count(*) AS requests,", "  count(*) AS requests, count(*) FILTER (WHERE is_billable) AS billable,", Rows),
    ("  count(*) AS requests,", "  count(*) AS requests, sum(IF(is_billable, 1, 0.25)) AS weighted,", Rows),
    ("  count(*) AS requests,", "  count(*) AS requests, sum(responselength) / 1024.0 AS kibibytes,", Rows),
    ("  count(*) AS requests,", "  count(*) AS requests, avg(CAST(responselength AS decimal(20, 2))) AS mean,", Rows),
    ("  count(*) AS requests,", "  count(*) AS requests, array_sort(array_agg(DISTINCT status)) AS statuses,", Rows),
    (
        "  count(*) AS requests,",
        "  count(*) AS requests, element_at(histogram(coalesce(status, 0)), 200) AS fine,",
        Rows,
    ),
    ("  count(*) AS requests,", "  count(*) AS requests, ceiling(sum(responselength) / 65536e0) AS blocks,", Rows),
    ("  count(*) AS requests,", "  count(*) AS requests, rank() OVER (ORDER BY count(*) DESC) AS place,", Rows),
    ("  count(*) AS requests,", "  count(*) AS requests, bool_or(status >= 500) AS had_errors,", Rows),
    ("  httpmethod,\n  resourcepath,\n  count", "  httpmethod,\n  split_part(resourcepath, '/', 2),\n  count", Rows),
    ("status < 500 AS", "status < 500 AND httpmethod NOT IN ('OPTIONS', 'HEAD') AS", Rows),
    ("GROUP BY 1, 2, 3, 4", "GROUP BY GROUPING SETS ((1, 2, 3, 4), (1, 2))", Refusal),
    ("GROUP BY 1, 2, 3, 4", "GROUP BY 1, 2, 3, 4 HAVING count(*) > 1 ORDER BY requests DESC", Rows),
    ("GROUP BY 1, 2, 3, 4", "GROUP BY 1, 2, 3, 4 HAVING requests > 1", Refusal),
    ("GROUP BY 1, 2, 3, 4", "GROUP BY 1, 2, 3", Refusal),
    ("GROUP BY 1, 2, 3, 4", "GROUP BY \"user\", usage_date, httpmethod, resourcepath", Refusal),
    ("FROM calls\n", "FROM calls WHERE CAST(requesttime AS date) = '2023-01-31'\n", Refusal),
    ("  count(*) AS requests,", "  count(*) AS requests, sum(httpmethod) AS total,", Refusal),
    ("  count(*) AS requests,", "  count(*) AS requests, to_char(min(requesttime), 'YYYY') AS first_year,", Refusal),
    ("  count(*) AS requests,", "  count(*) AS requests, count(*) / 0 AS share,", Refusal),
    ("status < 500 AS", "status < '500' AS", Refusal),
];

/// A lake with hours of raw objects and what they were merged to. Without copies: of equal lines, any may be the call.
async fn lakes() -> Option<Both> {
    let trino = trino()?;
    let lake = TestLake::new().await;
    let traffic = Options {
        from: hour("2023-01-31T04"),
        to: hour("2023-01-31T07"),
        calls_per_hour: 200,
        objects_per_hour: 3,
        copies: 0.0,
        malformed: 0.03,
        bare_dashes: 0.05,
        unauthenticated: 0.1,
        legacy: 0.1,
        late_share: 0.1,
        ..Options::default()
    };
    write_files(&*lake.lake.store, &lake.lake.layout, &traffic).await.unwrap();
    lake.merge(&range(traffic.from, traffic.to)).await;
    Some(Both::of(lake, &trino).await)
}

/// What both engines make of the edited statement's query: its `CREATE TABLE … AS` is left away.
async fn assert_edit(both: &Both, values: &impl Fn(&Lake) -> SqlValues, file: &str, (old, new, expected): Edit) {
    let edited = |lake: &Lake| {
        let statement = rendered(lake, file, &values(lake));
        let (_, query) = statement.split_once("\n) AS\n").expect("a statement that creates a table");
        assert!(query.contains(old), "{file} has no {old:?}");
        query.replace(old, new)
    };
    match both.same_answer(edited).await {
        Ok(rows) => {
            assert_eq!(expected, Rows, "both take {new:?}");
            assert!(rows.len() > 10, "{} rows of {new:?}", rows.len());
        }
        Err(error) => assert_eq!(expected, Refusal, "both refuse {new:?}: {error}"),
    }
}

/// The parameters of a period, by its keys.
fn numbers<P: Period>(keys: &[&'static str], period: P) -> Vec<(&'static str, SqlValue)> {
    keys.iter().copied().zip(period.numbers().into_iter().map(SqlValue::from)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_merge_hour_give_the_same_rows_or_are_refused_by_both() {
    let Some(both) = lakes().await else { return };
    let at = hour(HOUR);
    let values = |lake: &Lake| {
        let layout = &lake.layout;
        let mut values = SqlValues::from([
            ("staging_table", (&layout.merged.name).into()),
            ("location", (&lake.config.lake).into()),
            ("lines_table", (&layout.lines.name).into()),
            ("calls_table", (&layout.merged.name).into()),
            ("copies_table", (&layout.copies.name).into()),
            ("generations", SqlValue::Texts(Vec::new())),
            ("raw_folder", format!("{}/", layout.lines.folder).as_str().into()),
            ("unreadable", SqlValue::Texts(Vec::new())),
            ("glued", "split".into()),
            ("latest_time", "2023-02-01 07:00:00.000".into()),
        ]);
        values.extend(numbers(Hour::KEYS, at));
        values.extend(numbers(&["prior_year", "prior_month", "prior_day", "prior_hour"], at.previous()));
        values
    };
    for &(new, expected) in MERGE_EDITS {
        assert_edit(&both, &values, "merge_hour", (LAST, new, expected)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_usage_daily_give_the_same_rows_or_are_refused_by_both() {
    let Some(both) = lakes().await else { return };
    let generations = both.generations::<Hour>(&both.local.lake.layout.merged).await;
    let values = |lake: &Lake| {
        let mut values = SqlValues::from([
            ("staging_table", (&lake.layout.usage_daily.name).into()),
            ("location", (&lake.config.lake).into()),
            ("merged_table", (&lake.layout.merged.name).into()),
            ("generations", generations.clone()),
            ("time_zone", "America/St_Johns".into()),
            ("day_start", format!("{DAY} 00:00:00.000").as_str().into()),
        ]);
        values.extend(numbers(Day::KEYS, DAY.parse::<Day>().unwrap()));
        values
    };
    for &edit in USAGE_EDITS {
        assert_edit(&both, &values, "usage_daily", edit).await;
    }
}
