//! PyAthena and awswrangler from PyPI: the scripts beside this file.

use meterlake_tests::python_clients::succeed_with;
use meterlake_tests::stand_in::StandIn;

#[tokio::test(flavor = "multi_thread")]
async fn pyathena_reads_the_lake_with_each_of_its_cursors() {
    succeed_with("with_pyathena.py", &StandIn::start(None, |_| {}).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn awswrangler_reads_the_lake_in_each_of_its_modes() {
    succeed_with("with_awswrangler.py", &StandIn::start(None, |_| {}).await).await;
}
