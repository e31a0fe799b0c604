//! What Trino 476 refuses, in its words, and what it takes.

use super::super::grammar::parse;
use super::{Tables, check};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// `calls` as the access log has it, and `usage`.
fn tables() -> Tables {
    let mut tables = Tables::of("metering");
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let calls = Schema::new(vec![
        field("user", DataType::Utf8),
        field("requesttime", DataType::Timestamp(TimeUnit::Millisecond, None)),
        field("status", DataType::Int32),
        field("length", DataType::Int64),
        field("hour", DataType::Int32),
        field("$path", DataType::Utf8View),
    ]);
    tables.add("metering", "calls", &calls);
    tables.add("metering", "usage", &Schema::new(vec![field("usage_date", DataType::Date32)]));
    tables
}

/// The error of a query; empty: there is none.
fn error(sql: &str) -> String {
    let checked = parse(sql).and_then(|(statement, _)| check(&statement, sql, &tables()));
    checked.map_or_else(|error| error.to_string(), |()| String::new())
}

fn assert_refused(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(&error(sql), expected, "{sql}");
    }
}

fn assert_taken(queries: &[&str]) {
    for sql in queries {
        assert_eq!(error(sql), "", "{sql}");
    }
}

#[test]
fn types_that_do_not_meet_are_named_with_what_to_write() {
    assert_refused(&[
        ("SELECT 200 = 'abc'", "line 1:12: Cannot apply operator: integer = varchar(3): write '200'"),
        (
            "SELECT 1 FROM calls WHERE status = '200'",
            "line 1:34: Cannot apply operator: integer = varchar(3): write 200",
        ),
        (
            "SELECT 1 FROM calls\nWHERE (hour)\n  != '6'",
            "line 3:3: Cannot apply operator: integer <> varchar(1): write 6",
        ),
        (
            "SELECT 1 FROM usage WHERE usage_date = '2023-01-31'",
            "line 1:38: Cannot apply operator: date = varchar(10): write DATE '2023-01-31'",
        ),
        (
            "SELECT 1 FROM calls WHERE requesttime > '2023-01-31 06:00:00'",
            "line 1:39: Cannot apply operator: timestamp(3) > varchar(19): write TIMESTAMP '2023-01-31 06:00:00'",
        ),
        (
            "SELECT usage_date BETWEEN '2023-01-01' AND DATE '2023-02-01' FROM usage",
            "line 1:19: Cannot check if date is BETWEEN varchar(10) and date: write DATE '2023-01-01'",
        ),
        (
            "SELECT 1 FROM usage WHERE usage_date + 1 > DATE '2023-01-31'",
            "line 1:38: Cannot apply operator: date + integer: write usage_date + INTERVAL '1' DAY",
        ),
        (
            "SELECT \"user\" + 1 FROM calls",
            "line 1:15: Cannot apply operator: varchar + integer: write CAST(\"user\" AS bigint)",
        ),
        (
            "SELECT NULLIF(status, '-') FROM calls",
            "line 1:8: Types are not comparable with NULLIF: integer vs varchar(1): write CAST(status AS varchar)",
        ),
        ("SELECT 1 IS DISTINCT FROM 'a'", "line 1:10: Cannot check if integer is identical to varchar(1): write '1'"),
        (
            "SELECT 1 FROM calls a JOIN (VALUES ('1')) b(y) ON a.hour = b.y",
            "line 1:58: Cannot apply operator: integer = varchar(1): write CAST(b.y AS bigint)",
        ),
        ("SELECT ARRAY[1] = 1", "line 1:17: Cannot apply operator: array(integer) = integer"),
    ]);
}

