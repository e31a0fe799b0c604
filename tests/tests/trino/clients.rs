//! PyAthena and awswrangler from PyPI, unmodified, against the stand-in for Athena with a Trino behind it.

use meterlake_tests::python_clients::succeed_with;
use meterlake_tests::stand_in::StandIn;
use meterlake_tests::trino::trino;

#[tokio::test(flavor = "multi_thread")]
async fn pyathena_reads_the_lake_with_each_of_its_cursors() {
    let Some(trino) = trino() else { return };
    succeed_with("with_pyathena.py", &StandIn::start(Some(&trino), |_| {}).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn awswrangler_reads_the_lake_in_each_of_its_modes() {
    let Some(trino) = trino() else { return };
    succeed_with("with_awswrangler.py", &StandIn::start(Some(&trino), |_| {}).await).await;
}
