//! A server inside another process, by a clock that can be moved.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use support::Client;
use yaoku::config::{Options, Settings};
use yaoku::serve::{Running, start};
use yaoku_kms::{Clock, ManualClock, SystemClock};

async fn started(data: &Path, clock: Arc<dyn Clock>) -> Running {
    let options = Options {
        listen: Some("127.0.0.1:0".into()),
        data_dir: Some(data.to_owned()),
        root_access_key_id: Some(support::ACCESS_KEY_ID.into()),
        ..Options::default()
    };
    let secret = |name: &str| (name == "YAOKU_ROOT_ACCESS_KEY_SECRET").then(|| support::ACCESS_KEY_SECRET.into());
    start(Settings::of(&options, &secret).unwrap(), clock).await.unwrap()
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
        key
    });
    let key = key.await;
    clock.advance_seconds(WEEK + 1);
    let gone = with_client(&running, WEEK + 1, move |client| {
        support::wait_until("the key is deleted", || client.call("DescribeKey", &[("KeyId", &key)]).status == 404);
    });
    gone.await;
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
