//! Writing an object in parts, cut off at any call.

use std::time::Duration;

use anyhow::Result;
use meterlake_aws::S3Store;
use meterlake_core::location::Location;
use meterlake_core::store::Store;
use meterlake_tests::cut::{CallNames, Cut, Moment};
use meterlake_tests::ministack::{bucket, endpoint, s3, sdk_config, sdk_config_for};
use meterlake_tests::proxy::{Proxy, Services};

/// Writes an object of two parts.
async fn write(store: &S3Store, object: &Location) -> Result<u64> {
    let mut writer = store.create(object).await?;
    writer.write(content()[..8 << 20].to_vec()).await?;
    writer.write(content()[8 << 20..].to_vec()).await?;
    writer.finish().await
}

fn content() -> Vec<u8> {
    (0..9_u32 << 20).map(|at| (at / 7) as u8).collect()
}

async fn proxy(object: &Location, cut: Option<Cut>) -> (Proxy, S3Store) {
    let services = Services { aws: endpoint().to_owned(), athena: None };
    let proxy = Proxy::start(services, CallNames::of(object), cut).await;
    let store = S3Store::new(&sdk_config_for(proxy.endpoint()));
    (proxy, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_be_cut_off_at_any_call_and_leaves_nothing_that_a_sweep_does_not_find() {
    let folder = bucket().await.join("folder");
    let direct = S3Store::new(&sdk_config());
    let object = folder.join("undisturbed");
    let (uncut, store) = proxy(&object, None).await;
    assert_eq!(write(&store, &object).await.unwrap(), 9 << 20);
    assert_eq!(direct.read(&object).await.unwrap(), Some(content()));
    let calls: Vec<String> = uncut.calls().iter().map(ToString::to_string).collect();
    let operations = ["CreateMultipartUpload", "UploadPart", "UploadPart", "CompleteMultipartUpload"];
    assert_eq!(calls, operations.map(|operation| format!("S3 {operation} {object}")));

    let cuts = uncut.named_calls().into_iter().flat_map(|(call, name)| {
        let cuts: Vec<Cut> = Cut::all_at(&name, call.is_a_change()).collect();
        cuts.into_iter().map(move |cut| (call.operation == "CompleteMultipartUpload", cut))
    });
    for (number, (is_last, cut)) in cuts.enumerate() {
        let object = folder.join(&number.to_string());
        let (proxy, store) = proxy(&object, Some(cut.clone())).await;
        tokio::select! {
            biased;
            () = proxy.cut_off() => {}
            written = write(&store, &object) => panic!("{cut}: it was not cut off: {written:?}"),
        }
        let is_done = is_last && cut.moment == Moment::After;
        let there = direct.read(&object).await.unwrap();
        assert_eq!(there.is_some(), is_done, "{cut}");
        assert!(there.is_none_or(|there| there == content()), "{cut}");

        direct.sweep(&folder, Duration::ZERO).await.unwrap();
        let uploads = s3().list_multipart_uploads().bucket(folder.bucket_and_key().unwrap().0).send().await.unwrap();
        assert!(uploads.uploads().is_empty(), "{cut}: {:?}", uploads.uploads());
        assert_eq!(write(&direct, &object).await.unwrap(), 9 << 20, "{cut}");
        direct.delete_folder(&folder).await.unwrap();
    }
}
