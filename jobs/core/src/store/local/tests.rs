//! What the local store promises, and what it leaves behind.

use super::*;
use crate::store::visible_objects;

#[tokio::test]
async fn an_object_written_in_pieces_appears_when_it_is_finished_or_never() {
    let folder = tempfile::tempdir().unwrap();
    let root = Location::from_path(folder.path()).unwrap();
    let mut object = LocalStore.create(&root.join("a/b")).await.unwrap();
    object.write(b"one".to_vec()).await.unwrap();
    object.write(b"two".to_vec()).await.unwrap();
    assert_eq!(LocalStore.read(&root.join("a/b")).await.unwrap(), None);
    assert_eq!(object.finish().await.unwrap(), 6);
    assert_eq!(LocalStore.read(&root.join("a/b")).await.unwrap().as_deref(), Some(&b"onetwo"[..]));

    let mut dropped = LocalStore.create(&root.join("a/c")).await.unwrap();
    dropped.write(b"one".to_vec()).await.unwrap();
    drop(dropped);
    assert_eq!(LocalStore.list(&root).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_written_is_listed_read_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let root = Location::from_path(folder.path()).unwrap();
    let object = root.join("b=사용자 \"x\"/c.json");
    LocalStore.write(&object, b"{}").await.unwrap();
    LocalStore.write(&root.join("_hidden/d"), b"").await.unwrap();
    LocalStore.persist(&root).await.unwrap();

    let objects = LocalStore.list(&root).await.unwrap();
    assert_eq!(objects.len(), 2);
    let visible = visible_objects(&LocalStore, &root).await.unwrap();
    assert_eq!((visible.len(), visible[0].size, &visible[0].location), (1, 2, &object));
    assert_eq!(LocalStore.read(&object).await.unwrap().as_deref(), Some(&b"{}"[..]));
    assert_eq!(LocalStore.folders(&root).await.unwrap().len(), 2);

    LocalStore.delete_folder(&object.parent()).await.unwrap();
    LocalStore.delete_folder(&object.parent()).await.unwrap();
    assert_eq!(LocalStore.read(&object).await.unwrap(), None);
}

#[tokio::test]
async fn another_content_gives_another_etag() {
    let folder = tempfile::tempdir().unwrap();
    let object = Location::from_path(folder.path()).unwrap().join("a");
    let mut etags = BTreeSet::new();
    for content in [&b"1"[..], b"22"] {
        LocalStore.write(&object, content).await.unwrap();
        etags.insert(LocalStore.list(&object.parent()).await.unwrap()[0].etag.clone());
    }
    assert_eq!(etags.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_may_be_written_several_times_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let object = Location::from_path(folder.path()).unwrap().join("a");
    let writes = (0..8).map(|_| LocalStore.write(&object, b"{}"));
    futures::future::try_join_all(writes).await.unwrap();
    assert_eq!(LocalStore.list(&object.parent()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_writers_of_a_new_object_one_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let object = Location::from_path(folder.path()).unwrap().join("a/b");
    let contents: Vec<String> = (0..8).map(|writer| writer.to_string()).collect();
    let writes = contents.iter().map(|content| LocalStore.write_new(&object, content.as_bytes()));
    let wrote = futures::future::try_join_all(writes).await.unwrap();
    let winners: Vec<&String> = contents.iter().zip(wrote).filter_map(|(one, won)| won.then_some(one)).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(LocalStore.read(&object).await.unwrap().as_deref(), Some(winners[0].as_bytes()));
    assert_eq!(LocalStore.list(&object.parent()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_killed_write_left_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let root = Location::from_path(folder.path()).unwrap();
    for name in [".a.0123.tmp", "a", ".b"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    LocalStore.sweep(&root, Duration::from_secs(60)).await.unwrap();
    assert_eq!(LocalStore.list(&root).await.unwrap().len(), 3);
    LocalStore.sweep(&root, Duration::ZERO).await.unwrap();
    assert_eq!(LocalStore.list(&root).await.unwrap().len(), 2);
    LocalStore.sweep(&root.join("nowhere"), Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_empty() {
    let nowhere: Location = "file:///nowhere/at/all".parse().unwrap();
    assert!(LocalStore.list(&nowhere).await.unwrap().is_empty());
    assert!(LocalStore.folders(&nowhere).await.unwrap().is_empty());
    assert!(!LocalStore.exists(&nowhere).await.unwrap());
}
