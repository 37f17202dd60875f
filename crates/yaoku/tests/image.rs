//! The image of the catalogue: a start by it is as one without, and it counts only while nothing has changed since.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Client, Server, log_of};

const IMAGE: &str = "catalogue.image";
const BY_IMAGE: &str = "reading the catalogue from its image";

/// Keys in several states with tags and aliases; their ids.
fn fill(client: &Client) -> Vec<String> {
    let key = |number: usize| {
        let tags =
            format!(r#"[{{"TagKey":"team","TagValue":"t{}"}},{{"TagKey":"n","TagValue":"{number}"}}]"#, number % 3);
        let made = client.call("CreateKey", &[("Tags", &tags)]);
        assert_eq!(made.status, 200, "{made:?}");
        made.text("KeyMetadata/KeyId").to_owned()
    };
    let keys: Vec<_> = (0..12).map(key).collect();
    for (number, key) in keys.iter().enumerate().skip(4) {
        let name = format!("alias/key-{number}");
        assert_eq!(client.call("CreateAlias", &[("KeyId", key), ("AliasName", &name)]).status, 200);
    }
    assert_eq!(client.call("DisableKey", &[("KeyId", &keys[1])]).status, 200);
    assert_eq!(client.call("ScheduleKeyDeletion", &[("KeyId", &keys[2]), ("PendingWindowInDays", "7")]).status, 200);
    let rotated = [("KeyId", &*keys[3]), ("EnableAutomaticRotation", "true"), ("RotationInterval", "30d")];
    assert_eq!(client.call("UpdateRotationPolicy", &rotated).status, 200);
    keys
}

/// All that the catalogue answers.
fn known(client: &Client) -> Vec<Value> {
    let filter = |key: &str, value: &str| format!(r#"[{{"Key":"{key}","Values":["{value}"]}}]"#);
    let (disabled, tagged) = (filter("KeyState", "Disabled"), filter("TagValue", "t1"));
    let asked: [(&str, &[(&str, &str)]); 6] = [
        ("ListKeys", &[("PageSize", "100")]),
        ("ListKeys", &[("PageSize", "3"), ("PageNumber", "2")]),
        ("ListKeys", &[("Filters", &disabled)]),
        ("ListKeys", &[("Filters", &tagged)]),
        ("ListAliases", &[("PageSize", "100")]),
        ("ListTagResources", &[("ResourceType", "key"), ("RegionId", support::REGION)]),
    ];
    let answer = |(action, params): &(&str, &[(&str, &str)])| {
        let answer = client.call(action, params);
        assert_eq!(answer.status, 200, "{action}: {answer:?}");
        let mut body = answer.body;
        body.as_object_mut().unwrap().remove("RequestId");
        body
    };
    asked.iter().map(answer).collect()
}

/// Waits until the log says so, once more than before.
fn expect_in_log(data: &Path, seen: &mut usize, phrase: &str) {
    support::wait_until(phrase, || {
        let log = std::fs::read_to_string(log_of(data)).unwrap();
        let found = log[*seen..].contains(phrase);
        if found {
            *seen = log.len();
        }
        found
    });
}

#[test]
fn a_start_by_the_image_knows_all_that_one_without_knows() {
    let dir = tempfile::tempdir().unwrap();
    let (data, mut seen) = (dir.path().join("data"), 0);
    let server = Server::start(&data);
    fill(&server.client());
    let before = known(&server.client());
    assert_eq!(server.terminate(), Some(0));

    assert!(data.join(IMAGE).exists());
    let server = Server::start(&data);
    expect_in_log(&data, &mut seen, BY_IMAGE);
    assert!(!data.join(IMAGE).exists(), "it is read once");
    assert_eq!(known(&server.client()), before);
    server.kill();

    assert!(!data.join(IMAGE).exists(), "a process that was killed leaves none");
    let server = Server::start(&data);
    assert_eq!(known(&server.client()), before);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn an_image_of_before_a_change_is_void() {
    let dir = tempfile::tempdir().unwrap();
    let (data, kept, mut seen) = (dir.path().join("data"), dir.path().join("kept"), 0);
    let server = Server::start(&data);
    let keys = fill(&server.client());
    assert_eq!(server.terminate(), Some(0));
    std::fs::copy(data.join(IMAGE), &kept).unwrap();

    let server = Server::start(&data);
    assert_eq!(server.client().call("DisableKey", &[("KeyId", &keys[0])]).status, 200);
    let after = known(&server.client());
    server.kill();
    std::fs::copy(&kept, data.join(IMAGE)).unwrap();
    let server = Server::start(&data);
    expect_in_log(&data, &mut seen, "ignoring the catalogue image");
    assert_eq!(known(&server.client()), after);
    let encrypt = server.client().call("Encrypt", &[("KeyId", &keys[0]), ("Plaintext", "aGVsbG8=")]);
    assert_eq!(encrypt.text("Code"), "Rejected.Disabled");
    // Put in the place of the image of a later stop, it is of another key.
    assert_eq!(server.terminate(), Some(0));
    std::fs::copy(&kept, data.join(IMAGE)).unwrap();
    let server = Server::start(&data);
    expect_in_log(&data, &mut seen, "can't use the catalogue image");
    assert_eq!(known(&server.client()), after);
}

#[test]
fn a_damaged_image_costs_nothing_but_time() {
    let dir = tempfile::tempdir().unwrap();
    let (data, mut seen) = (dir.path().join("data"), 0);
    let server = Server::start(&data);
    fill(&server.client());
    let before = known(&server.client());
    let mut stop = Some(server);
    let damages: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes.clear(),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes[0] = 0xff,
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        |bytes| bytes.rotate_left(1),
    ];
    for damage in damages {
        assert_eq!(stop.take().unwrap().terminate(), Some(0));
        let mut image = std::fs::read(data.join(IMAGE)).unwrap();
        damage(&mut image);
        std::fs::write(data.join(IMAGE), image).unwrap();
        let server = Server::start(&data);
        expect_in_log(&data, &mut seen, "can't use the catalogue image");
        assert_eq!(known(&server.client()), before);
        stop = Some(server);
    }
}
