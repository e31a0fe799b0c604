-- name: usage
-- version: 2
-- parameters:
--   usage_daily_table (name): usage per user and day
--   usage_daily_location (text): the folder that aggregate writes to
--
-- Usage, partitioned by the day of arrival (UTC). A row carries the day of use, in the billing time zone.

CREATE EXTERNAL TABLE IF NOT EXISTS {{ usage_daily_table }} (
  `user`              string COMMENT 'unchangeable id of the caller; - for calls without one, which are never billed',
  `usage_date`        date   COMMENT 'the day of the call in the billing time zone',
  `httpmethod`        string,
  `resourcepath`      string,
  `requests`          bigint,
  `billable_requests` bigint COMMENT 'what usage_daily.sql calls billable',
  `client_errors`     bigint COMMENT 'status 400 to 499',
  `server_errors`     bigint COMMENT 'status 500 and above',
  `throttled`         bigint COMMENT 'status 429',
  `unknown_status`    bigint COMMENT 'no status, or none that can be read; not billable',
  `response_bytes`    decimal(38,0) COMMENT 'a sum of whole numbers that no hostile line can overflow',
  `first_request`     timestamp COMMENT 'UTC',
  `last_request`      timestamp COMMENT 'UTC'
)
PARTITIONED BY (`year` int, `month` int, `day` int)
STORED AS PARQUET
LOCATION {{ usage_daily_location }};
