"""PyAthena: its cursors, CTAS, UNLOAD, parameters, errors, and a query that is cancelled."""

import os
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial

import pandas
import pyarrow
import pyarrow.fs
import pyarrow.parquet
from data import CALLS, DATABASE, LITERALS, OUTPUT, ROWS, TEXT, VALUES
from pyathena import connect
from pyathena.arrow.cursor import ArrowCursor
from pyathena.cursor import DictCursor
from pyathena.error import DatabaseError, OperationalError
from pyathena.pandas.cursor import PandasCursor


# With credentials that it is given, pyarrow does not look at AWS_ENDPOINT_URL (apache/arrow#49643).
pyarrow.fs.S3FileSystem = partial(pyarrow.fs.S3FileSystem, endpoint_override=os.environ["AWS_ENDPOINT_URL"])


def cursor(cursor_class=None, **options):
    connection = connect(s3_staging_dir=OUTPUT, schema_name=DATABASE, poll_interval=0.05)
    return connection.cursor(cursor_class, **options) if cursor_class else connection.cursor(**options)


class PlainCursor(unittest.TestCase):
    def test_each_value_has_its_type(self):
        found = cursor().execute(LITERALS)
        row = found.fetchone()
        self.assertEqual(row, tuple(VALUES.values()))
        self.assertEqual([type(value) for value in row], [type(value) for value in VALUES.values()])
        types = [(name, kind, precision, scale) for name, kind, _, _, precision, scale, _ in found.description]
        # Trino knows how long a literal is; to the embedded engine all text is as long as can be.
        self.assertIn(types[5][2], (len(TEXT), 2147483647))
        types[5:7] = [(name, kind, 2147483647, scale) for name, kind, _, scale in types[5:7]]
        self.assertEqual(types, [
            ("a_boolean", "boolean", 0, 0),
            ("an_integer", "integer", 10, 0),
            ("a_bigint", "bigint", 19, 0),
            ("a_double", "double", 17, 0),
            ("a_decimal", "decimal", 10, 2),
            ("a_text", "varchar", 2147483647, 0),
            ("an_empty_text", "varchar", 2147483647, 0),
            ("a_null_text", "varchar", 2147483647, 0),
            ("a_null_integer", "integer", 10, 0),
            ("a_date", "date", 0, 0),
            ("a_timestamp", "timestamp", 3, 0),
        ])
        self.assertIsNone(found.fetchone())

    def test_values_of_several_parts_are_told_apart(self):
        row = cursor().execute("SELECT ARRAY['a', 'b c', NULL], ARRAY[1, 2], to_utf8('hey')").fetchone()
        self.assertEqual(row, (["a", "b c", None], [1, 2], b"hey"))

    def test_the_merged_calls_are_read(self):
        found = cursor().execute(CALLS)
        self.assertEqual(found.fetchall(), ROWS)
        self.assertEqual(found.rowcount, -1)
        self.assertGreater(found.data_scanned_in_bytes, 0)

    def test_rows_come_as_dictionaries(self):
        self.assertEqual(cursor(DictCursor).execute(LITERALS).fetchall(), [VALUES])

    def test_more_rows_than_a_page_are_read(self):
        found = cursor().execute("SELECT n FROM UNNEST(sequence(1, 2500)) AS t(n) ORDER BY n")
        self.assertEqual(found.fetchall(), [(n,) for n in range(1, 2501)])

    def test_parameters_are_written_into_the_text(self):
        sql = "SELECT %(text)s AS a, %(number)d + 1 AS b, %(decimal)s AS c, %(missing)s AS d"
        parameters = {"text": TEXT, "number": 41, "decimal": Decimal("1.50"), "missing": None}
        self.assertEqual(cursor().execute(sql, parameters).fetchall(), [(TEXT, 42, Decimal("1.50"), None)])

    def test_parameters_are_sent_beside_the_text(self):
        sql = "SELECT extendedrequestid FROM restapi_access_log_parquet WHERE \"user\" = ? AND responselength > ?"
        parameters = ["'say \"서울\", it''s'", "26"]
        self.assertEqual(cursor().execute(sql, parameters, paramstyle="qmark").fetchall(), [("c",)])

    def test_a_table_is_created_from_a_query(self):
        found = cursor().execute(f"CREATE TABLE created WITH (format = 'PARQUET') AS {LITERALS}")
        self.assertEqual(found.description, [("rows", "bigint", None, None, 19, 0, "UNKNOWN")])
        self.assertEqual((found.rowcount, found.fetchone()), (1, None))
        self.assertEqual(cursor().execute("SELECT * FROM created").fetchall(), [tuple(VALUES.values())])
        cursor().execute("DROP TABLE created")
        self.assertNotIn(("created",), cursor().execute("SHOW TABLES").fetchall())

    def test_rows_are_unloaded(self):
        found = cursor().execute(f"UNLOAD ({CALLS}) TO '{OUTPUT}unloaded/' WITH (format = 'PARQUET')")
        self.assertTrue(found.data_manifest_location.endswith(f"{found.query_id}-manifest.csv"))
        self.assertEqual(self.codec(f"{OUTPUT}unloaded/"), "GZIP")

    def test_a_table_is_compressed_as_asked(self):
        for name, asked, expected in [("plain", "", "GZIP"), ("small", ", write_compression = 'ZSTD'", "ZSTD")]:
            folder = f"{OUTPUT}{name}/"
            properties = f"format = 'PARQUET', external_location = '{folder}'{asked}"
            cursor().execute(f"CREATE TABLE {name} WITH ({properties}) AS SELECT 1 AS n")
            self.assertEqual(self.codec(folder), expected)

    def codec(self, folder):
        s3 = pyarrow.fs.S3FileSystem()
        (file, *_) = s3.get_file_info(pyarrow.fs.FileSelector(folder.removeprefix("s3://")))
        with s3.open_input_file(file.path) as content:
            return pyarrow.parquet.ParquetFile(content).metadata.row_group(0).column(0).compression

    def test_the_catalog_is_shown(self):
        self.assertIn((DATABASE,), cursor().execute("SHOW DATABASES").fetchall())
        self.assertIn(("restapi_access_log_parquet",), cursor().execute("SHOW TABLES").fetchall())
        partitions = cursor().execute("SHOW PARTITIONS restapi_access_log_parquet").fetchall()
        self.assertEqual(partitions, [("year=2023/month=01/day=31/hour=06",)])
        columns = [name.strip() for (name,) in cursor().execute("SHOW COLUMNS IN usage_daily").fetchall()]
        self.assertEqual((columns[:2], columns[-3:]), (["user", "usage_date"], ["year", "month", "day"]))

    def test_an_error_reaches_the_caller(self):
        # Trino says where in the statement, the embedded engine does not.
        not_found = "TABLE_NOT_FOUND: (line 1:15: )?Table 'awsdatacatalog.*nowhere' does not exist"
        with self.assertRaisesRegex(OperationalError, not_found):
            cursor().execute("SELECT * FROM nowhere")
        with self.assertRaisesRegex(DatabaseError, "Only one sql statement is allowed"):
            cursor().execute("SELECT 1; SELECT 2")

    def test_a_query_is_cancelled(self):
        numbers = "UNNEST(sequence(1, 10000))"
        sql = f"SELECT count(*) FROM {numbers} AS a(x), {numbers} AS b(y), {numbers} AS c(z)"
        slow, ids = cursor(), []
        with ThreadPoolExecutor() as pool:
            running = pool.submit(slow.execute, sql, on_start_query_execution=lambda id: (ids.append(id), slow.cancel()))
            with self.assertRaisesRegex(OperationalError, "Query cancelled by user"):
                running.result()
        self.assertEqual(len(ids), 1)

    def test_a_query_that_ran_before_is_found_again(self):
        first, sql = cursor(), "SELECT 'once' AS text"
        first.execute(sql)
        again = cursor()
        again.execute(sql, cache_size=50)
        self.assertEqual((again.query_id, again.fetchall()), (first.query_id, [("once",)]))


