-- The table of the queries that are made at random. Both engines make it, and `{lake}` is where it lies.
CREATE DATABASE IF NOT EXISTS fuzz;

CREATE EXTERNAL TABLE fuzz.fuzz (
  n bigint, i int, b bigint, x double, m decimal(20,4), s string, w string, d date, t timestamp, f boolean
)
STORED AS PARQUET
LOCATION '{lake}/fuzz/';

INSERT INTO fuzz.fuzz
SELECT n, i, b, x, CAST(m AS decimal(20,4)), s, w, d, t, f
FROM (
  VALUES
    (BIGINT '1', 1, BIGINT '10', 0.5e0, 1.25, 'a', 'abc', DATE '2023-01-31', TIMESTAMP '2023-01-31 06:22:15.165', true),
    (2, 0, 0, 0e0, 0.0, '', ' ', DATE '1970-01-01', TIMESTAMP '1970-01-01 00:00:00.000', false),
    (3, -7, -12345678901, -2.25e0, -7.5055, 'A b  c', 'a,b;c', DATE '1969-12-31', TIMESTAMP '1969-12-31 23:59:59.999', true),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, 2147483647, 9223372036854775807, 1e15, 9999999999999999.9999, '12', '-0.50', DATE '2024-02-29', TIMESTAMP '2024-02-29 12:00:00.001', false),
    (6, -2147483648, -9223372036854775808, 3e0, -0.0001, 'äÖ€ß', 'user-1', DATE '2000-12-31', TIMESTAMP '2000-12-31 23:00:00.500', NULL),
    (7, 200, 60, 100e0, 100.0, '/v1/{id}?q=1', '2023-02-30', DATE '2023-07-01', TIMESTAMP '2023-03-26 02:30:00.000', true),
    (8, 2, 2, 2e0, 2.0, 'a', 'a', DATE '2023-01-31', TIMESTAMP '2023-01-31 00:00:00.000', false),
    (9, 404, 9007199254740993, 1e-3, 0.5, 'k=v,l=w', '{"a": [1, 2]}', DATE '1900-01-01', TIMESTAMP '2023-12-31 23:59:59.999', true),
    (10, NULL, 3, 7e0, NULL, 'GET', NULL, NULL, TIMESTAMP '2023-06-15 13:14:15.000', NULL)
) AS v(n, i, b, x, m, s, w, d, t, f);
