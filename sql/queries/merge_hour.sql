-- name: merge_hour
-- version: 1
-- parameters:
--   staging_table (name): the table that the statement creates; merge drops it after publishing
--   location (text): the new, empty folder that the rows are written to
--   raw_table (name): the access log as Firehose leaves it
--   year (integer): the hour of arrival, UTC, to merge
--   month (integer): the same
--   day (integer): the same
--   hour (integer): the same
--   prior_year (integer): the hour before it
--   prior_month (integer): the same
--   prior_day (integer): the same
--   prior_hour (integer): the same
--
-- One hour's small files become one table of calls: typed, and each call once.
--
-- Raise the version when you change what comes out: hours within merge's lookback are then merged again.

CREATE TABLE {{ staging_table }}
WITH (
  format = 'PARQUET',
  write_compression = 'ZSTD',
  external_location = {{ location }}
) AS
WITH
-- Every line, with the key that it shares with its copies. Firehose delivers at least once, and a copy is the same
-- record again: the same extendedRequestId or, in older lines that have none, equal in every column. requestId is not
-- asked: a client can set it, and would make its calls pass for copies.
keyed AS (
  SELECT
    *,
    coalesce(
      nullif(nullif(extendedrequestid, '-'), ''),
      to_hex(sha256(to_utf8(json_format(CAST(
        ARRAY[requestid, ip, "user", requesttime, httpmethod, resourcepath, status, protocol, responselength] AS JSON
      )))))
    ) AS copy_key
  FROM {{ raw_table }}
  -- A malformed line comes as a row of NULLs. It is no call.
  WHERE coalesce(
    requestid, extendedrequestid, ip, "user", requesttime, httpmethod, resourcepath, status, protocol, responselength
  ) IS NOT NULL
),
-- This hour's lines, the copies of each numbered.
hour_lines AS (
  SELECT *, row_number() OVER (PARTITION BY copy_key) AS copy_number
  FROM keyed
  WHERE year = {{ year }} AND month = {{ month }} AND day = {{ day }} AND hour = {{ hour }}
),
-- The keys of the hour before: a copy may come just across the hour's edge, and then counts where it came first.
prior_lines AS (
  SELECT copy_key
  FROM keyed
  WHERE year = {{ prior_year }} AND month = {{ prior_month }} AND day = {{ prior_day }} AND hour = {{ prior_hour }}
),
-- One line of each call, with its numbers read. What is `-` or no number becomes NULL.
calls AS (
  SELECT
    *,
    try_cast(nullif(requesttime, '-') AS bigint) AS request_ms
  FROM hour_lines
  WHERE copy_number = 1
    AND NOT EXISTS (SELECT 1 FROM prior_lines WHERE prior_lines.copy_key = hour_lines.copy_key)
)
SELECT
  requestid,
  extendedrequestid,
  ip,
  "user",
  -- A time after the year 9999 is no time, and would fail the query.
  CASE WHEN request_ms BETWEEN 0 AND 253402300799999
    THEN date_add('millisecond', request_ms, TIMESTAMP '1970-01-01 00:00:00.000')
  END AS requesttime,
  httpmethod,
  resourcepath,
  try_cast(nullif(status, '-') AS integer) AS status,
  protocol,
  try_cast(nullif(responselength, '-') AS bigint) AS responselength
FROM calls
