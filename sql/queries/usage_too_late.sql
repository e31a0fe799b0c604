-- name: usage_too_late
-- version: 1
-- parameters:
--   usage_daily_table (name): usage per user and day
--   generations (texts): the generations that its days publish
--   unattributed (text): the reserved user of calls without one
--   first_date (text): the first day that is still adjusted
--   first_arrival (integer): the first day of arrival to look at, as 20230131
--   first_year (integer): its year
--   last_arrival (integer): the last one
--
-- Calls that arrived in a month and were made so long before it that no invoice is adjusted for them any more. invoice
-- warns of them; billing.adjust_months says how far back it looks.

SELECT coalesce(sum(requests), 0) AS requests, min(usage_date) AS earliest
FROM {{ usage_daily_table }}
WHERE usage_date < CAST({{ first_date }} AS date)
  AND "user" <> {{ unattributed }}
  AND year >= {{ first_year }}
  AND year * 10000 + month * 100 + day BETWEEN {{ first_arrival }} AND {{ last_arrival }}
  {% include "sources/published.sql" %}
