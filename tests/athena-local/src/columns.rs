//! The columns of a result, as Athena describes them.

use serde_json::{Value, json};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Athena's name of its type, without arguments.
    pub(crate) data_type: String,
    pub(crate) precision: i32,
    pub(crate) scale: i32,
}

impl Column {
    /// A column of one of Trino's types, such as `decimal(10,2)`, or of Hive's `string`.
    ///
    /// Trino knows the length of `'abc'`. The embedded engine does not: there, all text is as long as can be.
    pub(crate) fn new(name: &str, trino_type: &str) -> Self {
        let (base, arguments) = match trino_type.split_once('(') {
            Some((base, rest)) => (base, rest.split_once(')').unwrap_or((rest, ""))),
            None => (trino_type, ("", "")),
        };
        let argument = |at: usize| arguments.0.split(',').nth(at).and_then(|text| text.trim().parse().ok());
        let (data_type, precision, scale) = match base {
            "tinyint" => (base, 3, 0),
            "smallint" => (base, 5, 0),
            "integer" => (base, 10, 0),
            "bigint" => (base, 19, 0),
            "real" => ("float", 17, 0),
            "double" => (base, 17, 0),
            "decimal" => (base, argument(0).unwrap_or(38), argument(1).unwrap_or(0)),
            "varchar" | "char" => (base, argument(0).unwrap_or(i32::MAX), 0),
            "varbinary" => (base, 1 << 30, 0),
            "timestamp" => (base, argument(0).unwrap_or(3), 0),
            // boolean, date, array, map, row, Hive's string
            _ => (base, 0, 0),
        };
        // ` with time zone`
        let data_type = format!("{data_type}{}", if base == "timestamp" { arguments.1 } else { "" });
        Self { name: name.to_owned(), data_type, precision, scale }
    }

    pub(crate) fn is_case_sensitive(&self) -> bool {
        self.data_type == "varchar"
    }

    /// Athena's `ColumnInfo`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": self.name,
            "Label": self.name,
            "Type": self.data_type,
            "Precision": self.precision,
            "Scale": self.scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": self.is_case_sensitive(),
        })
    }
}

/// The content of the `.metadata` object that lies beside a result.
///
/// Its format is not documented: this is what Burt's JDBC driver for Athena reads from it, a message of Protocol Buffers
/// with the columns.
pub(crate) fn metadata(id: &str, columns: &[Column]) -> Vec<u8> {
    let mut message = Message::default();
    message.bytes(1, id.as_bytes());
    for column in columns {
        let mut inner = Message::default();
        inner.bytes(1, b"hive");
        inner.bytes(4, column.name.as_bytes());
        inner.bytes(5, column.name.as_bytes());
        inner.bytes(6, column.data_type.as_bytes());
        inner.number(7, column.precision.unsigned_abs());
        inner.number(8, column.scale.unsigned_abs());
        // Whether it may be NULL is not known.
        inner.number(9, 3);
        inner.number(10, u32::from(column.is_case_sensitive()));
        message.bytes(4, &inner.0);
    }
    message.0
}

/// A message of Protocol Buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, field: u32, value: u32) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn bytes(&mut self, field: u32, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(value);
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_described_as_athena_does() {
        for (trino_type, data_type, precision, scale) in [
            ("boolean", "boolean", 0, 0),
            ("integer", "integer", 10, 0),
            ("bigint", "bigint", 19, 0),
            ("real", "float", 17, 0),
            ("double", "double", 17, 0),
            ("decimal(12,3)", "decimal", 12, 3),
            ("varchar", "varchar", 2_147_483_647, 0),
            ("varchar(3)", "varchar", 3, 0),
            ("varbinary", "varbinary", 1_073_741_824, 0),
            ("date", "date", 0, 0),
            ("timestamp(3)", "timestamp", 3, 0),
            ("timestamp(3) with time zone", "timestamp with time zone", 3, 0),
            ("array(decimal(3,1))", "array", 0, 0),
            ("row(a decimal(3,1))", "row", 0, 0),
            ("map(varchar, bigint)", "map", 0, 0),
            ("string", "string", 0, 0),
        ] {
            let column = Column::new("c", trino_type);
            let expected = Column { name: "c".to_owned(), data_type: data_type.to_owned(), precision, scale };
            assert_eq!(column, expected, "{trino_type}");
            assert_eq!(column.is_case_sensitive(), data_type == "varchar");
        }
    }

    #[test]
    fn the_metadata_name_each_column_and_its_type() {
        let column = Column::new("n", "varchar");
        let inner = b"\x0a\x04hive\x22\x01n\x2a\x01n\x32\x07varchar\x38\xff\xff\xff\xff\x07\x40\x00\x48\x03\x50\x01";
        let mut expected = b"\x0a\x02id\x22".to_vec();
        expected.push(u8::try_from(inner.len()).unwrap());
        expected.extend_from_slice(inner);
        assert_eq!(metadata("id", &[column]), expected);
    }
}
