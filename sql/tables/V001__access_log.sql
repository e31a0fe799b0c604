-- name: access_log
-- version: 1
-- parameters:
--   database (name): the database of the tables
--   raw_table (name): the access log as Firehose leaves it, as JSON
--   lines_table (name): the same objects as lines of text
--   raw_location (text): the folder they are delivered to
--   merged_table (name): the access log merged, typed and free of copies
--   merged_location (text): the folder that merge writes to
--   copies_table (name): the copies that merging left out
--   copies_location (text): a folder that stays empty
--   malformed_table (name): the lines that are no records
--   malformed_location (text): a folder that stays empty
--
-- The hourly tables. All are partitioned by the hour of arrival, UTC: a call is found under the hour its object began in,
-- which may be a little before the hour it was made in.

CREATE DATABASE IF NOT EXISTS {{ database }};

-- The raw records as JSON, for people to look at; no job reads this table. Every column is a string: the gateway logs `-` for a
-- missing value, also where a number belongs, and older lines carry bare numbers. Queries convert with
-- try_cast(nullif(x, '-') AS …). Engines differ in what they make of a line that is no JSON.
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

-- The raw records as lines of text: what merge reads. One row is one line, on every engine.
CREATE EXTERNAL TABLE IF NOT EXISTS {{ lines_table }} (
  `line` string,
  `rest` string COMMENT 'NULL, unless U+0001 stands in the line'
)
PARTITIONED BY (`year` int, `month` int, `day` int, `hour` int)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\001'
STORED AS TEXTFILE
LOCATION {{ raw_location }};

-- One row a call. Each partition points into the one generation (folder run=…) that merge published last. That partition is
-- the publication; those of the two tables below follow it.
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
  `responselength`    bigint COMMENT 'bytes',
  `object`            string COMMENT 'the raw object, below the raw folder',
  `copy_key`          binary COMMENT '16 bytes, equal for records that are copies of each other',
  `piece`             int    COMMENT '0, or which record of its line it is, from 1',
  `unreadable`        int    COMMENT 'times, statuses and lengths that could not be read, and 1 if the record is broken'
)
PARTITIONED BY (`year` int, `month` int, `day` int, `hour` int)
STORED AS PARQUET
LOCATION {{ merged_location }};

-- Records that are copies of a call, in their hour or in the hour before. Their text is that of the call.
CREATE EXTERNAL TABLE IF NOT EXISTS {{ copies_table }} (
  `requestid`         string,
  `extendedrequestid` string,
  `ip`                string,
  `user`              string,
  `requesttime`       timestamp COMMENT 'UTC',
  `httpmethod`        string,
  `resourcepath`      string,
  `status`            int,
  `protocol`          string,
  `responselength`    bigint COMMENT 'bytes',
  `object`            string COMMENT 'the raw object, below the raw folder',
  `copy_key`          binary COMMENT 'that of the call',
  `piece`             int    COMMENT '0, or which record of its line it is, from 1',
  `unreadable`        int    COMMENT 'times, statuses and lengths that could not be read, and 1 if the record is broken'
)
PARTITIONED BY (`year` int, `month` int, `day` int, `hour` int)
STORED AS PARQUET
LOCATION {{ copies_location }};

-- Lines that are no records, and pieces of lines.
CREATE EXTERNAL TABLE IF NOT EXISTS {{ malformed_table }} (
  `object`   string COMMENT 'the raw object, below the raw folder',
  `copy_key` binary,
  `piece`    int    COMMENT '0, or which piece of its line it is, from 1',
  `reason`   string COMMENT 'not JSON, no JSON object, a column twice or nested, no column of ours, U+0001 in the line',
  `line`     string COMMENT 'the text, up to 65,536 characters'
)
PARTITIONED BY (`year` int, `month` int, `day` int, `hour` int)
STORED AS PARQUET
LOCATION {{ malformed_location }};