class Frames(unittest.TestCase):
    def test_pandas_reads_the_csv(self):
        frame = cursor(PandasCursor).execute(CALLS).as_pandas()
        self.assertEqual(list(frame["id"]), ["a", "b", "c", "d"])
        self.assertEqual(list(frame["user"]), [row[1] for row in ROWS])
        self.assertEqual(list(frame["requesttime"]), [pandas.Timestamp(row[2]) for row in ROWS])
        self.assertEqual(str(frame["status"].dtype), "Int64")
        self.assertEqual(frame["status"].to_list(), [200, pandas.NA, 200, 200])
        self.assertEqual(frame["responselength"].to_list(), [27, pandas.NA, 27, 1099511627775])

    def test_pandas_reads_each_value(self):
        (row,) = cursor(PandasCursor).execute(LITERALS).as_pandas().to_dict("records")
        self.assertEqual(row["a_decimal"], Decimal("12.50"))
        self.assertEqual((row["a_boolean"], row["a_bigint"], row["a_text"]), (True, 1099511627775, TEXT))
        self.assertEqual(row["a_timestamp"], pandas.Timestamp(VALUES["a_timestamp"]))
        self.assertTrue(pandas.isna(row["a_null_integer"]))

    def test_arrow_reads_the_csv(self):
        table = cursor(ArrowCursor).execute(CALLS).as_arrow()
        self.assertEqual(table.schema.field("status").type, pyarrow.int32())
        self.assertEqual(table.schema.field("responselength").type, pyarrow.int64())
        self.assertEqual([tuple(row.values()) for row in table.to_pylist()], ROWS)

    def test_arrow_reads_each_value(self):
        # Its CSV reader has no decimals and cannot tell NULL from the empty text.
        expected = VALUES | {"a_decimal": "12.50", "a_null_text": ""}
        self.assertEqual(cursor(ArrowCursor).execute(LITERALS).as_arrow().to_pylist(), [expected])

    def test_arrow_and_pandas_read_what_was_unloaded(self):
        columns = list(VALUES)
        arrow = cursor(ArrowCursor, unload=True).execute(LITERALS).as_arrow()
        self.assertEqual(arrow.column_names, columns)
        self.assertEqual(arrow.to_pylist(), [VALUES])
        self.assertEqual(arrow.schema.field("a_decimal").type, pyarrow.decimal128(10, 2))
        # Rows that are unloaded into several objects lose their order.
        calls = cursor(ArrowCursor, unload=True).execute(CALLS).as_arrow().to_pylist()
        self.assertEqual(sorted((tuple(row.values()) for row in calls), key=lambda row: row[0]), ROWS)
        frame = cursor(PandasCursor, unload=True).execute(CALLS).as_pandas().sort_values("id")
        self.assertEqual(list(frame["user"]), [row[1] for row in ROWS])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
