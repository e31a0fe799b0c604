-- name: usage_daily
-- version: 2
-- parameters:
--   staging_table (name): the table that the statement creates; aggregate drops it after publishing
--   location (text): the new, empty folder that the rows are written to
--   merged_table (name): the access log merged
--   generations (texts): the generations that its hours publish
--   time_zone (text): the billing time zone, as an IANA name
--   day_start (text): the first instant of the day of arrival, UTC
--   year (integer): the day of arrival, UTC, to aggregate
--   month (integer): the same
--   day (integer): the same
--
-- One day's calls become usage: a row per user, day of use, method and path. The day of use is the day of the call in
-- the billing time zone. It may differ from the day of arrival, for calls that came late or near midnight.
--
-- Raise the version when you change what comes out: days within aggregate's lookback are then built again. Any column
-- of whole numbers or decimals is a meter that a plan can price; sql/README.md shows how to add one. Sum numbers that come
-- from a line as decimals: a sum of bigints that overflows fails the day of every user.

CREATE TABLE {{ staging_table }}
WITH (
  format = 'PARQUET',
  write_compression = 'ZSTD',
  external_location = {{ location }}
) AS
WITH
calls AS (
  SELECT
    -- Calls without a user are kept under one reserved name, which is never billed.
    coalesce(nullif("user", ''), '-') AS "user",
    -- A call whose time cannot be read counts at the hour of its arrival.
    coalesce(requesttime, date_add('hour', hour, CAST({{ day_start }} AS timestamp(3)))) AS requesttime,
    httpmethod,
    resourcepath,
    status,
    responselength,
    -- What is billable, said once: a call that we throttled or that failed on our side is not, nor one of which nobody knows
    -- how it ended.
    status IS NOT NULL AND status <> 429 AND status < 500 AS is_billable
  FROM {{ merged_table }}
  WHERE year = {{ year }} AND month = {{ month }} AND day = {{ day }}
    {% include "sources/published.sql" %}
)
SELECT
  "user",
  CAST(at_timezone(with_timezone(requesttime, 'UTC'), {{ time_zone }}) AS date) AS usage_date,
  httpmethod,
  resourcepath,
  count(*) AS requests,
  count_if(is_billable) AS billable_requests,
  count_if(status BETWEEN 400 AND 499) AS client_errors,
  count_if(status >= 500) AS server_errors,
  count_if(status = 429) AS throttled,
  count_if(status IS NULL) AS unknown_status,
  coalesce(sum(CAST(responselength AS decimal(38,0))), CAST(0 AS decimal(38,0))) AS response_bytes,
  min(requesttime) AS first_request,
  max(requesttime) AS last_request
FROM calls
GROUP BY 1, 2, 3, 4
