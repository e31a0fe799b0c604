-- name: lines
-- version: 1
-- parameters:
--   lines_table (name): the raw lines as text
--   unreadable (texts): raw objects that are no lines of text, by their "$path"; at most 90
--   year (integer): the hour of arrival, UTC
--   month (integer): the same
--   day (integer): the same
--   hour (integer): the same
--
-- The lines of an hour that are not blank. Whatever reads raw lines includes this file, so that merge and the count that
-- checks it mean the same by a line:
--   path      varchar  the object
--   text      varchar  the line without the blanks around it and without a byte order mark
--   is_whole  boolean  false: U+0001 stands in the line, and `text` ends before it

lines AS (
  SELECT path, text, is_whole
  FROM (
    SELECT
      path,
      -- Objects that were joined from several have a byte order mark in their middle.
      CASE WHEN trimmed LIKE U&'\FEFF%' THEN trim(substr(trimmed, 2)) ELSE trimmed END AS text,
      is_whole
    FROM (
      SELECT
        "$path" AS path,
        -- A line of just \N would be NULL. Bytes that are no UTF-8 become U+FFFD.
        trim(from_utf8(to_utf8(coalesce(line, '\N')))) AS trimmed,
        -- U+0001 ends the first column of a text table. (A second one that is just \N would be NULL too; nobody's log has it.)
        rest IS NULL AS is_whole
      FROM {{ lines_table }}
      WHERE year = {{ year }} AND month = {{ month }} AND day = {{ day }} AND hour = {{ hour }}
        {% if unreadable %}
        AND "$path" NOT IN ({% for path in unreadable %}{{ path }}{% if not loop.last %}, {% endif %}{% endfor %})
        {% endif %}
    )
  )
  WHERE text <> '' OR NOT is_whole
)
