-- name: usage_too_late
-- version: 2
-- parameters:
--   usage_daily_table (name): usage per user and day
--   generations (texts): the generations that its days publish
--   unattributed (text): the reserved user of calls without one
--   first_date (text): the first day that is still adjusted
--   next_date (text): the first day of the month after this one
--   after_next_date (text): the first day of the month after that
--   first_arrival (integer): the first day of arrival to look at, as 20230131
--   first_year (integer): its year
--   last_arrival (integer): the last one
--
-- Calls that arrived in a month and that no invoice bills, now or later. invoice warns of them. They were made so long before
-- it that no invoice is adjusted for them any more (billing.adjust_months says how far back it looks), or their time lies so
-- far ahead of their arrival that the invoice of their month does not look for them: it begins with the day of arrival before
-- its first day, which is the last one of this month.

SELECT
  coalesce(sum(CASE WHEN usage_date < CAST({{ first_date }} AS date) THEN requests ELSE 0 END), 0) AS too_late,
  min(usage_date) AS earliest,
  coalesce(sum(CASE WHEN usage_date >= CAST({{ next_date }} AS date) THEN requests ELSE 0 END), 0) AS future,
  max(usage_date) AS latest
FROM {{ usage_daily_table }}
WHERE "user" <> {{ unattributed }}
  AND year >= {{ first_year }}
  AND year * 10000 + month * 100 + day BETWEEN {{ first_arrival }} AND {{ last_arrival }}
  AND (
    usage_date < CAST({{ first_date }} AS date)
    OR usage_date >= CAST({{ after_next_date }} AS date)
    OR (
      usage_date >= CAST({{ next_date }} AS date)
      AND year * 10000 + month * 100 + day < {{ last_arrival }}
    )
  )
  {% include "sources/published.sql" %}
