//! Objects in storage classes that queries leave out without a word.

use aws_sdk_s3::types::StorageClass;
use meterlake_merge::{Args, MergeJob};
use meterlake_tests::calls::calls;
use meterlake_tests::lake::{counts, hour, run, tables};
use meterlake_tests::ministack::s3;

use crate::lakes::{lake_on_athena, lake_on_s3};

const HOUR: &str = "2023-01-31T06";

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_queries_leave_out_refuses_its_hour_by_name() {
    let args = Args { hour: Some(Some(hour(HOUR))), lookback: Some(0), ..Args::default() };
    for lake in [lake_on_s3().await, lake_on_athena().await.0] {
        tables(&lake).await.unwrap();
        let folder = lake.layout.raw.folder_of(hour(HOUR));
        let (bucket, prefix) = folder.bucket_and_key().unwrap();
        let put = async |name: &str, id: &str, class: StorageClass| {
            let put = s3().put_object().bucket(bucket).key(format!("{prefix}/{name}")).storage_class(class);
            put.body(calls(&[id]).into_bytes().into()).send().await.unwrap();
        };
        put("a", "1", StorageClass::Standard).await;
        put("c", "3", StorageClass::GlacierIr).await;
        for class in [StorageClass::Glacier, StorageClass::DeepArchive] {
            put("b", "2", class.clone()).await;
            let error = format!("{:#}", run::<MergeJob>(&lake, &args).await.unwrap_err());
            assert!(error.contains("hour=06/b") && error.contains(class.as_str()), "{error}");
            assert_eq!(lake.store.folders(&lake.layout.merged.folder_of(hour(HOUR))).await.unwrap(), []);
        }
        // Copied back into a class that is read, all three count.
        put("b", "2", StorageClass::Standard).await;
        let report = run::<MergeJob>(&lake, &args).await.unwrap().remove(0);
        assert_eq!(counts(&report), (3, 0, 0));
    }
}
