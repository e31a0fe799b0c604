-- name: published
-- version: 1
-- parameters:
--   generations (texts): the generations that are published of what the statement reads
--
-- One more condition of WHERE, by which a statement sees the rows that its job knows of and no others. A catalog may be
-- behind, or have a partition that no job published; both would change what comes out.

{% if generations %}
AND regexp_extract("$path", '.*/run=([0-9a-z_]+)/', 1) IN (
  {% for generation in generations %}{{ generation }}{% if not loop.last %}, {% endif %}{% endfor %}
)
{% else %}
AND false
{% endif %}