#[test]
fn branches_and_sets_have_one_type() {
    let alike = |types: &str, all: &str| {
        format!(
            "must be the same type or coercible to a common type. Cannot find common type between {types}, \
             all types (without duplicates): [{all}]"
        )
    };
    let mixed = alike("integer and varchar(1)", "integer, varchar(1)");
    assert_refused(&[
        ("SELECT CASE WHEN true THEN 1 ELSE 'a' END", &format!("line 1:35: All CASE results {mixed}: write '1'")),
        (
            "SELECT coalesce(hour, 'a') FROM calls",
            &format!("line 1:23: All COALESCE operands {mixed}: write CAST(hour AS varchar)"),
        ),
        ("SELECT 1 IN ('1')", &format!("line 1:14: IN value and list items {mixed}: write '1'")),
        ("SELECT ARRAY[1, 'a']", &format!("line 1:17: All ARRAY elements {mixed}: write '1'")),
        ("SELECT IF(true, 1, 'a')", "line 1:8: Result types for IF must be the same: integer vs varchar(1): write '1'"),
        (
            "SELECT 1 UNION ALL SELECT 'a'",
            "line 1:10: column 1 in UNION query has incompatible types: integer, varchar(1): write '1'",
        ),
        (
            "SELECT hour FROM calls WHERE hour IN (SELECT 'a')",
            "line 1:35: Value expression and result of subquery must be of the same type: row(integer) vs \
             row(varchar(1)): write CAST(hour AS varchar)",
        ),
        (
            "SELECT * FROM (VALUES (1, 2), (1, 'a')) AS t(a, b)",
            "line 1:23: Values rows have mismatched types: row(integer, integer) vs row(integer, varchar(1)): write '2'",
        ),
        (
            "SELECT CASE WHEN 1 THEN 2 END",
            "line 1:18: CASE WHEN clause must evaluate to a boolean (actual: integer): write 1 <> 0",
        ),
        (
            "SELECT CASE hour WHEN 'a' THEN 1 END FROM calls",
            "line 1:23: CASE operand type does not match WHEN clause operand type: integer vs varchar(1): write \
             CAST(hour AS varchar)",
        ),
        ("SELECT 1 WHERE 1", "line 1:16: WHERE clause must evaluate to a boolean: actual type integer: write 1 <> 0"),
    ]);
}

#[test]
fn a_function_takes_what_it_takes_in_trino() {
    let start = |sql: &str, expected: &str, instead: &str| {
        let error = error(sql);
        assert!(error.starts_with(expected), "{sql}: {error}");
        assert!(error.ends_with(&format!(": write {instead}")), "{sql}: {error}");
    };
    let concat = "Unexpected parameters (varchar(1), integer) for function concat. Expected: concat(";
    start("SELECT 'h' || hour FROM calls", &format!("line 1:12: {concat}"), "CAST(hour AS varchar)");
    start("SELECT concat('h', hour) FROM calls", &format!("line 1:8: {concat}"), "CAST(hour AS varchar)");
    start(
        "SELECT length(123)",
        "line 1:8: Unexpected parameters (integer) for function length. Expected: length(char(x)), length(varbinary), \
         length(varchar(x))",
        "'123'",
    );
    start(
        "SELECT sha256(\"user\") FROM calls",
        "line 1:8: Unexpected parameters (varchar) for function sha256. Expected: sha256(varbinary)",
        "to_utf8(\"user\")",
    );
    start(
        "SELECT log(100)",
        "line 1:8: Unexpected parameters (integer) for function log. Expected: log(double, double)",
        "ln(x), log10(x) or log(base, x)",
    );
    start(
        "SELECT date_trunc('day', '2023-01-31')",
        "line 1:8: Unexpected parameters (varchar(3), varchar(10)) for function date_trunc. Expected: date_trunc(",
        "DATE '2023-01-31'",
    );
    start("SELECT nvl(1, 2)", "line 1:8: Function 'nvl' not registered", "coalesce(x, y)");
    start(
        "SELECT 1 + date_part('year', now())",
        "line 1:12: Function 'date_part' not registered",
        "extract(YEAR FROM x), or year(x)",
    );
    for (sql, error_of) in [
        ("SELECT count(1, 2)", "line 1:8: Unexpected parameters (integer, integer) for function count. Expected: "),
        ("SELECT transform(ARRAY[1], x -> x || 'a')", "line 1:35: Unexpected parameters (integer, varchar(1)) for"),
        ("SELECT filter(ARRAY[1], x -> x = 'a')", "line 1:32: Cannot apply operator: integer = varchar(1)"),
        (
            "SELECT filter(ARRAY[1], x -> x + 1)",
            "line 1:8: Unexpected parameters (array(integer), <function>) for function filter. Expected: filter(array(t), \
             function(t,boolean))",
        ),
        ("SELECT digest('a', 'md5')", "line 1:8: Function 'digest' not registered"),
        ("SELECT round(1.5, CAST(1 AS bigint))", "line 1:8: Unexpected parameters (decimal(2,1), bigint) for function"),
        (
            "SELECT x FROM UNNEST(ARRAY[1]) AS t(x) WHERE x = 'a'",
            "line 1:48: Cannot apply operator: integer = varchar(1)",
        ),
        ("WITH a AS (SELECT status AS s FROM calls) SELECT s = 'b' FROM a", "line 1:52: Cannot apply operator"),
        ("SELECT CAST(1 AS date)", "line 1:8: Cannot cast integer to date"),
        ("SELECT CAST(12345 AS varchar(3))", "line 1:8: Value 12345 cannot be represented as varchar(3)"),
    ] {
        let found = error(sql);
        assert!(found.starts_with(error_of), "{sql}: {found}");
    }
}

