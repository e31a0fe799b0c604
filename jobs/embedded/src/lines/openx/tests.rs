//! What Trino's reader takes for JSON, and what it makes of it.

use super::*;

/// The values of a line, each as `name=value`; NULL is `-`.
fn values(line: &str) -> Result<Vec<String>, Malformed> {
    let mut values = Vec::new();
    read(line, |key, value| {
        let key = match key {
            Key::Name(name) => name.to_owned(),
            Key::Place(place) => place.to_string(),
        };
        let value = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => format!("`{text}`"),
            Value::Other(text) => format!("`{text}`"),
        };
        values.push(format!("{key}={value}"));
    })?;
    Ok(values)
}

#[test]
fn lines_are_read_as_trino_reads_them() {
    for (line, expected) in [
        (r#"{"status": -, "user": "-"}"#, vec!["status=`-`", "user=`-`"]),
        ("{'a': 'it\\'s', b: x}", vec!["a=`it's`", "b=`x`"]),
        ("{a=1; b=>2, \"c\":NULL}", vec!["a=`1`", "b=`2`", "c=-"]),
        (r#"{"a": 1} {"a": 2}"#, vec!["a=`1`"]),
        (r#"{"a":"1"}}"#, vec!["a=`1`"]),
        ("{/* 1 */ a: # 2\n 3}", vec!["a=`3`"]),
        (r#"{"a": "\ud83d\ude00 \u00e9\n\"x\""}"#, vec!["a=`😀 é\n\"x\"`"]),
        (r#"{"a":"\ud800","b":"\udc00x","c":"\q\a\v\0"}"#, vec!["a=`?`", "b=`?x`", "c=`q\u{7}\t0`"]),
        ("{\"a\":\"x\ty\u{1}z\0\"}", vec!["a=`x\ty\u{1}z\0`"]),
        ("\0\0 {\"a\":\"x\"}", vec!["a=`x`"]),
        ("\u{1}{\"a\":1}", vec!["a=`1`"]),
        ("[1,,'b',]", vec!["0=`1`", "1=-", "2=`b`", "3=-"]),
        (r#"[ "x" , 1, {"k" : 1} ]"#, vec!["0=`x`", "1=`1`", r#"2=`{"k":1}`"#]),
        (r#"{"a":True,"b":null,"c":"null"}"#, vec!["a=`true`", "b=-", "c=`null`"]),
        ("{}", vec![]),
        ("", vec![]),
        ("no JSON", vec![]),
        ("\u{a0}{\"a\":1}", vec![]),
        ("\"x\"", vec![]),
    ] {
        assert_eq!(values(line).unwrap(), expected, "{line}");
    }
}

#[test]
fn numbers_are_printed_as_java_prints_them() {
    for (written, printed) in [
        ("0200", "128"),
        ("007", "7"),
        ("00", "0"),
        ("08", "8"),
        ("-0200", "-200"),
        ("0x1F", "31"),
        ("-0x1F", "-0x1F"),
        ("0xG", "0xG"),
        ("1.675146135165e12", "1675146135165"),
        ("1e3", "1E+3"),
        ("1E-7", "1E-7"),
        ("0.0000001", "1E-7"),
        ("0.1e-7", "1E-8"),
        ("-0", "0"),
        ("-0.0", "0.0"),
        ("1.50", "1.50"),
        ("100.0", "100.0"),
        ("1.0e2", "1.0E+2"),
        ("1.10e1", "11.0"),
        ("123e0", "123"),
        ("0e5", "0E+5"),
        ("1e-400", "1E-400"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+5", "5"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("0777777777777777777777777", "777777777777777777777777"),
        ("NaN", "NaN"),
        ("5L", "5L"),
        ("1.2.3", "1.2.3"),
        ("--1", "--1"),
    ] {
        assert_eq!(values(&format!("{{a: {written}}}")).unwrap(), [format!("a=`{printed}`")], "{written}");
    }
}

#[test]
fn nested_values_are_printed_anew() {
    for (written, printed) in [
        (r#"{ "k" : 1 , "l" : [ 1 , 2.0 , "x\ny" , null , true ] }"#, r#"{"k":1,"l":[1,2.0,"x\ny",null,true]}"#),
        (r#"{k:-, "l":"\u00e9/"}"#, r#"{"k":"-","l":"é/"}"#),
        (r#"{"k":"a\"b","l":"</x>","m":1e3,"n":0200}"#, r#"{"k":"a\"b","l":"<\/x>","m":1E+3,"n":128}"#),
        (r#"[1,2,[3,{"x":1e3}]]"#, r#"[1,2,[3,{"x":1E+3}]]"#),
        ("{}", "{}"),
        ("[]", "[]"),
    ] {
        assert_eq!(values(&format!("{{a: {written}}}")).unwrap(), [format!("a=`{printed}`")], "{written}");
    }
}

#[test]
fn what_has_no_end_or_no_value_is_malformed() {
    for (line, problem) in [
        ("{", "a value is missing at column 1"),
        (r#"{"a""#, "a name without a value at column 4"),
        (r#"{"a": 1"#, "an object has no end at column 7"),
        (r#"{"a": "1"#, "a string has no end at column 7"),
        (r#"{"a": 1,}"#, "a value is missing at column 8"),
        (r#"{"a": "\u12"}"#, "a wrong escape sequence at column 12"),
        ("{null: 1}", "a name is null at column 5"),
        ("[1", "a list has no end at column 2"),
        ("{/* a: 1}", "a comment has no end at column 1"),
        ("{'a': x y}", "an object has no end at column 9"),
    ] {
        assert_eq!(values(line), Err(problem.to_owned()), "{line}");
    }
    assert!(values(&"[".repeat(100_000)).unwrap_err().starts_with("it is nested too deeply"));
}
