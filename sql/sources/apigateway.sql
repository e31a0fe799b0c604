-- name: apigateway
-- version: 1
-- parameters: none
--
-- The access log of Amazon API Gateway: a JSON object a record. This file turns texts into calls; merge_hour includes it
-- between two of its own parts. It reads `pieces`, one row a record or what should be one:
--   path, piece, is_whole
--   text          varchar    the record
-- and gives `typed`, a row for each of them:
--   path, piece, text
--   copy_key      varbinary  equal for records that are copies of each other: the first 16 bytes of the SHA-256
--   reason        varchar    why the text is no record; NULL: it is one
--   requestid, extendedrequestid, ip, "user", httpmethod, resourcepath, protocol  varchar
--   request_time  timestamp  NULL: there is none, or it cannot be read
--   status        integer    NULL alike
--   responselength  bigint   bytes; NULL alike
--   unreadable    integer    how many of status and length are there and cannot be read, and one more where a client's text
--                            broke the record, so that only what stands before it was read
--
-- For a log of another form, write a file like this one. Raise the version when you change what comes out.
--
-- A client may set requestId, and the gateway escapes nothing. So requestId is the last key of the format in infra/, and
-- no other value of it can be written by a client. Where your format has others (a path, a query, a header, a user agent),
-- put them behind all others and name the first of them in place of requestId below. A client can also add a key that your
-- format lacks, so it needs all of user, status and requestTime.

