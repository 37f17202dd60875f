//! A server inside another process, by a clock that can be moved.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::Client;
use yaoku::config::{Options, Settings};
use yaoku::serve::{Running, start};
use yaoku_kms::{Clock, ManualClock, SystemClock};

/// Where deletions that are due do not wait for the clock to have been steady, unless `is_patient`.
async fn started_with(data: &Path, clock: Arc<dyn Clock>, is_patient: bool) -> Running {
    start(settings(data, is_patient), clock).await.unwrap()
}

fn settings(data: &Path, is_patient: bool) -> Settings {
    let options = Options {
        listen: Some("127.0.0.1:0".into()),
        data_dir: Some(data.to_owned()),
        root_access_key_id: Some(support::ACCESS_KEY_ID.into()),
        deletion_patience: if is_patient { None } else { Some(0) },
        ..Options::default()
    };
    let secret = |name: &str| (name == "YAOKU_ROOT_ACCESS_KEY_SECRET").then(|| support::ACCESS_KEY_SECRET.into());
    Settings::of(&options, &secret).unwrap()
}

async fn started(data: &Path, clock: Arc<dyn Clock>) -> Running {
    started_with(data, clock, false).await
}

/// Runs what blocks beside the server.
async fn with_client<T: Send + 'static>(
    running: &Running,
    ahead: u64,
    work: impl FnOnce(Client) -> T + Send + 'static,
) -> T {
    let client = Client { ahead, ..Client::new(&running.address().to_string()) };
    tokio::task::spawn_blocking(move || work(client)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_after_days_happens_when_the_clock_is_moved() {
    const WEEK: u64 = 7 * 86_400;
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let running = started(&dir.path().join("data"), clock.clone()).await;
    let key = with_client(&running, 0, |client| {
        let key = client.create_key(&[]);
        client.call("ScheduleKeyDeletion", &[("KeyId", &key), ("PendingWindowInDays", "7")]).ok();
        client.call("CreateSecret", &[("SecretName", "db"), ("VersionId", "v1"), ("SecretData", "x")]).ok();
        client.call("DeleteSecret", &[("SecretName", "db"), ("RecoveryWindowInDays", "7")]).ok();
        (key, client.create_key(&[("EnableAutomaticRotation", "true"), ("RotationInterval", "7d")]))
    });
    let (key, rotating) = key.await;
    clock.advance_seconds(WEEK + 1);
    let gone = with_client(&running, WEEK + 1, move |client| {
        support::wait_until("the key is deleted", || client.call("DescribeKey", &[("KeyId", &key)]).status == 404);
        // Nobody called for it, and yet it is in the log.
        let trail = client.at(support::ACTIONTRAIL);
        support::wait_until("the secret is deleted", || {
            client.call("DescribeSecret", &[("SecretName", "db")]).status == 404
        });
        let secret = "db".to_owned();
        for (name, key) in [("DeleteKey", &key), ("RotateKey", &rotating), ("DeleteSecret", &secret)] {
            let asked = [("LookupAttribute.1.Key", "EventName"), ("LookupAttribute.1.Value", name)];
            let found = || {
                let mut events = trail.call("LookupEvents", &asked).ok().body["Events"].as_array().unwrap().clone();
                events.retain(|event| event["eventType"] == "AliyunServiceEvent");
                events
            };
            support::wait_until("the record is written", || !found().is_empty());
            let [event] = &found()[..] else { panic!("{:?}", found()) };
            assert_eq!((&event["eventType"], &event["resourceName"]), (&"AliyunServiceEvent".into(), &(**key).into()));
            assert_eq!((&event["userIdentity"]["type"], &event["eventRW"]), (&"system".into(), &"Write".into()));
        }
    });
    gone.await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_at_its_time_and_no_later() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let running = started(&dir.path().join("data"), clock.clone()).await;
    let session = with_client(&running, 0, |client| {
        let ram = client.at(support::RAM);
        let account = client.at(support::STS).call("GetCallerIdentity", &[]).ok().text("AccountId").to_owned();
        let trust = format!(
            r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{account}:root"}}}}}}"#
        );
        ram.call("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &trust)]).ok();
        ram.call("CreateUser", &[("UserName", "u")]).ok();
        let policy = [("UserName", "u"), ("PolicyType", "System"), ("PolicyName", "AliyunSTSAssumeRoleAccess")];
        ram.call("AttachPolicyToUser", &policy).ok();
        let policy = [("RoleName", "r"), ("PolicyType", "System"), ("PolicyName", "AliyunKMSReadOnlyAccess")];
        ram.call("AttachPolicyToRole", &policy).ok();
        let key = ram.call("CreateAccessKey", &[("UserName", "u")]).ok();
        let user = Client {
            access_key_id: key.text("AccessKey/AccessKeyId").to_owned(),
            secret: key.text("AccessKey/AccessKeySecret").to_owned(),
            ..client.at(support::STS)
        };
        let role = format!("acs:ram::{account}:role/r");
        let params = [("RoleArn", &*role), ("RoleSessionName", "s1"), ("DurationSeconds", "900")];
        let begun = user.call("AssumeRole", &params).ok();
        Client {
            access_key_id: begun.text("Credentials/AccessKeyId").to_owned(),
            secret: begun.text("Credentials/AccessKeySecret").to_owned(),
            security_token: Some(begun.text("Credentials/SecurityToken").to_owned()),
            ..client
        }
    })
    .await;
    let mut ahead = 0;
    for (more, status, code) in [(0, 200, "ok"), (890, 200, "ok"), (11, 403, "InvalidSecurityToken.Expired")] {
        clock.advance_seconds(more);
        ahead += more;
        let session = Client { ahead, ..session.clone() };
        let call = move || session.call("ListKeys", &[]);
        let answer = tokio::task::spawn_blocking(call).await.unwrap();
        assert_eq!((answer.status, answer.code()), (status, code), "after {ahead} seconds: {answer:?}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_deletes_nothing() {
    const WEEK: u64 = 7 * 86_400;
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let running = started_with(&dir.path().join("data"), clock.clone(), true).await;
    let keys = with_client(&running, 0, |client| {
        let key = client.create_key(&[]);
        client.call("ScheduleKeyDeletion", &[("KeyId", &key), ("PendingWindowInDays", "7")]).ok();
        (key, client.create_key(&[("EnableAutomaticRotation", "true"), ("RotationInterval", "8d")]))
    });
    let (key, rotating) = keys.await;
    clock.advance_seconds(2 * WEEK);
    let kept = with_client(&running, 2 * WEEK, move |client| {
        let versions = || client.call("ListKeyVersions", &[("KeyId", &rotating)]).ok().number("TotalCount");
        // What can be lived with is done.
        support::wait_until("the other key is rotated", || versions() == 2);
        client.state(&key)
    });
    assert_eq!(kept.await, "PendingDeletion");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_leaves_its_data_directory_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for count in 0..3 {
        let running = started(&data, Arc::new(SystemClock)).await;
        assert!(running.drawn_access_key().is_none(), "the test chose the credential");
        with_client(&running, 0, move |client| {
            assert_eq!(client.call("ListKeys", &[]).ok().number("TotalCount"), count);
            client.create_key(&[]);
        })
        .await;
        running.stop().await;
        assert!(!data.join("control.sock").exists());
    }
}

/// More keys are asked for than can be made in the time that requests have: those that are not made are answered while they can be.
#[tokio::test(flavor = "multi_thread")]
async fn key_generation_that_a_stop_gives_up_is_answered_as_unavailable_and_leaves_nothing() {
    const CALLS: usize = 16;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut settings = settings(&data, false);
    settings.limits.drain_timeout = Duration::from_secs(3);
    let running = start(settings, Arc::new(SystemClock)).await.unwrap();
    let client = Client::new(&running.address().to_string());
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let client = client.clone();
            let rsa = [("KeySpec", "RSA_4096"), ("KeyUsage", "SIGN/VERIFY")];
            tokio::task::spawn_blocking(move || client.call("CreateKey", &rsa))
        })
        .collect();
    // One was made: the others wait, or are being made.
    let listing = client.clone();
    let is_made = move || listing.call("ListKeys", &[]).ok().number("TotalCount") > 0;
    tokio::task::spawn_blocking(move || support::wait_until("a key is made", is_made)).await.unwrap();
    running.stop().await;
    let (mut made, mut given_up) = (0, 0);
    for call in calls {
        let answer = call.await.unwrap();
        match answer.status {
            200 => made += 1,
            503 => {
                assert_eq!(answer.code(), "ServiceUnavailableTemporary");
                given_up += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert!(made > 0 && given_up > 0, "{made} made, {given_up} given up");
    let running = started(&data, Arc::new(SystemClock)).await;
    let total = with_client(&running, 0, |client| client.call("ListKeys", &[]).ok().number("TotalCount")).await;
    assert_eq!(total, made);
    running.stop().await;
}
