//! Expressions made at random, by type.

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::sample::select;

use super::types::{Bindings, Shape, Signature, Type, functions_giving};

/// The columns of the table `fuzz`.
const COLUMNS: &[(&str, Type)] = &[
    ("i", Type::Integer),
    ("b", Type::Bigint),
    ("x", Type::Double),
    ("m", Type::Decimal),
    ("s", Type::Varchar),
    ("w", Type::Varchar),
    ("d", Type::Date),
    ("t", Type::Timestamp),
    ("f", Type::Boolean),
];

/// Names and their types: columns, and the parameters of lambdas around.
pub(super) type Scope = Vec<(String, Type)>;

/// The columns of the table.
pub(super) fn columns() -> Scope {
    COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect()
}

/// Any of the types that values are made of.
pub(super) fn plain() -> impl Strategy<Value = Type> {
    select(vec![
        Type::Bigint,
        Type::Varchar,
        Type::Integer,
        Type::Double,
        Type::Decimal,
        Type::Boolean,
        Type::Date,
        Type::Timestamp,
    ])
}

fn any_type() -> impl Strategy<Value = Type> {
    prop_oneof![
        8 => plain(),
        1 => select(vec![Type::Varbinary, Type::Zoned, Type::Days, Type::Months, Type::Json]),
        2 => plain().prop_map(|item| Type::Array(Box::new(item))),
        1 => plain().prop_map(|value| Type::Map(Box::new(Type::Varchar), Box::new(value))),
        1 => (plain(), plain()).prop_map(|(first, second)| Type::Row(vec![first, second])),
    ]
}

/// An expression over the columns of the table.
pub(super) fn expression() -> BoxedStrategy<String> {
    any_type().prop_flat_map(|wanted| of(wanted, 3, columns())).boxed()
}

/// A literal, or a name that has the type.
fn leaf(wanted: &Type, scope: &Scope) -> BoxedStrategy<String> {
    let names: Vec<String> = scope.iter().filter(|(_, kind)| kind == wanted).map(|(name, _)| name.clone()).collect();
    match names.is_empty() {
        true => literal(wanted, scope),
        false => prop_oneof![3 => select(names), 2 => literal(wanted, scope)].boxed(),
    }
}

fn literal(wanted: &Type, scope: &Scope) -> BoxedStrategy<String> {
    let of_these = |texts: &'static [&'static str]| select(texts).prop_map(str::to_owned).boxed();
    let texts: &[&str] = match wanted {
        Type::Boolean => &["true", "false"],
        Type::Integer => &["0", "1", "-1", "2", "3", "10", "200", "2147483647", "CAST(NULL AS integer)"],
        Type::Bigint => &["BIGINT '1'", "BIGINT '-3'", "BIGINT '60'", "9007199254740993", "CAST(NULL AS bigint)"],
        Type::Double => &["0e0", "1e0", "-2.5e0", "1e10", "3.125e-2", "CAST(NULL AS double)"],
        Type::Decimal => {
            &["0.5", "-1.25", "10.0", "2.345", "DECIMAL '0.0001'", "99999.99", "CAST(NULL AS decimal(10,2))"]
        }
        Type::Varchar => &[
            "'a'",
            "''",
            "' '",
            "'A b c'",
            "'12'",
            "'-7.50'",
            "'2023-01-31'",
            "'2023-01-31 06:22:15.165'",
            "'a,b;c'",
            "'k=v,l=w'",
            "'{\"a\": [1, \"x\", null], \"b\": {\"c\": 2.50}}'",
            "'GET'",
            "'äÖß€'",
            "'%'",
            "'true'",
            "'https://u@example.com:80/p/a?q=1&r=a%20b#f'",
            "CAST(NULL AS varchar)",
        ],
        Type::Varbinary => &["X'00ff41'", "X''", "to_utf8('aé')", "CAST(NULL AS varbinary)"],
        Type::Date => &["DATE '2023-01-31'", "DATE '1969-12-31'", "DATE '2024-02-29'", "CAST(NULL AS date)"],
        Type::Timestamp => &[
            "TIMESTAMP '2023-01-31 06:22:15.165'",
            "TIMESTAMP '1969-12-31 23:59:59.999'",
            "TIMESTAMP '2024-03-31 02:30:00.000'",
            "CAST(NULL AS timestamp(3))",
        ],
        Type::Zoned => &[
            "TIMESTAMP '2023-01-31 06:22:15.165 UTC'",
            "TIMESTAMP '2023-07-01 00:00:00.000 Europe/Berlin'",
            "from_unixtime(1675146135.5e0)",
        ],
        Type::Days => &["INTERVAL '1' DAY", "INTERVAL '-90' MINUTE", "INTERVAL '2 03:04:05' DAY TO SECOND"],
        Type::Months => &["INTERVAL '1' MONTH", "INTERVAL '-2' YEAR", "INTERVAL '14' MONTH"],
        Type::Json => &[
            "JSON '{\"b\": 1, \"a\": [1.50, \"x\", null, true]}'",
            "JSON '[1, 2, 3]'",
            "JSON '\"t\"'",
            "JSON '12'",
            "JSON 'null'",
        ],
        Type::Array(item) => {
            let items = proptest::collection::vec(leaf(item, scope), 1..4);
            return items.prop_map(|items| format!("ARRAY[{}]", items.join(", "))).boxed();
        }
        Type::Map(key, value) => {
            let keys = match **key {
                Type::Varchar => "ARRAY['a', 'b']".to_owned(),
                ref key => format!("CAST(ARRAY[1, 2] AS array({key}))"),
            };
            let values = [leaf(value, scope), leaf(value, scope)];
            return values.prop_map(move |[one, two]| format!("map({keys}, ARRAY[{one}, {two}])")).boxed();
        }
        Type::Row(fields) => {
            let fields: Vec<_> = fields.iter().map(|field| leaf(field, scope)).collect();
            return fields.prop_map(|fields| format!("ROW({})", fields.join(", "))).boxed();
        }
    };
    of_these(texts)
}

