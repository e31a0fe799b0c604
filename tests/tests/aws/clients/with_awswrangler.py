"""awswrangler: `read_sql_query` as a CTAS, as an UNLOAD and over the CSV, and the calls around it."""

import sys
import unittest
from decimal import Decimal
from uuid import uuid4

import awswrangler
import pandas
from awswrangler.exceptions import InvalidArgumentValue, InvalidCtasApproachQuery, QueryFailed
from data import CALLS, DATABASE, LITERALS, OUTPUT, ROWS, TEXT, VALUES

athena = awswrangler.athena

MODES = {
    "CTAS": {"ctas_approach": True},
    "UNLOAD": {"ctas_approach": False, "unload_approach": True},
    "CSV": {"ctas_approach": False},
}


def read(sql, mode, **options):
    # An UNLOAD needs an empty folder, and is let write to the output itself.
    output = f"{OUTPUT}{uuid4()}/" if mode == "UNLOAD" else OUTPUT
    options = MODES[mode] | {"s3_output": output, "athena_query_wait_polling_delay": 0.05} | options
    return athena.read_sql_query(sql, database=DATABASE, **options)


def rows(frame):
    """Rows in which everything that is missing is None."""
    return [tuple(None if pandas.isna(cell) else cell for cell in row) for row in frame.itertuples(index=False)]


class ReadSqlQuery(unittest.TestCase):
    def test_the_merged_calls_are_read_in_each_mode(self):
        for mode in MODES:
            with self.subTest(mode):
                frame = read(CALLS, mode).sort_values("id")
                # The CSV reader of pandas cannot tell the empty text from NULL.
                expected = [tuple(cell or None for cell in row) for row in ROWS] if mode == "CSV" else ROWS
                self.assertEqual(rows(frame), expected)
                types = [str(frame[name].dtype) for name in ("status", "responselength", "hour")]
                self.assertEqual(types, ["Int32", "Int64", "Int32"])

    def test_each_value_is_read_in_each_mode(self):
        for mode in MODES:
            with self.subTest(mode):
                ((*values,),) = rows(read(LITERALS, mode))
                expected = dict(VALUES)
                if mode == "CSV":
                    expected["an_empty_text"] = None
                self.assertEqual(dict(zip(VALUES, values)), expected)
                self.assertIs(type(values[4]), Decimal)

    def test_a_result_without_rows_has_its_columns(self):
        for mode in ("CTAS", "CSV"):
            with self.subTest(mode):
                frame = read(f"SELECT * FROM ({LITERALS}) WHERE an_integer > 7", mode)
                self.assertEqual((list(frame.columns), len(frame)), (list(VALUES), 0))

    def test_parameters_are_taken_in_each_mode(self):
        by_name = "SELECT extendedrequestid AS id FROM restapi_access_log_parquet WHERE \"user\" = :user"
        by_place = by_name.replace(":user", "?")
        for mode in MODES:
            with self.subTest(mode):
                self.assertEqual(rows(read(by_name, mode, params={"user": TEXT})), [("c",)])
                quoted = "'" + TEXT.replace("'", "''") + "'"
                self.assertEqual(rows(read(by_place, mode, params=[quoted], paramstyle="qmark")), [("c",)])

    def test_rows_are_read_in_chunks(self):
        numbers = "SELECT n FROM UNNEST(sequence(1, 2500)) AS t(n)"
        for mode in MODES:
            with self.subTest(mode):
                chunks = [len(chunk) for chunk in read(numbers, mode, chunksize=1000)]
                self.assertEqual((sum(chunks), max(chunks)), (2500, 1000))

    def test_nothing_is_left_of_a_temporary_table(self):
        read("SELECT 1 AS n", "CTAS", ctas_parameters={"temp_table_name": "temporary"}, keep_files=False)
        self.assertFalse(awswrangler.catalog.does_table_exist(DATABASE, "temporary"))
        self.assertEqual(awswrangler.s3.list_objects(f"{OUTPUT}temporary/"), [])
        before = awswrangler.s3.list_objects(OUTPUT)
        read("SELECT 1 AS n", "CSV", keep_files=False)
        self.assertEqual(awswrangler.s3.list_objects(OUTPUT), before)

    def test_an_error_reaches_the_caller(self):
        for mode in MODES:
            with self.subTest(mode), self.assertRaisesRegex(QueryFailed, "TABLE_NOT_FOUND"):
                read("SELECT * FROM nowhere", mode)
        with self.assertRaises(InvalidCtasApproachQuery):
            read("SELECT 1 AS n, 2 AS n", "CTAS")
        with self.assertRaises(InvalidArgumentValue):
            read("SELECT NULL AS n", "CTAS")


class Around(unittest.TestCase):
    def test_a_table_is_described_and_its_statement_shown(self):
        described = athena.describe_table("restapi_access_log_parquet", DATABASE, s3_output=OUTPUT)
        first = described.iloc[0].to_dict()
        self.assertEqual(first, {"Column Name": "requestid", "Type": "string", "Partition": False, "Comment": ""})
        keys = described[described["Partition"]]["Column Name"].to_list()
        self.assertEqual(keys, ["year", "month", "day", "hour"])
        shown = athena.show_create_table("restapi_access_log_parquet", DATABASE, s3_output=OUTPUT)
        self.assertTrue(shown.startswith("CREATE EXTERNAL TABLE `restapi_access_log_parquet`("), shown)
        # Of a table without folders: it would register those of the calls once more, with the values as the path has them.
        self.assertEqual(athena.repair_table("usage_daily", DATABASE, s3_output=OUTPUT), "SUCCEEDED")

    def test_a_query_is_started_stopped_and_looked_up(self):
        id = athena.start_query_execution("SELECT 1", database=DATABASE, s3_output=OUTPUT)
        self.assertEqual(athena.wait_query(id)["Status"]["State"], "SUCCEEDED")
        athena.stop_query_execution(id)
        found = athena.get_query_executions([id], return_unprocessed=False)
        self.assertEqual(found["QueryExecutionId"].to_list(), [id])
        self.assertIn(id, athena.list_query_executions())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
