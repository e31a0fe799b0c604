-- The tables that the corpus asks about. Both engines make them, and `{lake}` is where they lie.
CREATE DATABASE IF NOT EXISTS metering;

CREATE EXTERNAL TABLE metering.restapi_access_log_json (
  requestid string, extendedrequestid string, ip string, `user` string, requesttime string, httpmethod string,
  resourcepath string, status string, protocol string, responselength string
)
PARTITIONED BY (year int, month int, day int, hour int)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'case.insensitive' = 'true')
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '{lake}/raw/';

ALTER TABLE metering.restapi_access_log_json
ADD PARTITION (year = 2023, month = 1, day = 31, hour = 6) LOCATION '{lake}/raw/hour=06/';

CREATE EXTERNAL TABLE metering.restapi_access_log_parquet (
  requestid string, extendedrequestid string, ip string, `user` string, requesttime timestamp, httpmethod string,
  resourcepath string, status int, protocol string, responselength bigint
)
PARTITIONED BY (year int, month int, day int, hour int)
STORED AS PARQUET
LOCATION '{lake}/calls/';

INSERT INTO metering.restapi_access_log_parquet
SELECT
  'r' || CAST(n AS varchar),
  CASE WHEN n % 10 <> 3 THEN 'x' || CAST(n AS varchar) END,
  '203.0.113.' || CAST(n % 7 AS varchar),
  CASE WHEN n % 11 = 0 THEN '-' ELSE 'user-' || CAST(n % 5 AS varchar) END,
  CASE WHEN n % 97 <> 5 THEN date_add('second', n * 61, TIMESTAMP '2023-01-30 20:00:00.165') END,
  CASE n % 4 WHEN 0 THEN 'POST' WHEN 1 THEN 'get' ELSE 'GET' END,
  CASE n % 3 WHEN 0 THEN '/random/strings' WHEN 1 THEN '/random/numbers' ELSE '/v1/{id}' END,
  CASE WHEN n % 13 = 0 THEN 503 WHEN n % 17 = 0 THEN 429 WHEN n % 19 = 0 THEN 404 WHEN n % 53 <> 1 THEN 200 END,
  'HTTP/1.1',
  CASE WHEN n % 50 = 7 THEN 9007199254740993 WHEN n % 29 <> 2 THEN n * n % 100003 END,
  2023, 1, 31, CAST(4 + n / 200 AS integer)
FROM UNNEST(sequence(0, 599)) AS t(n);

CREATE EXTERNAL TABLE metering.usage_daily (
  `user` string, usage_date date, httpmethod string, resourcepath string, requests bigint, billable_requests bigint,
  client_errors bigint, server_errors bigint, throttled bigint, response_bytes bigint, first_request timestamp,
  last_request timestamp
)
PARTITIONED BY (year int, month int, day int)
STORED AS PARQUET
LOCATION '{lake}/usage_daily/';

INSERT INTO metering.usage_daily
SELECT
  "user", coalesce(CAST(requesttime AS date), DATE '2023-01-31'), httpmethod, resourcepath, count(*),
  count_if(status < 429), count_if(status BETWEEN 400 AND 499), count_if(status >= 500), count_if(status = 429),
  coalesce(sum(responselength), 0), min(requesttime), max(requesttime), 2023, 1, 31
FROM metering.restapi_access_log_parquet
GROUP BY 1, 2, 3, 4;

CREATE EXTERNAL TABLE metering.invoices (
  invoice_id string, customer_id string, customer_name string, period_start date, period_end date, currency string,
  subtotal decimal(38,4), tax decimal(38,4), total decimal(38,4), status string
)
PARTITIONED BY (year int, month int)
STORED AS PARQUET
LOCATION '{lake}/invoices/';

INSERT INTO metering.invoices
SELECT
  'I' || CAST(n AS varchar), 'user-' || CAST(n AS varchar), CAST(NULL AS varchar), DATE '2023-01-01', DATE '2023-01-31',
  'USD', CAST(n AS decimal(38,4)) * DECIMAL '10.37', CAST(n AS decimal(38,4)) * DECIMAL '1.97',
  CAST(n AS decimal(38,4)) * DECIMAL '12.34', 'draft', 2023, 1
FROM UNNEST(sequence(1, 5)) AS t(n);

CREATE EXTERNAL TABLE metering.line_items (
  invoice_id string, customer_id string, line int, kind string, plan string, charge string, meter string,
  usage_month string, quantity decimal(38,12), amount decimal(38,4), currency string
)
PARTITIONED BY (year int, month int)
STORED AS PARQUET
LOCATION '{lake}/line_items/';

INSERT INTO metering.line_items
SELECT
  'I' || CAST(n / 3 + 1 AS varchar), 'user-' || CAST(n / 3 + 1 AS varchar), CAST(n % 3 + 1 AS integer), 'usage',
  'standard', 'calls', 'requests', '2023-01', CASE WHEN n % 5 <> 4 THEN CAST(n * 1237 AS decimal(38,12)) END,
  CAST(n AS decimal(38,4)) * DECIMAL '11.48', 'USD', 2023, 1
FROM UNNEST(sequence(0, 14)) AS t(n);

CREATE EXTERNAL TABLE metering.calls (customer string, seq int, method string, status int, bytes int)
STORED AS PARQUET
LOCATION '{lake}/small/';

INSERT INTO metering.calls
VALUES ('u1', 1, 'GET', 200, 10), ('u1', 2, 'POST', 500, NULL), ('u2', 3, 'GET', 200, 30), ('u3', 4, NULL, 404, 5);
