-- name: merge_hour_lines
-- version: 2
-- parameters:
--   lines_table (name): the raw lines as text
--   raw_folder (text): the folder of the raw objects, with a slash at its end
--   unreadable (texts): raw objects of the hour that are no lines of text, by their "$path"; at most 90
--   year (integer): the hour of arrival, UTC
--   month (integer): the same
--   day (integer): the same
--   hour (integer): the same
--
-- How many lines that are not blank each raw object of an hour has, counted over the text, and how many characters its
-- longest has. merge checks with it that every line came out as something, that every object was read, and that no line was
-- longer than all engines take.

WITH
{% include "sources/lines.sql" %}
SELECT substr(path, length({{ raw_folder }}) + 1) AS object, count(*) AS lines, max(length(text)) AS longest
FROM lines
GROUP BY path
