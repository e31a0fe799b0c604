//! Raw objects as they come to people, good and bad: what a line, a record and an object can be. Engines must agree on each.

use crate::calls::{call, calls, gzip, with};

/// An object of an hour: its name and its bytes.
pub type RawObject = (&'static str, Vec<u8>);

/// A record in which the value of one key is written as it stands, quotes included.
#[must_use]
pub fn with_raw(id: &str, key: &str, value: &str) -> String {
    let record = with(call(id), key, "@").to_string();
    record.replace("\"@\"", value)
}

/// Lines of every kind: numbers and times in all forms, keys twice, what is no record, odd bytes and line ends.
#[must_use]
pub fn lines() -> Vec<RawObject> {
    let text = |lines: Vec<String>| lines.join("\n").into_bytes();
    vec![
        ("values", text(values())),
        ("numbers", text(numbers())),
        ("times", text(times())),
        ("keys", text(keys())),
        ("no-records", text(no_records())),
        ("glued", text(glued())),
        ("injected", text(injected())),
        ("bytes", bytes()),
        ("bytes.gz", gzip(bytes())),
        ("ends", ends()),
        (
            "mark",
            [b"\xef\xbb\xbf", calls(&["mark"]).as_bytes(), b"\xef\xbb\xbf", calls(&["mark2"]).as_bytes()].concat(),
        ),
        ("mark.gz", gzip([b"\xef\xbb\xbf".as_slice(), calls(&["mark3"]).as_bytes()].concat())),
        ("members.gz", [gzip(calls(&["m1"])), gzip(""), gzip(calls(&["m2"]))].concat()),
        ("no-last-end", calls(&["last"]).trim_end().as_bytes().to_vec()),
        ("blank", b"\n \r\n\t\n\x1c\x1f\n".to_vec()),
    ]
}

fn values() -> Vec<String> {
    let forms = [
        "200",
        "\"200\"",
        "200.0",
        "\"200.0\"",
        "2e2",
        "5.03e2",
        "\" 200\"",
        "\"200 \"",
        "\"\\u2009200\"",
        "-",
        "\"-\"",
        "\"\"",
        "null",
        "true",
        "\"x\"",
        "99",
        "600",
        "200.5",
        "-200",
        "\"+200\"",
        "1e400",
        "\"1e99999999\"",
        "12345678901234567890123",
        "\"NaN\"",
        "\"Infinity\"",
        "\"0x1F\"",
        "\"\u{662}\u{660}\u{660}\"",
        "0.1e-7",
        "-0",
        "1099511627775",
        "1099511627776",
        "9223372036854775807",
        "\"9223372036854775808\"",
        "1.50",
    ];
    let of =
        |key: &'static str| forms.iter().enumerate().map(move |(at, form)| with_raw(&format!("{key}{at}"), key, form));
    of("status").chain(of("responseLength")).collect()
}

/// Users that some program made numbers of.
fn numbers() -> Vec<String> {
    let forms = [
        "1724730198823753000",
        "1.724730198823753e18",
        "-9007199254740993.0",
        "9.1e15",
        "4611686018427388e3",
        "1e22",
        "1.5e300",
    ];
    forms.iter().enumerate().map(|(at, form)| with_raw(&format!("number{at}"), "user", form)).collect()
}

fn times() -> Vec<String> {
    let forms = [
        "1675146135164",
        "\"1675146135164\"",
        "1675146135",
        "1675146135.164",
        "\"1.675146135164e12\"",
        "0",
        "-1",
        "\"946684799999\"",
        "\"946684800000\"",
        "\"253402300799999\"",
        "\"253402300800000\"",
        "\"31/Jan/2023:06:22:15 +0000\"",
        "\"31/Jan/2023:06:22:15 +0900\"",
        "\"31/Jan/2023:06:22:15 -1400\"",
        "\"31/Jan/2023:06:22:15 +1500\"",
        "\"31/Feb/2023:06:22:15 +0000\"",
        "\"31/Foo/2023:06:22:15 +0000\"",
        "\"2023-01-31T06:22:15Z\"",
        "\"2023-01-31T06:22:15.164Z\"",
        "\"2023-01-31T06:22:15.1649Z\"",
        "\"2023-01-31 06:22:15+09:00\"",
        "\"2023-01-31T06:22:15+0900\"",
        "\"2023-01-31T06:22:15\"",
        "\"2023-01-31T24:00:00Z\"",
        "\"2023-02-30T06:22:15Z\"",
        "\"2023-02-01T07:00:00Z\"",
        "\"2023-02-01T07:00:01Z\"",
        "\"2023-01-31T06:22:60Z\"",
        "\"yesterday\"",
        "\" 1675146135164 \"",
        "null",
        "\"-\"",
    ];
    let mut lines: Vec<String> =
        forms.iter().enumerate().map(|(at, form)| with_raw(&format!("time{at}"), "requestTime", form)).collect();
    let epoch = with(call("epoch"), "requestTime", "31/Jan/2023:06:22:15 +0000");
    lines.push(with(epoch, "requestTimeEpoch", "1675146135164").to_string());
    lines
}

fn keys() -> Vec<String> {
    vec![
        r#"{"REQUESTID":"k1","Status":"200"}"#.to_owned(),
        r#"{"requestId":"k2","requestId":"k2b"}"#.to_owned(),
        r#"{"requestId":"k3","RequestID":"k3"}"#.to_owned(),
        r#"{"requestId":"k4","x":1,"x":2}"#.to_owned(),
        r#"{"requestId":"k5","user":{"id":"a"}}"#.to_owned(),
        r#"{"requestId":"k6","user":["a"]}"#.to_owned(),
        r#"{"requestId":"k7","context":{"user":["a",{"b":null}]}}"#.to_owned(),
        r#"{"request\u0049d":"k8"}"#.to_owned(),
        r#"{"requestId":"k\"9\\","user":"a\/b\n\tc\u00e9\ud83e\udd80"}"#.to_owned(),
        r#"{"requestId":"k10","user":"\ud800"}"#.to_owned(),
        r#"{ "requestId" : "k11" , "user" : null }"#.to_owned(),
        r#"{"requestId":"k12","user":"}{"}"#.to_owned(),
        r#"{"requestId":"k13","resourcePath":"/v1/{a}{b}"}"#.to_owned(),
        r#"{"rawData":"x","errorCode":"Lambda.FunctionError"}"#.to_owned(),
        r#"{"requestId":null,"user":null}"#.to_owned(),
    ]
}

fn no_records() -> Vec<String> {
    let texts = [
        "{}",
        "[]",
        "[1,2]",
        r#"["1","2","3","4","5","6","7","8","9","10","11"]"#,
        "\"x\"",
        "1",
        "null",
        "true",
        "{",
        "}",
        "{\"requestId\":\"cut",
        "<xml/>",
        "{'requestId':'single'}",
        "{\"requestId\":\"comma\",}",
        "{\"requestId\":NaN}",
        "{\"requestId\":01}",
        "{\"requestId\":\"x\"} y",
        "{} {}",
        "{\"a\":1}{\"b\":2}",
        "\\N",
        "\\N\u{1}x",
        "{\"requestId\":\"one\"}\u{1}",
        "\u{1}",
        "\u{feff}",
        "\u{85}",
        "\u{a0}",
        "\u{200b}",
        "\u{3000}",
        "\u{2028}",
        "--",
        "/* */",
        r#"127.0.0.1 - - [31/Jan/2023:06:22:15 +0000] "GET / HTTP/1.1" 200 27"#,
    ];
    // A reader that calls itself for each bracket fails at a few thousand.
    let brackets = ["[".repeat(5_000), "]".repeat(5_000)].concat();
    let deep = [
        brackets.clone(),
        format!("{{\"requestId\":{brackets}}}"),
        format!("{{\"a\":1}}{{\"requestId\":{brackets}}}"),
        format!("{{\"requestId\":\"deep\",\"z\":{brackets},\"y\":\"}}{{\"}}"),
        // An array of records is JSON, and so is not cut.
        "[{\"requestId\":\"p\"},{\"requestId\":\"q\"},{\"requestId\":\"r\"}]".to_owned(),
    ];
    texts.iter().map(|text| (*text).to_owned()).chain(deep).collect()
}

fn glued() -> Vec<String> {
    let one = |id: &str| call(id).to_string();
    vec![
        one("g1") + &one("g2"),
        one("g3") + " \t" + &one("g4") + "," + &one("g5"),
        one("g6") + r"\n" + &one("g7") + r"\r\n" + &one("g8") + r"\n",
        one("g9") + r",\n",
        one("g10") + "{\"cut\":\"" + &one("g11"),
        one("g12") + "{broken}" + &one("g13"),
        one("g14") + &one("g14"),
        one("g18") + &one("g19") + "\u{1}" + &one("g20"),
        r#"{"user":"g21","requestId":"x"y"}{"user":"g22","requestId":"x"z"}"#.to_owned(),
        r#"{"user":"g23","requestId":"x"}|{"user":"g24","requestId":"y"}"#.to_owned(),
        with_raw("g15", "status", "-") + &with_raw("g16", "status", "-"),
        with(call("g17"), "resourcePath", "/{a}{\"b\"}").to_string(),
    ]
}

/// What a client may try with a request id, which the gateway writes into the line as it is. Here it is the last key.
fn injected() -> Vec<String> {
    let ids = [
        "plain",
        "a\"b",
        "a\\",
        "a\\\"",
        "x\",\"user\":\"victim",
        "x\",\"status\":\"500",
        "x\"}{\"user\":\"victim\",\"status\":\"200\",\"requestId\":\"y",
        "x\"} {\"user\":\"victim\",\"status\":\"200\",\"requestId\":\"y",
        "x\",\"requestId\":\"y",
        "x\",\"requestTimeEpoch\":\"946684800000",
        "x\u{1}y",
        "\"messageType\"\"logEvents\"",
        "x\",\"rest\":{\"user\":\"victim\"},\"z\":\"}{",
        "\u{0}",
        "{",
        "}",
    ];
    let line = |(at, id): (usize, &&str)| {
        format!(
            "{{\"extendedRequestId\":\"i{at}\",\"user\":\"owner\",\"requestTime\":\"1675146135165\",\"status\":\"200\",\
             \"responseLength\":\"1\",\"requestId\":\"{id}\"}}"
        )
    };
    ids.iter().enumerate().map(line).collect()
}

fn bytes() -> Vec<u8> {
    let user = |bytes: &[u8]| [b"{\"requestId\":\"b\",\"user\":\"", bytes, b"\"}\n"].concat();
    [
        user(b"\xff"),
        user(b"\xff\xfe"),
        user(b"\xc3"),
        user(b"\xe2\x82"),
        user(b"\xed\xa0\x80"),
        user(b"\xf8\x88\x80\x80\x80"),
        user(b"\xf4\x90\x80\x80"),
        user(b"\xc0\xaf"),
        user("\u{2028}\u{85}\u{fffd}".as_bytes()),
        user(b"\0"),
        user(b"\t"),
        user(b"\x1f"),
        user(b"\x7f"),
        b"\xff\n\0\n\0\0{\"requestId\":\"nul\"}\n".to_vec(),
    ]
    .concat()
}

fn ends() -> Vec<u8> {
    let line = |id: &str| call(id).to_string();
    [
        line("e1"),
        "\r\n".into(),
        line("e2"),
        "\r".into(),
        line("e3"),
        "\n\r".into(),
        line("e4"),
        "\r\r\n\n".into(),
        line("e5"),
    ]
    .concat()
    .into_bytes()
}
