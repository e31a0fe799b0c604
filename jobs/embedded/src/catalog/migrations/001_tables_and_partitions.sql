-- What Glue's Data Catalog holds, as far as a lake needs it. STRICT: a value of a wrong type is an error, not a surprise.
-- Locations in the lake begin with a dot, for its folder: a lake can be moved.

CREATE TABLE databases (
    name TEXT NOT NULL PRIMARY KEY,
    parameters TEXT NOT NULL -- JSON object
) STRICT, WITHOUT ROWID;

CREATE TABLE tables (
    database_name TEXT NOT NULL REFERENCES databases (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    definition TEXT NOT NULL, -- JSON of the whole table
    PRIMARY KEY (database_name, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE partitions (
    database_name TEXT NOT NULL,
    table_name TEXT NOT NULL,
    -- JSON array of the values as registered: ["01"] and ["1"] are two partitions, as in Glue.
    key_values TEXT NOT NULL,
    location TEXT NOT NULL,
    parameters TEXT NOT NULL, -- JSON object
    -- The same values, to filter and sort by: a number where the text is an integer, else the text. ANY keeps the two
    -- apart (NUMERIC would take 1e3 for 1000), and SQLite puts every text after every number, so a text is in no range.
    k1 ANY, k2 ANY, k3 ANY, k4 ANY, k5 ANY, k6 ANY, k7 ANY, k8 ANY,
    PRIMARY KEY (database_name, table_name, key_values),
    FOREIGN KEY (database_name, table_name) REFERENCES tables (database_name, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX partitions_by_key ON partitions (database_name, table_name, k1, k2, k3, k4);