/// How an expression of a type is made.
#[derive(Debug, Clone)]
enum Form {
    /// A literal or a name.
    Leaf,
    /// A text with `$` where an expression of each type stands.
    Frame(Cow<'static, str>, Vec<Type>),
    Call(&'static Signature, Bindings),
}

/// An expression of a type, so deep at most.
pub(super) fn of(wanted: Type, depth: u32, scope: Scope) -> BoxedStrategy<String> {
    if depth == 0 {
        return leaf(&wanted, &scope);
    }
    let frames = frames(&wanted);
    let calls: Vec<Form> =
        functions_giving(&wanted).into_iter().map(|(function, bindings)| Form::Call(function, bindings)).collect();
    let mut forms = prop_oneof![1 => Just(Form::Leaf), 4 => select(frames)].boxed();
    if !calls.is_empty() {
        forms = prop_oneof![5 => forms, 4 => select(calls)].boxed();
    }
    forms.prop_flat_map(move |form| fill(form, &wanted, depth - 1, &scope)).boxed()
}

fn fill(form: Form, wanted: &Type, depth: u32, scope: &Scope) -> BoxedStrategy<String> {
    let (frame, holes) = match form {
        Form::Leaf => return leaf(wanted, scope),
        Form::Call(function, bindings) => return call(function, bindings, depth, scope.clone()),
        Form::Frame(frame, holes) => (frame, holes),
    };
    let parts: Vec<_> = holes.into_iter().map(|hole| of(hole, depth, scope.clone())).collect();
    parts.prop_map(move |parts| fit(&frame, &parts)).boxed()
}

/// Puts parts into the places of `$`.
fn fit(frame: &str, parts: &[String]) -> String {
    let mut parts = parts.iter();
    frame.split('$').enumerate().fold(String::new(), |text, (at, next)| match at {
        0 => next.to_owned(),
        _ => text + parts.next().expect("a part for each place") + next,
    })
}

fn frame(text: impl Into<Cow<'static, str>>, holes: Vec<Type>) -> Form {
    Form::Frame(text.into(), holes)
}

/// What is no function.
fn frames(wanted: &Type) -> Vec<Form> {
    use Type::{
        Bigint, Boolean, Date, Days, Decimal, Double, Integer, Json, Months, Timestamp, Varbinary, Varchar, Zoned,
    };
    let same = |count: usize| vec![wanted.clone(); count];
    let mut frames = vec![
        frame("CASE WHEN $ THEN $ ELSE $ END", [vec![Boolean], same(2)].concat()),
        frame("if($, $)", [vec![Boolean], same(1)].concat()),
        frame("coalesce($, $)", same(2)),
        frame("nullif($, $)", same(2)),
        frame("try($)", same(1)),
        frame("ARRAY[$, $][1]", same(2)),
        frame(format!("CAST(ROW($, 1) AS row(y {wanted}, z bigint)).y"), same(1)),
        frame(format!("CAST(NULL AS {wanted})"), vec![]),
    ];
    let numbers = [Integer, Bigint, Double, Decimal];
    if numbers.contains(wanted) {
        for text in ["($ + $)", "($ - $)", "($ * $)", "($ / $)", "($ % $)"] {
            frames.push(frame(text, same(2)));
        }
        frames.push(frame("-($)", same(1)));
    }
    let cast = |from: &Type| frame(format!("try_cast($ AS {wanted})"), vec![from.clone()]);
    let casts: &[Type] = match wanted {
        Integer | Bigint | Double | Decimal => &[Integer, Bigint, Double, Decimal, Varchar, Boolean],
        Varchar => &[Integer, Bigint, Double, Decimal, Boolean, Date, Timestamp, Zoned],
        Boolean => &[Integer, Bigint, Double, Varchar],
        Date => &[Timestamp, Varchar, Zoned],
        Timestamp => &[Date, Varchar, Zoned],
        Zoned => &[Timestamp, Date, Zoned],
        Json => &[Integer, Bigint, Double, Decimal, Varchar, Boolean, Date, Timestamp],
        _ => &[],
    };
    frames.extend(casts.iter().map(cast));
    let mut add = |text: &'static str, holes: &[Type]| frames.push(frame(text, holes.to_vec()));
    let varchars = Type::Array(Box::new(Varchar));
    match wanted {
        Boolean => {
            for kind in [Integer, Bigint, Double, Decimal, Varchar, Date, Timestamp, Boolean, Zoned] {
                for frame in ["($ = $)", "($ <> $)", "($ < $)", "($ >= $)", "($ IS DISTINCT FROM $)"] {
                    add(frame, &[kind.clone(), kind.clone()]);
                }
                add("($ IS NULL)", std::slice::from_ref(&kind));
                add("($ BETWEEN $ AND $)", &vec![kind.clone(); 3]);
                add("($ IN ($, $))", &vec![kind.clone(); 3]);
                add("($ NOT IN ($, $))", &vec![kind; 3]);
            }
            for frame in ["($ AND $)", "($ OR $)"] {
                (0..6).for_each(|_| add(frame, &[Boolean, Boolean]));
            }
            add("(NOT $)", &[Boolean]);
            add("($ LIKE '%a_%')", &[Varchar]);
            add("($ LIKE $)", &[Varchar, Varchar]);
            add("($ LIKE '%!%%' ESCAPE '!')", &[Varchar]);
            for (one, other) in [(Integer, Bigint), (Bigint, Double), (Decimal, Bigint), (Double, Decimal)] {
                add("($ < $)", &[one.clone(), other.clone()]);
                add("($ = $)", &[one, other]);
            }
        }
        Bigint => {
            add("EXTRACT(DAY FROM $)", &[Timestamp]);
            add("($ + $)", &[Integer, Bigint]);
            add("EXTRACT(HOUR FROM $)", &[Days]);
        }
        Double => {
            add("($ * $)", &[Bigint, Double]);
            add("($ / $)", &[Double, Decimal]);
        }
        Decimal => {
            add("($ * $)", &[Integer, Decimal]);
            add("($ / $)", &[Decimal, Bigint]);
            add("($ + $)", &[Bigint, Decimal]);
        }
        Varchar => {
            (0..4).for_each(|_| add("($ || $)", &[Varchar, Varchar]));
            add("format('%s|%5d|%.2f', $, $, $)", &[Varchar, Bigint, Double]);
            add("$[1]", &[varchars]);
            add("json_format(CAST($ AS JSON))", &[Type::Array(Box::new(Varchar))]);
            add("substring($ FROM 2 FOR 3)", &[Varchar]);
            add("trim(BOTH 'a' FROM $)", &[Varchar]);
        }
        Varbinary => add("($ || $)", &[Varbinary, Varbinary]),
        Date => {
            for frame in ["($ + $)", "($ - $)"] {
                add(frame, &[Date, Months]);
            }
        }
        Timestamp => {
            for frame in ["($ + $)", "($ - $)"] {
                add(frame, &[Timestamp, Days]);
                add(frame, &[Timestamp, Months]);
            }
        }
        Zoned => {
            add("($ + $)", &[Zoned, Days]);
            add("($ AT TIME ZONE 'America/New_York')", &[Zoned]);
        }
        Days => {
            add("($ + $)", &[Days, Days]);
            add("($ * $)", &[Days, Integer]);
            add("($ - $)", &[Timestamp, Timestamp]);
            add("($ - $)", &[Date, Date]);
        }
        Months => {
            add("($ + $)", &[Months, Months]);
            add("($ * $)", &[Months, Integer]);
        }
        Type::Array(item) => {
            add("($ || $)", &[wanted.clone(), wanted.clone()]);
            add("ARRAY[$, $]", &[(**item).clone(), (**item).clone()]);
        }
        Type::Row(fields) if fields.len() == 2 => add("ROW($, $)", fields),
        _ => {}
    }
    frames
}

/// What a parameter takes beside any value of its type: literals, without which hardly a call would give anything.
fn usual(function: &str, at: usize) -> &'static [&'static str] {
    const UNITS: &[&str] = &["'second'", "'minute'", "'hour'", "'day'", "'week'", "'month'", "'quarter'", "'year'"];
    const ZONES: &[&str] = &["'UTC'", "'Europe/Berlin'", "'America/New_York'", "'+05:30'"];
    const SMALL: &[&str] = &["1", "2", "3", "0", "-1", "7"];
    match (function, at) {
        ("date_trunc" | "date_add" | "date_diff", 0) => UNITS,
        ("date_format" | "date_parse", 1) => {
            &["'%Y-%m-%d'", "'%Y-%m-%d %H:%i:%s'", "'%d/%b/%y %T'", "'%W %e %M %Y %f'"]
        }
        ("format_datetime" | "parse_datetime", 1) => &["'yyyy-MM-dd'", "'yyyy-MM-dd HH:mm:ss'", "'dd/MMM/yyyy'"],
        ("with_timezone" | "at_timezone", 1) => ZONES,
        ("from_unixtime", 1) => ZONES,
        ("from_unixtime", 0) => &["1675146135.165e0", "x * 1000"],
        ("to_base" | "from_base", 1) => &["2", "16", "36"],
        ("from_base", 0) => &["'ff'", "'101'", "s"],
        ("chr", _) => &["65", "228", "8364"],
        ("codepoint", _) => &["CAST('a' AS varchar(1))", "CAST('€' AS varchar(1))"],
        ("from_hex", _) => &["'00ff41'", "'6162'"],
        ("from_base64" | "from_base64url" | "from_base32", _) => &["'YWJj'", "'MFRGG==='"],
        ("split" | "split_part", 1) => &["' '", "','", "'a'"],
        ("split_to_map" | "split_to_multimap", 1) => &["','"],
        ("split_to_map" | "split_to_multimap", 2) => &["'='"],
        (
            "repeat" | "lpad" | "rpad" | "slice" | "element_at" | "trim_array" | "substr" | "substring" | "split",
            1..,
        ) => SMALL,
        ("split_part" | "strpos" | "round" | "truncate" | "ngrams" | "combinations" | "date_add", 1..) => SMALL,
        ("bitwise_left_shift" | "bitwise_right_shift" | "bitwise_right_shift_arithmetic", 1) => SMALL,
        ("regexp_extract" | "regexp_extract_all" | "regexp_position", 2..) => &["0", "1"],
        ("sequence", 0..=1) => SMALL,
        ("normalize", 1) => &["NFC"],
        ("from_utf8", 1) => &["'?'", "'�'"],
        ("bit_count", 1) => &["64", "32", "8"],
        ("url_extract_parameter", 1) => &["'q'", "'r'", "'z'"],
        ("json_array_get", 1) => SMALL,
        _ => &[],
    }
}

fn call(function: &'static Signature, bindings: Bindings, depth: u32, scope: Scope) -> BoxedStrategy<String> {
    let mut names = Vec::new();
    function.parameters.iter().for_each(|parameter| parameter.unbound(&bindings, &mut names));
    let types = proptest::collection::vec(plain(), names.len());
    let call = types.prop_flat_map(move |types| {
        let mut bindings = bindings.clone();
        bindings.extend(names.iter().cloned().zip(types));
        let parameters = function.parameters.iter().enumerate();
        let arguments: Vec<_> = parameters
            .map(|(at, shape)| {
                let any = argument(shape, &bindings, depth, &scope);
                match usual(function.name, at) {
                    [] => any,
                    texts => prop_oneof![5 => select(texts).prop_map(str::to_owned), 1 => any].boxed(),
                }
            })
            .collect();
        arguments.prop_map(|arguments| format!("{}({})", function.name, arguments.join(", ")))
    });
    call.boxed()
}

fn argument(shape: &Shape, bindings: &Bindings, depth: u32, scope: &Scope) -> BoxedStrategy<String> {
    const PATTERNS: &[&str] = &[
        "'a'",
        "'[a-z]+'",
        "'(\\d+)'",
        "'^\\w'",
        "' '",
        "'(?i)A'",
        "'(a|b)(c?)'",
        "'.'",
        "'\\s*,\\s*'",
        "'x*'",
        "'[^a]'",
    ];
    const PATHS: &[&str] = &["'$'", "'$.a'", "'$.a[0]'", "'$[1]'", "'$.b.c'", "'$[\"b\"]'"];
    match shape {
        Shape::Pattern => select(PATTERNS).prop_map(str::to_owned).boxed(),
        Shape::Path => select(PATHS).prop_map(str::to_owned).boxed(),
        Shape::Lambda(parts) => {
            let (result, parameters) = parts.split_last().expect("what a lambda gives");
            let mut inner = scope.clone();
            let mut names = Vec::new();
            for parameter in parameters {
                let name = format!("p{}", inner.len());
                inner.push((name.clone(), parameter.bound(bindings).expect("a type")));
                names.push(name);
            }
            let body = of(result.bound(bindings).expect("a type"), depth.min(1), inner);
            body.prop_map(move |body| format!("({}) -> {body}", names.join(", "))).boxed()
        }
        shape => of(shape.bound(bindings).expect("a type"), depth, scope.clone()),
    }
}
