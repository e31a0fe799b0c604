-- name: usage_daily_totals
-- version: 1
-- parameters:
--   staging_table (name): the table that usage_daily created
--   unattributed (text): the reserved user of calls without one
--
-- What aggregate checks a day with before it publishes it: the calls that went in must come out.

SELECT
  count(*) AS usage_rows,
  coalesce(sum(requests), 0) AS requests,
  coalesce(sum(CASE WHEN "user" = {{ unattributed }} THEN requests END), 0) AS unattributed
FROM {{ staging_table }}