{% set number = '^[0-9]{1,20}([.][0-9]{1,20})?([eE][+]?[0-9]{1,2})?$' %}
-- The record of each text: NULL where it is no JSON object of these keys, has one of them twice, or has a value in one that
-- is an object or a list. Upper and lower case of a key do not matter.
whole_records AS (
  SELECT
    *,
    coalesce(
      try(CAST(json_parse(object_text) AS ROW(
        requestid varchar, extendedrequestid varchar, ip varchar, "user" varchar, requesttime varchar,
        requesttimeepoch varchar, httpmethod varchar, resourcepath varchar, status varchar, protocol varchar,
        responselength varchar
      ))),
      -- Formats that leave numbers unquoted have a bare - where the gateway has no value.
      try(CAST(json_parse(regexp_replace(object_text, ':\s*-\s*([,}])', ':"-"$1')) AS ROW(
        requestid varchar, extendedrequestid varchar, ip varchar, "user" varchar, requesttime varchar,
        requesttimeepoch varchar, httpmethod varchar, resourcepath varchar, status varchar, protocol varchar,
        responselength varchar
      )))
    ) AS whole_record
  FROM (
    SELECT
      *,
      substr(sha256(to_utf8(text)), 1, 16) AS copy_key,
      CASE WHEN is_whole AND starts_with(text, '{') THEN text END AS object_text
    FROM pieces
  )
),
-- What a client wrote into requestId may break a record. What stands before it, nobody but the gateway wrote. Such a record is
-- a call, and `unreadable` tells of it, because another record could stand behind it.
records AS (
  SELECT
    *,
    coalesce(
      whole_record,
      CASE
        WHEN starts_with(text, '{') AND (is_whole OR try(CAST(json_parse(text) AS ROW(none varchar))) IS NULL)
          THEN try(CAST(json_parse(regexp_replace(
            regexp_replace(text, ',\s*"requestId"\s*:.*$', '}'), ':\s*-\s*([,}])', ':"-"$1'
          )) AS ROW(
            requestid varchar, extendedrequestid varchar, ip varchar, "user" varchar, requesttime varchar,
            requesttimeepoch varchar, httpmethod varchar, resourcepath varchar, status varchar, protocol varchar,
            responselength varchar
          )))
      END
    ) AS record
  FROM whole_records
),
columns_read AS (
  SELECT
    *,
    -- Whatever is no record has no column either.
    CASE
      WHEN coalesce(
        record.requestid, record.extendedrequestid, record.ip, record."user", record.requesttime, record.httpmethod,
        record.resourcepath, record.status, record.protocol, record.responselength
      ) IS NULL THEN
        CASE
          WHEN record IS NOT NULL THEN 'no column of ours'
          WHEN NOT is_whole THEN 'U+0001 in the line'
          -- As the value of a key: that takes any JSON, and looks into none of it.
          WHEN try(CAST(json_parse(regexp_replace(text, '(?s)^(.*)$', '{"":$1}')) AS ROW(none varchar))) IS NULL
            THEN 'not JSON'
          WHEN starts_with(text, '{') THEN 'a column twice or nested'
          ELSE 'no JSON object'
        END
    END AS reason,
    -- The gateway writes requestTime into the line. A client could add requestTimeEpoch, so that one only stands in.
    trim(coalesce(nullif(record.requesttime, '-'), nullif(record.requesttimeepoch, '-'))) AS time_text,
    trim(record.status) AS status_text,
    trim(record.responselength) AS length_text
  FROM records
),
-- Numbers by one pattern: a cast alone would take digits of other scripts, and take long for huge exponents.
numbers AS (
  SELECT
    *,
    try_cast(CASE WHEN regexp_like(time_text, {{ number }}) THEN time_text END AS double) AS time_number,
    try_cast(CASE WHEN regexp_like(status_text, {{ number }}) THEN status_text END AS double) AS status_number,
    try_cast(CASE WHEN regexp_like(length_text, {{ number }}) THEN length_text END AS double) AS length_number
  FROM columns_read
),
times AS (
  SELECT
    *,
    -- Ten digits are seconds, more are milliseconds. A time after the year 9999 is none.
    CASE
      WHEN time_number < 1e10 THEN CAST(round(time_number * 1e3) AS bigint)
      WHEN time_number < 253402300800000e0 THEN CAST(floor(time_number) AS bigint)
    END AS request_ms,
    -- A zone of more than 14 hours would fail the query.
    CASE WHEN time_number IS NULL THEN
      CASE
        -- 31/Jan/2023:06:22:15 +0000, the console's default, is put into the form of ISO 8601.
        WHEN regexp_like(
          time_text, '^[0-9]{2}/[A-Z][a-z][a-z]/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} ([+-](0[0-9]|1[0-3])[0-5][0-9]|[+-]1400)$'
        )
          THEN substr(time_text, 8, 4)
            || '-' || lpad(CAST((strpos('JanFebMarAprMayJunJulAugSepOctNovDec', substr(time_text, 4, 3)) + 2) / 3 AS varchar), 2, '0')
            || '-' || substr(time_text, 1, 2) || 'T' || substr(time_text, 13, 8)
            || substr(time_text, 22, 3) || ':' || substr(time_text, 25, 2)
        WHEN regexp_like(
          time_text,
          '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-](0[0-9]|1[0-3]):?[0-5][0-9]|[+-]14:?00)$'
        )
          THEN replace(time_text, ' ', 'T')
      END
    END AS iso_time
  FROM numbers
),
values_read AS (
  SELECT
    *,
    coalesce(
      date_add('millisecond', request_ms % 86400000, date_add('day', request_ms / 86400000, TIMESTAMP '1970-01-01 00:00:00.000')),
      CAST(at_timezone(try(from_iso8601_timestamp(iso_time)), 'UTC') AS timestamp(3))
    ) AS request_time,
    CAST(CASE
      WHEN status_number = floor(status_number) AND status_number BETWEEN 100 AND 599 THEN status_number
    END AS integer) AS status,
    -- No response has a terabyte.
    CAST(CASE
      WHEN length_number = floor(length_number) AND length_number < 1099511627776e0 THEN length_number
    END AS bigint) AS responselength
  FROM times
),
typed AS (
  SELECT
    path,
    piece,
    text,
    copy_key,
    reason,
    record.requestid AS requestid,
    record.extendedrequestid AS extendedrequestid,
    record.ip AS ip,
    record."user" AS "user",
    request_time,
    record.httpmethod AS httpmethod,
    record.resourcepath AS resourcepath,
    status,
    record.protocol AS protocol,
    responselength,
    IF(status IS NULL AND coalesce(status_text, '-') NOT IN ('-', ''), 1, 0)
      + IF(responselength IS NULL AND coalesce(length_text, '-') NOT IN ('-', ''), 1, 0)
      + IF(whole_record IS NULL, 1, 0) AS unreadable
  FROM values_read
)
