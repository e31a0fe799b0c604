//! Functions that other engines have and Trino has not, and what to write.

use crate::dialect::calls;

/// What to write for a function that Trino does not have.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    if let Some(instead) = calls::instead(name) {
        return Some(instead);
    }
    Some(match name {
        "nvl2" => "IF(x IS NOT NULL, y, z)",
        "isnull" => "x IS NULL",
        "iff" => "IF(condition, x, y)",
        "decode" => "CASE x WHEN y THEN z END",
        "to_date" => "CAST(x AS date), or date_parse(x, format)",
        "make_date" => "from_iso8601_date(x)",
        "to_unixtimestamp" | "unix_timestamp" => "to_unixtime(x)",
        "to_timestamp_seconds" | "to_timestamp_millis" | "to_timestamp_micros" | "to_timestamp_nanos" => {
            "from_unixtime(x), x in seconds"
        }
        "from_epoch" => "from_unixtime(x)",
        "date_bin" => "date_trunc('hour', x)",
        "dateadd" => "date_add('day', n, x)",
        "datediff" => "date_diff('day', from, to)",
        "datepart" => "extract(YEAR FROM x), or year(x)",
        "datetrunc" => "date_trunc('day', x)",
        "getdate" | "sysdate" => "now()",
        "today" => "current_date",
        "strftime" => "date_format(x, format)",
        "character_length" | "char_length" | "len" => "length(x)",
        "charindex" | "position" | "find_in_set" => "strpos(x, y)",
        "overlay" => "substr(x, 1, n) || y || substr(x, m)",
        "encode" => "to_hex(to_utf8(x)), or to_base64(to_utf8(x))",
        "digest" => "sha256(to_utf8(x))",
        "regexp_match" | "regexp_matches" | "regexp_substr" => "regexp_extract(x, pattern)",
        "regexp_instr" => "regexp_position(x, pattern)",
        "rlike" => "regexp_like(x, pattern)",
        "get_json_object" => "json_extract_scalar(x, '$.a')",
        "json_length" => "json_array_length(x)",
        "array_concat" | "array_cat" | "list_concat" | "array_prepend" | "array_push_front" => "x || y",
        "array_has" | "array_contains" | "list_has" | "list_contains" => "contains(x, y)",
        "array_to_string" | "list_to_string" => "array_join(x, separator)",
        "array_element" | "array_extract" | "list_element" => "element_at(x, n)",
        "array_slice" | "list_slice" => "slice(x, start, length)",
        "array_transform" => "transform(x, y -> …)",
        "array_filter" => "filter(x, y -> …)",
        "array_any_match" => "any_match(x, y -> …)",
        "array_repeat" => "repeat(x, n)",
        "array_reverse" => "reverse(x)",
        "generate_series" | "range" => "sequence(from, to)",
        "size" | "array_size" => "cardinality(x)",
        "collect_list" => "array_agg(x)",
        "collect_set" => "array_agg(DISTINCT x)",
        "group_concat" => "listagg(x, separator) WITHIN GROUP (ORDER BY y)",
        "approx_percentile_cont" | "percentile" | "percentile_cont" => "approx_percentile(x, p)",
        "approx_median" => "approx_percentile(x, 0.5)",
        "first" => "min_by(x, y), or first_value(x) OVER (ORDER BY y)",
        "last" => "max_by(x, y), or last_value(x) OVER (ORDER BY y)",
        "mean" => "avg(x)",
        "var" | "var_sample" => "var_samp(x)",
        "var_population" => "var_pop(x)",
        "stddev_population" => "stddev_pop(x)",
        "covar" => "covar_samp(x, y)",
        "bit_and" => "bitwise_and_agg(x)",
        "bit_or" => "bitwise_or_agg(x)",
        "bit_xor" => "bitwise_xor(x, y)",
        "signum" => "sign(x)",
        "trunc" => "truncate(x)",
        "arrow_typeof" => "typeof(x)",
        _ => return None,
    })
}

/// Functions that Athena has beside Trino's own, by their beginnings: those of its geospatial plugin.
pub(super) fn may_be_athenas(name: &str) -> bool {
    ["st_", "bing_tile", "geometry_", "to_geometry", "to_spherical", "from_geojson", "to_geojson"]
        .iter()
        .any(|beginning| name.starts_with(beginning))
}
