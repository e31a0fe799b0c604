-- name: merge_hour
-- version: 2
-- parameters:
--   staging_table (name): the table that the statement creates; merge drops it after publishing
--   location (text): the new, empty folder that the rows are written to
--   lines_table (name): the raw lines as text
--   calls_table (name): the calls of merged hours
--   copies_table (name): the copies that merged hours left out
--   generations (texts): the generation that the hour before publishes, if it publishes one
--   raw_folder (text): the folder of the raw objects, with a slash at its end
--   unreadable (texts): raw objects of the hour that are no lines of text, by their "$path"; at most 90
--   glued (text): what two records on one line are: split, or malformed
--   latest_time (text): a call made later than this has no time, as 2023-02-01 07:00:00.000
--   year (integer): the hour of arrival, UTC, to merge
--   month (integer): the same
--   day (integer): the same
--   hour (integer): the same
--   prior_year (integer): the hour before it
--   prior_month (integer): the same
--   prior_day (integer): the same
--   prior_hour (integer): the same
--
-- One hour's small files become one table with a row for every record: a call, a copy of a call, or malformed. What comes
-- in comes out: no line that is not blank is left out.
--
-- sources/lines.sql says what a line is, sources/apigateway.sql how a record becomes a call.
--
-- Raise the version when you change what comes out: hours within merge's lookback are then merged again.

CREATE TABLE {{ staging_table }}
WITH (
  format = 'PARQUET',
  write_compression = 'ZSTD',
  -- Most bytes are ids. They get no smaller at higher levels.
  compression_level = 1,
  external_location = {{ location }},
  partitioned_by = ARRAY['kind']
) AS
WITH
{% include "sources/lines.sql" %},
-- What separates records may be left at the end of a line: a comma, or a line end that is written out.
lines_cut AS (
  SELECT
    path,
    is_whole,
    CASE WHEN text LIKE '%}' THEN text ELSE regexp_replace(text, '\}(?:\s|,|\\[nr])+$', '}') END AS line
  FROM lines
),
-- A line that is no JSON, and has places where one record could end and the next begin, cut there. Whether a text is JSON is
-- asked by a cast to a row, as the value of a key: json_parse alone fails the query where brackets are nested a few thousand
-- deep, and || where a text has more than a mebibyte.
seams_found AS (
  SELECT
    *,
    {% if glued == "split" %}
    CASE
      WHEN regexp_like(line, '\}(\s|,|\\[nr])*\{\s*"')
        AND length(to_utf8(line)) <= 25165824
        AND try(CAST(json_parse(regexp_replace(line, '(?s)^(.*)$', '{"":$1}')) AS ROW(none varchar))) IS NULL
        AND try(CAST(json_parse(
          regexp_replace(regexp_replace(line, ':\s*-\s*([,}])', ':"-"$1'), '(?s)^(.*)$', '{"":$1}')
        ) AS ROW(none varchar))) IS NULL
        THEN split(regexp_replace(line, '\}(?:\s|,|\\[nr])*\{(\s*")', U&'}\000a{$1'), U&'\000a')
    END AS cut_line
    {% else %}
    CAST(NULL AS array(varchar)) AS cut_line
    {% endif %}
  FROM lines_cut
),
-- Records that came without a line end between them are pieces 1, 2, … of their line; any other line is one piece, 0. At
-- least one piece must be a record, perhaps one that a client's text broke, as sources/apigateway.sql reads it; a bad one among
-- them costs no good one.
pieces AS (
  SELECT
    path,
    -- U+0001 ended the line, so that all pieces but the last are whole.
    is_whole OR number < part_count AS is_whole,
    CAST(IF(part_count > 1, number, 0) AS integer) AS piece,
    text
  FROM (
    SELECT path, is_whole, parts, cardinality(parts) AS part_count
    FROM (
      SELECT
        path,
        is_whole,
        IF(
          any_match(cut_line, part ->
            try(CAST(json_parse(part) AS ROW(none varchar))) IS NOT NULL
            OR try(CAST(json_parse(regexp_replace(part, ':\s*-\s*([,}])', ':"-"$1')) AS ROW(none varchar))) IS NOT NULL
            OR try(CAST(json_parse(regexp_replace(
              regexp_replace(part, ',\s*"requestId"\s*:.*$', '}'), ':\s*-\s*([,}])', ':"-"$1'
            )) AS ROW(none varchar))) IS NOT NULL
          ),
          cut_line,
          ARRAY[line]
        ) AS parts
      FROM seams_found
    )
  )
  CROSS JOIN UNNEST(parts) WITH ORDINALITY AS t(text, number)
),
{% include "sources/apigateway.sql" %},
-- What the hour before published, calls and copies alike: a copy may come just across the hour's edge.
known_before AS (
  SELECT DISTINCT copy_key
  FROM (
    SELECT copy_key
    FROM {{ calls_table }}
    WHERE year = {{ prior_year }} AND month = {{ prior_month }} AND day = {{ prior_day }} AND hour = {{ prior_hour }}
      {% include "sources/published.sql" %}
    UNION ALL
    SELECT copy_key
    FROM {{ copies_table }}
    WHERE year = {{ prior_year }} AND month = {{ prior_month }} AND day = {{ prior_day }} AND hour = {{ prior_hour }}
      {% include "sources/published.sql" %}
  )
),
labelled AS (
  SELECT
    typed.*,
    CASE
      WHEN request_time BETWEEN TIMESTAMP '2000-01-01 00:00:00.000' AND CAST({{ latest_time }} AS timestamp(3))
        THEN request_time
    END AS requesttime,
    -- Of equal records, any one is the call. A malformed line is a copy of nothing, and nothing is a copy of it.
    CASE
      WHEN reason IS NOT NULL
        OR known_before.copy_key IS NOT NULL
        OR row_number() OVER (PARTITION BY typed.copy_key, reason IS NULL) > 1
        THEN IF(reason IS NOT NULL, 'malformed', 'copy')
      ELSE 'call'
    END AS kind
  FROM typed
  LEFT JOIN known_before ON known_before.copy_key = typed.copy_key
)
SELECT
  requestid,
  extendedrequestid,
  ip,
  "user",
  requesttime,
  httpmethod,
  resourcepath,
  status,
  protocol,
  responselength,
  substr(path, length({{ raw_folder }}) + 1) AS object,
  copy_key,
  piece,
  -- A call without a time is counted at the hour of its arrival, and looked at by nobody unless it is counted here. Of
  -- malformed lines nothing is counted.
  CAST((unreadable + IF(requesttime IS NULL, 1, 0)) * IF(kind = 'malformed', 0, 1) AS integer) AS unreadable,
  reason,
  -- The text of a copy is that of its call.
  IF(kind = 'malformed', substr(text, 1, 65536)) AS line,
  kind
FROM labelled
