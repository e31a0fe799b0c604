-- name: usage_month
-- version: 1
-- parameters:
--   location (text): the new, empty folder that the rows are unloaded to; invoice deletes it when it has read them
--   usage_daily_table (name): usage per user and day
--   generations (texts): the generations that its days publish
--   columns (names): what to extract: requests and the meters that plans price; usage_date where plans change within the
--     month or pages are made, httpmethod and resourcepath where charges are for some of them or pages are made
--   first_date (text): the first day of the month, in the billing time zone
--   last_date (text): its last day
--   unattributed (text): the reserved user of calls without one
--   first_arrival (integer): the earliest day of arrival that may hold usage of the month, as 20230131
--   first_year (integer): its year
--   bucket_digits (integer): 0: one bucket; 1: sixteen, each with all rows of its users
--
-- The usage of a month: all rows of its days, whenever they arrived.
--
-- Raise the version when you change what comes out: drafts are then made again. Final invoices stay as they are; where
-- the new version gives other usage for their months, the next invoices carry the difference.

UNLOAD (
  SELECT
    coalesce("user", {{ unattributed }}) AS "user",
    {% for column in columns %}
    {{ column }},
    {% endfor %}
    -- Buckets are worked on one after the other, so that a month of any size fits into memory.
    'b' || substr(to_hex(xxhash64(to_utf8(coalesce("user", {{ unattributed }})))), 1, {{ bucket_digits }}) AS bucket
  FROM {{ usage_daily_table }}
  WHERE usage_date BETWEEN CAST({{ first_date }} AS date) AND CAST({{ last_date }} AS date)
    -- The year alone is what a catalog can look up; the day is then told exactly.
    AND year >= {{ first_year }}
    AND year * 10000 + month * 100 + day >= {{ first_arrival }}
    {% include "sources/published.sql" %}
)
TO {{ location }}
WITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['bucket'])
