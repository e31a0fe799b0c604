//! Objects on S3.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::try_join_all;
use futures::{StreamExt, stream};
use meterlake_aws::S3Store;
use meterlake_core::location::Location;
use meterlake_core::store::{Store, visible_objects};
use meterlake_tests::ministack::{bucket, s3, sdk_config};

fn store() -> S3Store {
    S3Store::new(&sdk_config())
}

/// The ids of the multipart uploads that a bucket keeps parts of.
async fn uploads(bucket: &Location) -> usize {
    let list = s3().list_multipart_uploads().bucket(bucket.bucket_and_key().unwrap().0);
    list.send().await.unwrap().uploads().len()
}

/// As many objects as this, below a folder.
async fn fill(store: &S3Store, folder: &Location, objects: usize) {
    let writes = (0..objects).map(|number| folder.join(&format!("{number:05}")));
    let writes = stream::iter(writes).map(|object| async move { store.write(&object, b"x").await });
    writes.buffer_unordered(16).for_each(async |written| written.unwrap()).await;
}

#[tokio::test]
async fn what_is_written_is_listed_read_and_deleted() {
    let (store, lake) = (store(), bucket().await.join("lake"));
    let object = lake.join("day=1/a.json");
    store.write(&object, b"{}").await.unwrap();
    store.write(&lake.join("day=1/_hidden/b"), b"").await.unwrap();
    store.persist(&lake).await.unwrap();

    assert_eq!(store.list(&lake).await.unwrap().len(), 2);
    let visible = visible_objects(&store, &lake).await.unwrap();
    assert_eq!((visible.len(), visible[0].size, &visible[0].location), (1, 2, &object));
    let age = chrono::Utc::now() - visible[0].modified;
    assert!(age.num_seconds().abs() < 60, "{age}");
    assert_eq!(store.read(&object).await.unwrap().as_deref(), Some(&b"{}"[..]));
    assert_eq!(store.read(&lake.join("day=1/b.json")).await.unwrap(), None);

    store.delete_folder(&lake).await.unwrap();
    store.delete_folder(&lake).await.unwrap();
    assert_eq!(store.read(&object).await.unwrap(), None);
    assert!(store.list(&lake).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_content_gives_another_etag_without_quotes() {
    let (store, bucket) = (store(), bucket().await);
    let mut etags = BTreeSet::new();
    for content in [&b"1"[..], b"2"] {
        store.write(&bucket.join("a"), content).await.unwrap();
        etags.insert(store.list(&bucket).await.unwrap()[0].etag.clone());
    }
    assert_eq!(etags.len(), 2);
    assert!(etags.iter().all(|etag| etag.len() == 32 && !etag.contains('"')), "{etags:?}");
}

#[tokio::test]
async fn more_objects_than_a_page_holds_are_listed_and_deleted() {
    let (store, bucket) = (store(), bucket().await);
    let folder = bucket.join("many");
    fill(&store, &folder, 2_050).await;
    fill(&store, &bucket.join("more"), 2).await;

    let objects = store.list(&folder).await.unwrap();
    assert_eq!(objects.len(), 2_050);
    assert!(objects.is_sorted_by(|a, b| a.location < b.location));
    store.delete_folder(&folder).await.unwrap();
    assert!(store.list(&folder).await.unwrap().is_empty());
    assert_eq!(store.list(&bucket).await.unwrap().len(), 2);
}

#[tokio::test]
async fn more_folders_than_a_page_holds_are_listed() {
    let (store, bucket) = (store(), bucket().await);
    let objects = (0..1_001).map(|number| bucket.join(&format!("hour={number:04}/a")));
    let to = &store;
    let writes = stream::iter(objects).map(|object| async move { to.write(&object, b"").await.unwrap() });
    writes.buffer_unordered(16).collect::<Vec<()>>().await;
    let folders = store.folders(&bucket).await.unwrap();
    assert_eq!((folders.len(), &folders[1_000]), (1_001, &bucket.join("hour=1000")));
}

#[tokio::test]
async fn folders_are_those_straight_below_and_beside_none_of_like_name() {
    let (store, bucket) = (store(), bucket().await);
    for key in ["top", "y=1/m=1/d=1/a", "y=1/m=2/a", "y=1/b", "y=10/m=1/a", "y=1//a"] {
        store.write(&bucket.join(key), b"x").await.unwrap();
    }
    let year = bucket.join("y=1");
    assert_eq!(store.folders(&bucket).await.unwrap(), [year.clone(), bucket.join("y=10")]);
    assert_eq!(store.folders(&year).await.unwrap(), [year.join("m=1"), year.join("m=2")]);
    assert!(store.folders(&bucket.join("nowhere")).await.unwrap().is_empty());

    let names = |objects: Vec<meterlake_core::store::Object>| {
        objects.iter().map(|object| object.location.relative_to(&bucket).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let below = ["y=1//a", "y=1/b", "y=1/m=1/d=1/a", "y=1/m=2/a"];
    assert_eq!(names(store.list(&year).await.unwrap()), below);
    store.delete_folder(&year).await.unwrap();
    assert_eq!(names(store.list(&bucket).await.unwrap()), ["top", "y=10/m=1/a"]);
}

#[tokio::test]
async fn a_folder_that_a_console_made_is_no_object_and_is_deleted_with_the_rest() {
    let (store, bucket) = (store(), bucket().await);
    let put = s3().put_object().bucket(bucket.bucket_and_key().unwrap().0).key("empty/");
    put.send().await.unwrap();
    assert!(store.list(&bucket).await.unwrap().is_empty());
    assert_eq!(store.folders(&bucket).await.unwrap(), [bucket.join("empty")]);
    store.delete_folder(&bucket.join("empty")).await.unwrap();
    assert!(store.folders(&bucket).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_may_have_any_characters() {
    let (store, bucket) = (store(), bucket().await);
    let names =
        ["a b", "a\"b'c", "사용자=é", "a+b", "100%", "a%20b", "a%2Fb", "x=&<>;:@$,!*()?#[]{}^~|\\`", ".hidden", "-"];
    for name in names {
        let object = bucket.join(name).join(name);
        store.write(&object, name.as_bytes()).await.unwrap();
        let mut streamed = store.create(&object.join("streamed")).await.unwrap();
        streamed.write(vec![b'x'; 9 << 20]).await.unwrap();
        streamed.finish().await.unwrap();

        assert_eq!(store.read(&object).await.unwrap().as_deref(), Some(name.as_bytes()), "{name}");
        let listed = store.list(&bucket.join(name)).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|object| &object.location).collect();
        assert_eq!(listed, [&object, &object.join("streamed")]);
    }
    let folders: BTreeSet<_> = names.iter().map(|name| bucket.join(name)).collect();
    assert_eq!(store.folders(&bucket).await.unwrap(), Vec::from_iter(folders));
    for name in names {
        store.delete_folder(&bucket.join(name)).await.unwrap();
    }
    assert!(store.list(&bucket).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_streamed_object_appears_only_when_it_is_finished() {
    let (store, bucket) = (store(), bucket().await);
    let object = bucket.join("day=1/large");
    store.write(&object, b"old").await.unwrap();
    let content: Vec<u8> = (0..20 << 20).map(|at: u32| (at % 251) as u8).collect();
    let mut writer = store.create(&object).await.unwrap();
    for piece in content.chunks(700_001) {
        writer.write(piece.to_vec()).await.unwrap();
    }
    assert_eq!(uploads(&bucket).await, 1);
    assert_eq!(store.read(&object).await.unwrap().as_deref(), Some(&b"old"[..]));
    assert_eq!(writer.finish().await.unwrap(), 20 << 20);

    assert!(store.read(&object).await.unwrap().unwrap() == content);
    let listed = store.list(&bucket).await.unwrap();
    // Of three parts: 8 MiB and a little, twice, and the rest.
    assert_eq!((listed.len(), listed[0].size, listed[0].etag.split_once('-').unwrap().1), (1, 20 << 20, "3"));
    assert_eq!(uploads(&bucket).await, 0);
}

#[tokio::test]
async fn a_small_streamed_object_is_one_put() {
    let (store, bucket) = (store(), bucket().await);
    for (name, pieces) in [("empty", &[][..]), ("small", &[&b"one"[..], b"", b"two"])] {
        let mut writer = store.create(&bucket.join(name)).await.unwrap();
        for piece in pieces {
            writer.write(piece.to_vec()).await.unwrap();
        }
        assert_eq!(store.read(&bucket.join(name)).await.unwrap(), None);
        assert_eq!(writer.finish().await.unwrap(), pieces.concat().len() as u64);
        assert_eq!(store.read(&bucket.join(name)).await.unwrap().unwrap(), pieces.concat());
    }
    let etags: Vec<_> = store.list(&bucket).await.unwrap().into_iter().map(|object| object.etag).collect();
    assert!(etags.iter().all(|etag| !etag.contains('-')), "{etags:?}");
}

#[tokio::test]
async fn a_dropped_object_never_appears_and_its_upload_is_given_up() {
    let (store, bucket) = (store(), bucket().await);
    let mut writer = store.create(&bucket.join("day=1/a")).await.unwrap();
    writer.write(vec![0; 9 << 20]).await.unwrap();
    assert_eq!(uploads(&bucket).await, 1);
    drop(writer);
    for _ in 0..100 {
        if uploads(&bucket).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(uploads(&bucket).await, 0);
    assert!(store.list(&bucket).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_sweep_gives_up_old_uploads_below_its_folder() {
    let (store, bucket) = (store(), bucket().await);
    for key in ["day=1/a", "day=1/b", "day=10/a"] {
        let mut writer = store.create(&bucket.join(key)).await.unwrap();
        writer.write(vec![0; 8 << 20]).await.unwrap();
        // As a program that is killed does.
        std::mem::forget(writer);
    }
    store.sweep(&bucket.join("day=1"), Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(uploads(&bucket).await, 3);
    store.sweep(&bucket.join("day=1"), Duration::ZERO).await.unwrap();
    assert_eq!(uploads(&bucket).await, 1);
    store.sweep(&bucket, Duration::ZERO).await.unwrap();
    assert_eq!(uploads(&bucket).await, 0);
    assert!(store.list(&bucket).await.unwrap().is_empty());
}

#[tokio::test]
async fn more_uploads_than_a_page_holds_are_swept() {
    let (store, bucket) = (store(), bucket().await);
    let (s3, name) = (s3(), bucket.bucket_and_key().unwrap().0);
    let begin = |number: i32| s3.create_multipart_upload().bucket(name).key(format!("a/{number}")).send();
    let begun = stream::iter(0..1_005).map(begin).buffer_unordered(16);
    begun.for_each(async |begun| drop(begun.unwrap())).await;
    store.sweep(&bucket, Duration::ZERO).await.unwrap();
    assert_eq!(uploads(&bucket).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_put_if_absent_by_one_of_many() {
    let (store, bucket) = (store(), bucket().await);
    let object = bucket.join("locks/a");
    // The same content: who wrote it is told by something else.
    let won = try_join_all((0..8).map(|_| store.write_new(&object, b"mine"))).await.unwrap();
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    assert!(!store.write_new(&object, b"other").await.unwrap());
    assert_eq!(store.read(&object).await.unwrap().as_deref(), Some(&b"mine"[..]));

    store.delete_folder(&object.parent()).await.unwrap();
    assert!(store.write_new(&object, b"other").await.unwrap());
}

#[tokio::test]
async fn a_missing_bucket_is_not_there_and_is_named_when_it_is_used() {
    let (store, nowhere) = (store(), "s3://meterlake-nowhere/lake".parse::<Location>().unwrap());
    assert!(!store.exists(&nowhere).await.unwrap());
    assert!(store.exists(&bucket().await.join("not/yet")).await.unwrap());

    let object = nowhere.join("a");
    let mut writer = store.create(&object).await.unwrap();
    let errors = [
        store.list(&nowhere).await.unwrap_err(),
        store.folders(&nowhere).await.unwrap_err(),
        store.read(&object).await.unwrap_err(),
        store.write(&object, b"").await.unwrap_err(),
        store.write_new(&object, b"").await.unwrap_err(),
        store.sweep(&nowhere, Duration::ZERO).await.unwrap_err(),
        store.delete_folder(&nowhere).await.unwrap_err(),
        writer.write(vec![0; 9 << 20]).await.unwrap_err(),
    ];
    for error in errors {
        let error = meterlake_core::run::one_line(&error);
        assert!(error.starts_with("cannot "), "{error}");
        assert!(error.contains("s3://meterlake-nowhere/lake"), "{error}");
        assert!(error.contains(": NoSuchBucket: The specified bucket does not exist"), "{error}");
    }
    let error = writer.write(vec![0]).await.unwrap_err().to_string();
    assert!(error.contains("could not be written"), "{error}");
}

#[tokio::test]
async fn a_local_path_is_not_on_s3() {
    let error = store().list(&"file:///tmp".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("file:///tmp is not on S3"), "{error}");
}
