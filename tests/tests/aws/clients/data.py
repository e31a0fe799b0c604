"""What the scripts know of the lake and of Athena's values."""

import sys
from datetime import date, datetime
from decimal import Decimal

# The database, and where results go.
DATABASE, OUTPUT = sys.argv[1:3]

# A value of each type that a client may read in a way of its own.
LITERALS = """SELECT
    true AS a_boolean,
    CAST(7 AS integer) AS an_integer,
    CAST(1099511627775 AS bigint) AS a_bigint,
    CAST(1.5 AS double) AS a_double,
    CAST('12.5' AS decimal(10,2)) AS a_decimal,
    'say "서울", it''s' AS a_text,
    '' AS an_empty_text,
    CAST(NULL AS varchar) AS a_null_text,
    CAST(NULL AS integer) AS a_null_integer,
    DATE '2023-01-31' AS a_date,
    TIMESTAMP '2023-01-31 06:00:00.123' AS a_timestamp"""

TEXT = 'say "서울", it\'s'
VALUES = {
    "a_boolean": True,
    "an_integer": 7,
    "a_bigint": 1099511627775,
    "a_double": 1.5,
    "a_decimal": Decimal("12.50"),
    "a_text": TEXT,
    "an_empty_text": "",
    "a_null_text": None,
    "a_null_integer": None,
    "a_date": date(2023, 1, 31),
    "a_timestamp": datetime(2023, 1, 31, 6, 0, 0, 123000),
}

# The merged calls, in the order of their ids.
CALLS = """SELECT extendedrequestid AS id, "user", requesttime, resourcepath, status, responselength, hour
FROM restapi_access_log_parquet WHERE year = 2023 AND month = 1 AND day = 31 AND hour = 6 ORDER BY 1"""

USER = "5c1d9f5e-0c4b-4d4f-9a55-1f0f8d2f6a01"
TIME = datetime(2023, 1, 31, 6, 22, 15, 165000)
ROWS = [
    ("a", USER, TIME, "/random/strings", 200, 27, 6),
    ("b", "-", TIME, "/random/strings", None, None, 6),
    ("c", TEXT, datetime(2023, 1, 31, 6, 20), "/random/strings", 200, 27, 6),
    ("d", USER, TIME, "", 200, 1099511627775, 6),
]
