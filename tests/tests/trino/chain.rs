//! The whole chain, with every statement on Trino: it gives what the embedded engine gives in a local folder.

use meterlake_tests::chain::{chain, close};
use meterlake_tests::lake::{TestLake, counts};
use meterlake_tests::lakes::lake_on_trino;
use meterlake_tests::trino::trino;

#[tokio::test(flavor = "multi_thread")]
async fn trino_gives_the_invoices_of_the_embedded_engine_byte_for_byte() {
    let Some(trino) = trino() else { return };
    let (on_trino, local) = (lake_on_trino(&trino).await, TestLake::bare().await);
    let (merged_on_trino, drafts_on_trino) = chain(&on_trino, 0.02).await;
    let (merged, drafts) = chain(&local.lake, 0.02).await;
    let all = |reports: &[serde_json::Value]| reports.iter().map(counts).collect::<Vec<_>>();
    assert_eq!(all(&merged_on_trino), all(&merged));
    assert_eq!(drafts_on_trino, drafts);
    let (final_on_trino, finals) = (close(&on_trino).await, close(&local.lake).await);
    assert_eq!(final_on_trino, finals);
    assert!(finals[1][1].contains("adjustment"), "{}", finals[1][1]);
}
