//! Compare and swap over a Glue that has none, whose calls are lost, come late, and meet each other.

use anyhow::Result;
use aws_config::retry::RetryConfig;
use futures::future::try_join_all;
use meterlake_core::catalog::{Catalog, Partition, Swap};
use serde_json::json;

use super::GlueCatalog;
use super::fake::{FakeGlue, Fault, MemoryClaims};
use super::tests::{error, everything, lake, partition, raw, values};

const HOUR: [&str; 4] = ["2023", "1", "31", "6"];
const UPDATE: &str = "BatchUpdatePartition";

/// What one run writes for the hour.
fn run(mark: &str) -> Partition {
    partition(HOUR, mark)
}

/// A process that dies at the first call that is not answered.
fn mortal(glue: &FakeGlue, claims: &MemoryClaims) -> GlueCatalog {
    glue.catalog_with(claims, RetryConfig::disabled())
}

async fn swap(catalog: &GlueCatalog, to: &Partition, from: Option<&Partition>) -> Swap {
    catalog.swap_partition(&raw(), to, from).await.unwrap()
}

async fn current(catalog: &GlueCatalog) -> Option<Partition> {
    let got = catalog.get_partitions(&raw(), &values([HOUR])).await.unwrap().pop().unwrap();
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), got.as_slice());
    got
}

/// What Athena reads.
fn location_in_glue(glue: &FakeGlue) -> String {
    let location = glue.state().partitions["metering.raw"][0]["StorageDescriptor"]["Location"].clone();
    location.as_str().unwrap().trim_end_matches('/').to_owned()
}

