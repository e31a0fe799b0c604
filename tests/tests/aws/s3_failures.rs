//! What S3 does on bad days.

use std::time::Duration;

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use meterlake_aws::S3Store;
use meterlake_core::location::Location;
use meterlake_core::run::one_line;
use meterlake_core::store::Store;

use crate::fake::{Answer, Fake, Request, answer, error};

fn bucket() -> Location {
    "s3://bucket".parse().unwrap()
}

fn store(fake: &Fake) -> S3Store {
    S3Store::new(&fake.sdk_config())
}

/// The answer to a HEAD of an object that the writer of an earlier request wrote.
fn written_by(writer: &str) -> Answer {
    (200, format!("x-amz-meta-meterlake-writer: {writer}\r\n"), String::new())
}

fn writer_of(request: &Request) -> Option<String> {
    Some(request.header("x-amz-meta-meterlake-writer").to_owned()).filter(|writer| !writer.is_empty())
}

#[tokio::test]
async fn a_key_that_cannot_be_deleted_fails_the_delete_and_is_named() {
    let fake = Fake::start(|_, request| match request.line.starts_with("GET") {
        true => answer(
            200,
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a/1</Key></Contents>\
             <Contents><Key>a/2</Key></Contents><Contents><Key>a/3</Key></Contents></ListBucketResult>",
        ),
        false => answer(
            200,
            "<DeleteResult><Error><Key>a/2</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>\
             <Error><Key>a/3</Key><Code>InternalError</Code></Error></DeleteResult>",
        ),
    });
    let error = store(&fake).delete_folder(&bucket().join("a")).await.unwrap_err().to_string();
    assert_eq!(error, "cannot delete s3://bucket/a/2 and 1 more: AccessDenied: Access Denied");
}

#[tokio::test]
async fn a_bucket_that_may_not_be_read_or_lies_elsewhere_is_an_error_that_says_what_to_do() {
    let fake = Fake::start(|_, _| answer(403, ""));
    let error = one_line(&store(&fake).exists(&bucket()).await.unwrap_err());
    assert!(error.contains("access to the bucket bucket is denied"), "{error}");
    assert!(error.contains("s3:ListBucket") && error.ends_with("HTTP 403"), "{error}");

    let fake = Fake::start(|_, _| (301, "x-amz-bucket-region: eu-central-1\r\n".to_owned(), String::new()));
    let error = one_line(&store(&fake).exists(&bucket()).await.unwrap_err());
    assert_eq!(error, "the bucket bucket lies in the region eu-central-1: set AWS_REGION=eu-central-1");
}

