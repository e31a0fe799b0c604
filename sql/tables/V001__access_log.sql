-- name: access_log
-- version: 1
-- parameters:
--   database (name): the database of the tables
--   raw_table (name): the access log as Firehose leaves it
--   raw_location (text): the folder it is delivered to
--   merged_table (name): the access log merged, typed and free of copies
--   merged_location (text): the folder that merge writes to
--
-- The two hourly tables. Both are partitioned by the hour of arrival, UTC: a call is found under the hour its object
-- began in, which may be a little before the hour it was made in.

CREATE DATABASE IF NOT EXISTS {{ database }};

-- The raw lines. Every column is a string: the gateway logs `-` for a missing value, also where a number belongs, and
-- older lines carry bare numbers. Queries convert with try_cast(nullif(x, '-') AS …).
CREATE EXTERNAL TABLE IF NOT EXISTS {{ raw_table }} (
  `requestid`         string COMMENT 'set by the gateway or by the client: identifies nothing',
  `extendedrequestid` string COMMENT 'set by the gateway alone: identifies the call; missing in older lines',
  `ip`                string COMMENT 'source address',
  `user`              string COMMENT 'unchangeable id of the caller; - for an unauthenticated call',
  `requesttime`       string COMMENT 'milliseconds since 1970-01-01, UTC',
  `httpmethod`        string,
  `resourcepath`      string COMMENT 'the path as the API defines it, with {placeholders}',
  `status`            string COMMENT 'HTTP status',
  `protocol`          string,
  `responselength`    string COMMENT 'bytes'
)
PARTITIONED BY (`year` int, `month` int, `day` int, `hour` int)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'case.insensitive' = 'true')
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION {{ raw_location }};

-- One row a call. Each partition points at the one generation (folder run=…) that merge published last.
CREATE EXTERNAL TABLE IF NOT EXISTS {{ merged_table }} (
  `requestid`         string,
  `extendedrequestid` string,
  `ip`                string,
  `user`              string,
  `requesttime`       timestamp COMMENT 'when the call was made, UTC, to the millisecond',
  `httpmethod`        string,
  `resourcepath`      string,
  `status`            int,
  `protocol`          string,
  `responselength`    bigint COMMENT 'bytes'
)
PARTITIONED BY (`year` int, `month` int, `day` int, `hour` int)
STORED AS PARQUET
LOCATION {{ merged_location }};
