-- name: merge_hour_kinds
-- version: 1
-- parameters:
--   staging_table (name): the table that merge_hour created
--
-- What an hour's lines became: a row for each kind, and for each reason why lines are malformed. merge publishes an hour only if
-- this adds up to its lines. Two generations with the same calls and copies have the same numbers and sums of keys here.

SELECT
  kind,
  reason,
  count(*) AS row_count,
  -- The first record of a line stands for the line.
  count_if(piece <= 1) AS lines,
  coalesce(sum(unreadable), 0) AS unreadable,
  count(DISTINCT IF(kind = 'copy', copy_key)) AS copied_keys,
  CAST(coalesce(sum(IF(kind = 'call', key_number)), CAST(0 AS decimal(38,0))) AS varchar) AS call_key_sum,
  CAST(coalesce(sum(DISTINCT IF(kind = 'copy', key_number)), CAST(0 AS decimal(38,0))) AS varchar) AS copy_key_sum
FROM (
  SELECT *, CAST(from_big_endian_64(substr(copy_key, 1, 8)) AS decimal(38,0)) AS key_number
  FROM {{ staging_table }}
)
GROUP BY kind, reason