#[tokio::test]
async fn an_error_says_what_failed_and_what_s3_said() {
    let fake = Fake::start(|_, _| (403, "x-amz-request-id: ABC\r\n".to_owned(), error(403, "AccessDenied").2));
    let error = one_line(&store(&fake).read(&bucket().join("a b")).await.unwrap_err());
    assert_eq!(error, "cannot read s3://bucket/a b: AccessDenied: Words of AccessDenied. (request id ABC)");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_throttled_call_is_tried_again() {
    let fake = Fake::start(|number, _| if number < 4 { error(503, "SlowDown") } else { answer(200, "content") });
    let content = store(&fake).read(&bucket().join("a")).await.unwrap();
    assert_eq!(content.as_deref(), Some(&b"content"[..]));
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn content_that_stops_coming_is_asked_for_again() {
    let cut = (200, "Content-Length: 100\r\n".to_owned(), "con".to_owned());
    let fake = Fake::start(move |number, _| if number == 1 { cut.clone() } else { answer(200, "content") });
    let content = store(&fake).read(&bucket().join("a")).await.unwrap();
    assert_eq!(content.as_deref(), Some(&b"content"[..]));

    let cut = (200, "Content-Length: 100\r\n".to_owned(), "con".to_owned());
    let fake = Fake::start(move |_, _| cut.clone());
    let error = one_line(&store(&fake).read(&bucket().join("a")).await.unwrap_err());
    assert!(error.starts_with("cannot read s3://bucket/a: "), "{error}");
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn a_part_that_cannot_be_sent_gives_the_upload_up() {
    let fake = Fake::start(|_, request| match request.line.split(' ').next().unwrap() {
        "POST" => answer(200, "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"),
        "PUT" => error(400, "BadDigest"),
        _ => answer(204, ""),
    });
    let mut writer = store(&fake).create(&bucket().join("a")).await.unwrap();
    let error = one_line(&writer.write(vec![0; 8 << 20]).await.unwrap_err());
    assert!(error.starts_with("cannot write s3://bucket/a, part 1: BadDigest"), "{error}");
    let last = fake.asked().pop().unwrap();
    assert!(last.starts_with("DELETE /bucket/a?") && last.contains("uploadId=u1"), "{last}");
    assert!(writer.finish().await.is_err());
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn an_upload_whose_end_was_not_heard_of_is_finished_if_the_object_is_there() {
    let finish = async |ours: bool| {
        let mut writer = None;
        let mut is_complete = false;
        let fake = Fake::start(move |_, request| {
            writer = writer_of(request).or(writer.take());
            match request.line.split(' ').next().unwrap() {
                "PUT" => (200, "ETag: \"e\"\r\n".to_owned(), String::new()),
                "HEAD" => written_by(if ours { writer.as_deref().unwrap() } else { "another" }),
                _ if request.line.contains("uploads") => answer(
                    200,
                    "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
                ),
                // Done, but the answer says something else.
                _ if !std::mem::replace(&mut is_complete, true) => error(500, "InternalError"),
                _ => error(404, "NoSuchUpload"),
            }
        });
        let mut writer = store(&fake).create(&bucket().join("a")).await.unwrap();
        writer.write(vec![0; 8 << 20]).await.unwrap();
        writer.finish().await
    };
    assert_eq!(finish(true).await.unwrap(), 8 << 20);
    let error = one_line(&finish(false).await.unwrap_err());
    assert!(error.starts_with("cannot write s3://bucket/a: NoSuchUpload"), "{error}");
}

#[tokio::test]
async fn a_put_if_absent_whose_success_was_not_heard_of_is_known_to_be_ours() {
    let put = async |ours: bool| {
        let mut writer = None;
        let fake = Fake::start(move |number, request| {
            writer = writer_of(request).or(writer.take());
            match (number, request.line.starts_with("HEAD")) {
                (_, true) => written_by(if ours { writer.as_deref().unwrap() } else { "another" }),
                // Done, but the answer says something else.
                (1, _) => error(500, "InternalError"),
                _ => error(412, "PreconditionFailed"),
            }
        });
        store(&fake).write_new(&bucket().join("a"), b"x").await.unwrap()
    };
    assert!(put(true).await);
    assert!(!put(false).await);
}

#[tokio::test]
async fn a_put_if_absent_that_another_got_in_the_way_of_is_tried_again() {
    let conflict = || error(409, "ConditionalRequestConflict");
    let fake = Fake::start(move |number, _| if number < 3 { conflict() } else { answer(200, "") });
    assert!(store(&fake).write_new(&bucket().join("a"), b"x").await.unwrap());

    let fake = Fake::start(move |_, _| conflict());
    assert!(!store(&fake).write_new(&bucket().join("a"), b"x").await.unwrap());
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn a_sweep_goes_on_when_an_upload_is_already_gone() {
    let fake = Fake::start(|_, request| match request.line.starts_with("GET") {
        true => answer(
            200,
            "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>\
             <Upload><Key>a</Key><UploadId>1</UploadId><Initiated>2023-01-31T06:00:00Z</Initiated></Upload>\
             <Upload><Key>b</Key><UploadId>2</UploadId><Initiated>2023-01-31T06:00:00Z</Initiated></Upload>\
             <Upload><Key>c</Key><UploadId>3</UploadId><Initiated>2999-01-01T00:00:00Z</Initiated></Upload>\
             </ListMultipartUploadsResult>",
        ),
        false => error(404, "NoSuchUpload"),
    });
    store(&fake).sweep(&bucket(), Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn without_credentials_or_region_an_error_says_what_to_set() {
    let fake = Fake::start(|_, _| answer(200, ""));
    let nobody = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("nobody is logged in")) });
    let config = fake.sdk_config().into_builder().credentials_provider(SharedCredentialsProvider::new(nobody)).build();
    let error = one_line(&S3Store::new(&config).exists(&bucket()).await.unwrap_err());
    assert!(error.starts_with("no usable AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID"), "{error}");
    assert!(error.contains("cannot reach the bucket bucket") && error.contains("nobody is logged in"), "{error}");

    let config = fake.sdk_config().into_builder().region(None).build();
    let error = one_line(&S3Store::new(&config).exists(&bucket()).await.unwrap_err());
    assert!(error.starts_with("no AWS region: set AWS_REGION: cannot reach the bucket bucket"), "{error}");
    assert!(fake.asked().is_empty(), "{:?}", fake.asked());
}