#[test]
fn grammar_that_trino_does_not_have_is_named() {
    assert_refused(&[
        (
            "SELECT upper(\"user\") AS u FROM calls GROUP BY u",
            "line 1:47: Column 'u' cannot be resolved: write what it stands for, upper(\"user\"), since GROUP BY knows no \
             aliases",
        ),
        (
            "SELECT hour, count(*) AS c FROM calls GROUP BY hour HAVING c > 1",
            "line 1:60: Column 'c' cannot be resolved: write what it stands for, count(*), since HAVING knows no aliases",
        ),
        ("SELECT 'a' ILIKE 'A'", "line 1:8: there is no ILIKE: write lower('a') LIKE lower('A')"),
        ("SELECT 1::varchar", "line 1: there is no ::, write CAST(x AS type)"),
        (
            "SELECT 1 LIMIT 1 OFFSET 2",
            "line 1:25: mismatched input 'OFFSET': it stands before LIMIT: write OFFSET 2 LIMIT 1",
        ),
        ("SELECT 1 LIMIT 1 + 1", "line 1:16: LIMIT and OFFSET take a number, not 1 + 1"),
        ("SELECT true IS TRUE", "line 1:8: there is no IS TRUE: write coalesce(true, false)"),
        (
            "SELECT now() - INTERVAL '2 days'",
            "line 1:25: Unknown type: INTERVAL: an interval has a unit: write INTERVAL '2' DAY",
        ),
        (
            "SELECT now() - INTERVAL 2 DAY",
            "line 1:25: mismatched input '2': the number of an interval is a text: write INTERVAL '2' DAY",
        ),
    ]);
    for (sql, what) in [
        ("SELECT DISTINCT ON (hour) hour, status FROM calls", "there is no DISTINCT ON: write row_number() OVER"),
        ("SELECT hour FROM calls QUALIFY row_number() OVER () = 1", "there is no QUALIFY: write "),
        ("SELECT hour, count(*) FROM calls GROUP BY ALL", "there is no GROUP BY ALL: write "),
        ("SELECT hour FROM calls a LEFT SEMI JOIN usage b ON true", "there is no SEMI JOIN: write "),
        ("SELECT hour FROM calls a LEFT ANTI JOIN usage b ON true", "there is no ANTI JOIN: write "),
        ("SELECT 1 FROM calls a NATURAL JOIN usage b", "Natural join not supported: write JOIN … USING (x, y)"),
        ("SELECT sum(hour) FILTER (WHERE true) OVER () FROM calls", "FILTER is not yet supported for window functions"),
    ] {
        let found = error(sql);
        assert!(found.contains(what), "{sql}: {found}");
    }
}

