-- name: merge_hour_lines
-- version: 1
-- parameters:
--   raw_table (name): the access log as Firehose leaves it
--   year (integer): the hour of arrival, UTC
--   month (integer): the same
--   day (integer): the same
--   hour (integer): the same
--
-- What each raw object of an hour gave, where the engine that merged it does not say so by itself (Athena does not). merge
-- checks with it that it read the files it had listed, and counts the copies and the malformed lines.

SELECT
  "$path" AS object,
  -- A malformed line comes as a row of NULLs. It is no call.
  count_if(coalesce(
    requestid, extendedrequestid, ip, "user", requesttime, httpmethod, resourcepath, status, protocol, responselength
  ) IS NOT NULL) AS records,
  count_if(coalesce(
    requestid, extendedrequestid, ip, "user", requesttime, httpmethod, resourcepath, status, protocol, responselength
  ) IS NULL) AS malformed
FROM {{ raw_table }}
WHERE year = {{ year }} AND month = {{ month }} AND day = {{ day }} AND hour = {{ hour }}
GROUP BY 1
