mod answers;
mod attempts;
mod calls;
mod fake;
mod log;
mod opening;
mod polling;
mod stopping;
mod wire;

pub(super) use fake::execution;

const CTAS: &str = "CREATE TABLE t WITH (external_location = 's3://lake/run=1') AS SELECT 1 AS n";
const UNLOAD: &str = "UNLOAD (SELECT 1) TO 's3://lake/run=1' WITH (format = 'PARQUET')";