#[test]
fn what_trino_takes_is_taken() {
    assert_taken(&[
        "SELECT now() = DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00' < DATE '2020-01-01'",
        "SELECT hour = 6.5, status = 2e2, length = status, NULL = 'a', hour IN (1, 2.5, NULL) FROM calls",
        "SELECT if(true, 1, 2.5), coalesce(NULL, 'a'), nullif(1, 2.5), CASE 1 WHEN 1.5 THEN 1 END",
        "SELECT INTERVAL '1' DAY * 2, 2 * INTERVAL '1' DAY, INTERVAL '1' DAY / 2, INTERVAL '1' DAY + now()",
        "SELECT DATE '2020-01-02' - DATE '2020-01-01', now() - DATE '2020-01-01'",
        "SELECT 'a' || NULL, X'00' || X'01', ARRAY[1] || 2.5, ARRAY[ARRAY[1]] || ARRAY[2]",
        "SELECT greatest(1, 2, 3), concat('a', 'b', 'c'), concat_ws(',', 'a', 'b'), format('%s %d', 'a', 1)",
        "SELECT concat(ARRAY[1], ARRAY[2], ARRAY[3]), concat_ws(',', ARRAY['a'])",
        "SELECT transform(ARRAY[1], x -> x * 2.5), any_match(split('a', ','), x -> x = 'a')",
        "SELECT reduce(ARRAY[CAST(1 AS bigint)], 0, (s, x) -> s + x, s -> s), array_sort(ARRAY[1], (a, b) -> 1)",
        "SELECT element_at(MAP(ARRAY['a'], ARRAY[1]), 'a'), MAP(ARRAY['a'], ARRAY[1])['a'], ARRAY[1][1]",
        "SELECT count(), count(*), count(DISTINCT status), max(status, 2), max_by(status, hour) FROM calls",
        "SELECT lag(status, 1, 2.5) OVER (ORDER BY hour), sum(length) OVER (PARTITION BY hour) FROM calls",
        "SELECT date_add('day', hour, requesttime), date_diff('day', DATE '2020-01-01', requesttime) FROM calls",
        "SELECT to_unixtime(DATE '2020-01-01'), hour(DATE '2020-01-01'), date_format(DATE '2020-01-01', '%Y')",
        "SELECT json_extract_scalar('{}', '$.a') = 'a', json_extract('{}', '$.a') = JSON '1', regexp_like('a', 'b')",
        "SELECT CAST(JSON '[1]' AS array(bigint)), try_cast('1' AS date), CAST(ROW('1', 2) AS ROW(a bigint, b varchar))",
        "SELECT CAST(1 AS varchar(3)), try_cast(12345 AS varchar(3)), CAST('12345' AS varchar(3))",
        "SELECT hour AS h FROM calls GROUP BY hour ORDER BY h",
        "SELECT hour % 2 AS hour FROM calls GROUP BY hour HAVING hour > 1",
        "SELECT 1 FROM calls c WHERE EXISTS (SELECT 1 FROM usage WHERE c.status = 1 AND usage_date > DATE '2023-01-01')",
        "SELECT calls.status, metering.calls.status, awsdatacatalog.metering.calls.status FROM calls",
        "SELECT *, \"$path\" FROM calls WHERE \"$path\" LIKE '%a'",
        "SELECT x + 1, y || 'a' FROM unknown_table WHERE z = 'a'",
        "SELECT t.a.b = 1, u.c = 'x' FROM unknown_table t JOIN calls u USING (hour)",
        "SELECT 1 OFFSET 1 LIMIT ALL",
        "SELECT 1 OFFSET 1 ROWS FETCH FIRST 2 ROWS ONLY",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t",
        "SELECT st_point(1, 2), version(), normalize('a'), normalize('a', NFKC)",
    ]);
}

#[test]
fn a_query_may_be_deep_or_long() {
    let deep = format!("SELECT {}1{}", "(1 + ".repeat(45), ")".repeat(45));
    let long = format!("SELECT 1{}", " + 1".repeat(1_000));
    let alternatives = format!("SELECT 1 FROM calls WHERE false{}", " OR hour = 1".repeat(1_000));
    assert_taken(&[&deep, &long, &alternatives]);
}