#[tokio::test]
async fn a_swap_happens_only_in_place_of_what_was_expected() {
    let (_, _, catalog) = lake().await;
    let [first, second, third] = ["1", "2", "3"].map(run);
    assert_eq!(swap(&catalog, &first, Some(&second)).await, Swap::Conflict);
    assert_eq!(swap(&catalog, &first, None).await, Swap::Done);
    assert_eq!(swap(&catalog, &second, None).await, Swap::Conflict);
    assert_eq!(swap(&catalog, &second, Some(&first)).await, Swap::Done);
    assert_eq!(swap(&catalog, &third, Some(&first)).await, Swap::Conflict);
    let other_parameters = Partition { parameters: Default::default(), ..second.clone() };
    assert_eq!(swap(&catalog, &third, Some(&other_parameters)).await, Swap::Conflict);
    assert_eq!(current(&catalog).await, Some(second.clone()));

    let moved = partition(["2023", "01", "31", "6"], "2");
    let error = error(catalog.swap_partition(&raw(), &moved, Some(&second)).await);
    assert!(error.contains("cannot change its values"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_swaps_at_once_exactly_one_wins() {
    let (glue, claims, catalog) = lake().await;
    let mut before = None;
    for round in 0..25 {
        let wanted: Vec<_> = (0..8).map(|writer| run(&format!("{round}-{writer}"))).collect();
        let swaps = wanted.iter().map(|wanted| {
            let (catalog, wanted, before) = (glue.catalog(&claims), wanted.clone(), before.clone());
            tokio::spawn(async move { swap(&catalog, &wanted, before.as_ref()).await })
        });
        let swaps = try_join_all(swaps.collect::<Vec<_>>()).await.unwrap();
        let winners: Vec<_> = (0..8).filter(|&writer| swaps[writer] == Swap::Done).collect();
        assert_eq!(winners.len(), 1, "{swaps:?}");
        before = Some(wanted[winners[0]].clone());
        assert_eq!(current(&catalog).await, before);
    }
}

#[tokio::test]
async fn a_run_that_dies_between_its_claim_and_its_update_has_published() {
    let (glue, claims, catalog) = lake().await;
    assert_eq!(swap(&catalog, &run("a"), None).await, Swap::Done);
    glue.fault(UPDATE, Fault::Hold);
    let died = mortal(&glue, &claims).swap_partition(&raw(), &run("b"), Some(&run("a"))).await;
    assert!(error(died).contains("Glue's BatchUpdatePartition failed for metering.raw"));
    assert_eq!(location_in_glue(&glue), run("a").location.as_str());

    assert_eq!(swap(&catalog, &run("c"), Some(&run("a"))).await, Swap::Conflict);
    assert_eq!(location_in_glue(&glue), run("b").location.as_str());
    assert_eq!(current(&catalog).await, Some(run("b")));
    assert_eq!(swap(&catalog, &run("c"), Some(&run("b"))).await, Swap::Done);
}

#[tokio::test]
async fn a_reader_finishes_what_a_dead_run_published_and_fails_if_it_cannot() {
    let (glue, claims, catalog) = lake().await;
    let other = partition(["2023", "1", "31", "7"], "other");
    catalog.add_partitions(&raw(), &[run("a"), other.clone()]).await.unwrap();
    glue.fault(UPDATE, Fault::Hold);
    mortal(&glue, &claims).swap_partition(&raw(), &run("b"), Some(&run("a"))).await.unwrap_err();

    glue.fault(UPDATE, Fault::Refuse("AccessDeniedException"));
    let error = error(catalog.partitions(&raw(), &everything()).await);
    assert!(error.starts_with("cannot finish what another run published: "), "{error}");
    assert_eq!(catalog.partitions(&raw(), &everything()).await.unwrap(), [run("b"), other]);
    assert_eq!(location_in_glue(&glue), run("b").location.as_str());
}

#[tokio::test]
async fn an_update_that_comes_late_does_no_lasting_harm() {
    let (glue, claims, catalog) = lake().await;
    assert_eq!(swap(&catalog, &run("a"), None).await, Swap::Done);
    glue.fault(UPDATE, Fault::Hold);
    mortal(&glue, &claims).swap_partition(&raw(), &run("b"), Some(&run("a"))).await.unwrap_err();
    assert_eq!(current(&catalog).await, Some(run("b")));
    assert_eq!(swap(&catalog, &run("c"), Some(&run("b"))).await, Swap::Done);

    glue.deliver();
    assert_eq!(location_in_glue(&glue), run("b").location.as_str());
    assert_eq!(current(&catalog).await, Some(run("c")));
    assert_eq!(location_in_glue(&glue), run("c").location.as_str());

    // Nor does it to a run that looked before it came.
    glue.deliver();
    assert_eq!(swap(&catalog, &run("d"), Some(&run("b"))).await, Swap::Conflict);
    glue.deliver();
    assert_eq!(swap(&catalog, &run("d"), Some(&run("c"))).await, Swap::Done);
    assert_eq!(current(&catalog).await, Some(run("d")));
}

#[tokio::test]
async fn the_same_content_again_is_another_revision() {
    let (glue, claims, catalog) = lake().await;
    assert_eq!(swap(&catalog, &run("a"), None).await, Swap::Done);
    let first_a = glue.state().partitions["metering.raw"].clone();
    for (to, from) in [("b", "a"), ("a", "b"), ("b", "a"), ("a", "b")] {
        assert_eq!(swap(&catalog, &run(to), Some(&run(from))).await, Swap::Done);
    }
    // The first `a` is put back, of which one cannot tell by its content that it is not the last.
    glue.state().partitions.insert("metering.raw".to_owned(), first_a);
    assert_eq!(swap(&catalog, &run("c"), Some(&run("a"))).await, Swap::Done);
    assert_eq!(swap(&catalog, &run("d"), Some(&run("a"))).await, Swap::Conflict);
    assert_eq!(current(&catalog).await, Some(run("c")));
    assert_eq!(claims.0.lock().unwrap().claims.len(), 5);
}

#[tokio::test]
async fn a_partition_of_somebody_else_is_superseded_once_too() {
    let (glue, claims, catalog) = lake().await;
    let of_athena = json!({"Values": HOUR, "StorageDescriptor": {"Location": "s3://lake/athena"}, "CreationTime": 1});
    glue.state().partitions.insert("metering.raw".to_owned(), vec![of_athena.clone()]);
    let found = current(&catalog).await.unwrap();
    assert_eq!(found.location.as_str(), "s3://lake/athena");
    assert_eq!(swap(&catalog, &run("a"), Some(&found)).await, Swap::Done);

    // As it was: that is a late update of ours. Created anew: that is another partition.
    glue.state().partitions.insert("metering.raw".to_owned(), vec![of_athena.clone()]);
    assert_eq!(current(&catalog).await, Some(run("a")));
    let mut anew = of_athena;
    anew["CreationTime"] = json!(2);
    glue.state().partitions.insert("metering.raw".to_owned(), vec![anew]);
    assert_eq!(current(&catalog).await, Some(found.clone()));
    assert_eq!(swap(&glue.catalog(&claims), &run("b"), Some(&found)).await, Swap::Done);
}

#[tokio::test]
async fn a_dropped_partition_is_created_anew_whatever_became_of_the_old_one() {
    let (glue, claims, catalog) = lake().await;
    catalog.add_partitions(&raw(), &[run("a")]).await.unwrap();
    assert_eq!(swap(&catalog, &run("b"), Some(&run("a"))).await, Swap::Done);
    assert_eq!(catalog.drop_partitions(&raw(), &values([HOUR])).await.unwrap(), 1);
    assert_eq!(swap(&catalog, &run("a"), Some(&run("b"))).await, Swap::Conflict);
    assert_eq!(swap(&catalog, &run("a"), None).await, Swap::Done);
    assert_eq!(current(&catalog).await, Some(run("a")));

    catalog.drop_partitions(&raw(), &values([HOUR])).await.unwrap();
    assert_eq!(catalog.add_partitions(&raw(), &[run("a")]).await.unwrap(), 1);
    assert_eq!(current(&catalog).await, Some(run("a")));

    // Dropped between a claim and its update: the update finds nothing.
    glue.fault(UPDATE, Fault::FailFirst("EntityNotFoundException"));
    assert_eq!(swap(&catalog, &run("c"), Some(&run("a"))).await, Swap::Conflict);
    // Dropped before a reader can finish that.
    glue.fault(UPDATE, Fault::FailFirst("EntityNotFoundException"));
    assert_eq!(glue.catalog(&claims).partitions(&raw(), &everything()).await.unwrap(), []);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_not_taken_for_another_ones() {
    let (glue, claims, catalog) = lake().await;
    glue.fault("CreatePartition", Fault::Lose);
    assert_eq!(swap(&catalog, &run("a"), None).await, Swap::Done);
    assert_eq!(glue.calls("CreatePartition").len(), 2);

    claims.0.lock().unwrap().is_asked_twice = true;
    assert_eq!(swap(&catalog, &run("b"), Some(&run("a"))).await, Swap::Done);
    glue.fault(UPDATE, Fault::Lose);
    assert_eq!(swap(&catalog, &run("c"), Some(&run("b"))).await, Swap::Done);
    assert_eq!(current(&catalog).await, Some(run("c")));
}

#[tokio::test]
async fn a_revision_is_nobodys_business() {
    let (glue, claims, catalog) = lake().await;
    catalog.add_partitions(&raw(), &[run("a"), partition(["2023", "1", "31", "7"], "a")]).await.unwrap();
    assert_eq!(swap(&catalog, &run("b"), Some(&run("a"))).await, Swap::Done);
    assert_eq!(swap(&catalog, &partition(["2023", "1", "31", "8"], "a"), None).await, Swap::Done);
    for found in catalog.partitions(&raw(), &everything()).await.unwrap() {
        assert_eq!(found.parameters.keys().collect::<Vec<_>>(), ["fingerprint"]);
    }
    for found in &glue.state().partitions["metering.raw"] {
        assert_eq!(found["Parameters"]["meterlake.revision"].as_str().unwrap().len(), 32);
    }
    assert!(claims.0.lock().unwrap().claims.keys().all(|key| key.starts_with("metering/raw/")));
    // One listing for any number of partitions, none for one.
    claims.0.lock().unwrap().lists = 0;
    catalog.partitions(&raw(), &everything()).await.unwrap();
    catalog.get_partitions(&raw(), &values([HOUR])).await.unwrap();
    assert_eq!(claims.0.lock().unwrap().lists, 1);
}

#[tokio::test]
async fn a_damaged_claim_is_named() {
    let (glue, claims, catalog) = lake().await;
    catalog.add_partitions(&raw(), &[run("a")]).await.unwrap();
    let id = glue.state().partitions["metering.raw"][0]["Parameters"]["meterlake.revision"].clone();
    let key = format!("metering/raw/{}", id.as_str().unwrap());
    claims.0.lock().unwrap().claims.insert(key.clone(), b"{".to_vec());
    let error = error(catalog.get_partitions(&raw(), &values([HOUR])).await);
    assert!(error.starts_with(&format!("the claim {key} is damaged: ")), "{error}");
}

/// Four writers each add a mark of theirs thirty times to what is there. They die at calls that are held, begin again
/// and look; the held calls arrive at any time.
#[tokio::test(flavor = "multi_thread")]
async fn no_swap_is_lost_or_done_twice_whatever_comes_late() {
    let (glue, claims, catalog) = lake().await;
    assert_eq!(swap(&catalog, &run("begin"), None).await, Swap::Done);
    glue.state().hold_one_in = Some(4);
    let writers = (0..4).map(|writer| {
        let (glue, claims) = (glue.clone(), claims.clone());
        tokio::spawn(async move {
            for number in 0..30 {
                let mark = format!(" {writer}-{number}.");
                let mut tries = 0;
                while !add_mark(&mortal(&glue, &claims), &mark).await.unwrap_or(false) {
                    tries += 1;
                    assert!(tries < 200, "{mark} never gets in");
                    if rand::random_range(0..3) == 0 {
                        glue.deliver();
                    }
                }
            }
        })
    });
    try_join_all(writers.collect::<Vec<_>>()).await.unwrap();
    glue.state().hold_one_in = None;
    glue.deliver();

    let marks = current(&catalog).await.unwrap().parameters["marks"].clone();
    assert_eq!(marks.matches('.').count(), 120, "{marks}");
    for (writer, number) in (0..4).flat_map(|writer| (0..30).map(move |number| (writer, number))) {
        assert_eq!(marks.matches(&format!(" {writer}-{number}.")).count(), 1, "{writer}-{number} in {marks}");
    }
}

/// Whether the mark is there, before or after a try to add it.
async fn add_mark(catalog: &GlueCatalog, mark: &str) -> Result<bool> {
    let current = catalog.get_partitions(&raw(), &values([HOUR])).await?.pop().flatten().unwrap();
    let mut marks = current.parameters.get("marks").cloned().unwrap_or_default();
    if marks.contains(mark) {
        return Ok(true);
    }
    marks.push_str(mark);
    let mut next = run(mark.trim());
    next.parameters.insert("marks".to_owned(), marks);
    Ok(catalog.swap_partition(&raw(), &next, Some(&current)).await? == Swap::Done)
}
