//! Calls that prove nobody: recorded, bounded by source, and no harm to those who share the address.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Client, Server};

const LIMIT: usize = 20;

fn server(data: &Path) -> Server {
    Server::start_with(data, |command| {
        command.args(["--unproven-per-minute", &LIMIT.to_string()]);
    })
}

fn records(data: &Path) -> Vec<Value> {
    let mut export = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    let output = export.args(["audit", "export", "--data-dir"]).arg(data).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn guesses_are_recorded_and_bounded_and_lock_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = server(&data);
    let root = server.client();
    let wrong_secret = Client { secret: "guessed".into(), ..root.clone() };
    let unknown = Client { access_key_id: "nobody".into(), ..root.clone() };
    let mut codes = Vec::new();
    for _ in 0..3 * LIMIT {
        codes.push(wrong_secret.call("ListKeys", &[]).code().to_owned());
        // Whoever holds the AccessKey is served all the while, from the same address and with the same id.
        root.call("ListKeys", &[]).ok();
    }
    assert!(codes[..LIMIT].iter().all(|code| code == "SignatureDoesNotMatch"), "{codes:?}");
    let held = codes.iter().filter(|code| *code == "Throttling").count();
    // Some of the minute is given back while the test runs.
    assert!(held >= LIMIT, "{codes:?}");
    assert_eq!(codes.last().unwrap(), "Throttling");
    let unknown = unknown.call("ListKeys", &[]);
    assert!(["Throttling", "InvalidAccessKeyId.NotFound"].contains(&unknown.code()), "{unknown:?}");
    root.call("DescribeRegions", &[]).ok();
    let (_, metrics) = root.page("/metrics");
    let counted = metrics.lines().find_map(|line| line.strip_prefix("yaoku_unproven_calls_held_total ")).unwrap();
    assert!(counted.parse::<usize>().unwrap() >= held, "{counted}");
    drop(server);
    let records = records(&data);
    let of = |code: &str| records.iter().filter(|record| record["errorCode"] == code).collect::<Vec<_>>();
    assert!(of("SignatureDoesNotMatch").len() >= LIMIT);
    for record in of("SignatureDoesNotMatch") {
        assert_eq!(record["userIdentity"]["type"], "unknown");
        assert_eq!(record["userIdentity"]["accessKeyId"], support::ACCESS_KEY_ID);
        assert_eq!(record["sourceIpAddress"], "127.0.0.1");
    }
    let throttled = of("Throttling");
    assert!((1..=2).contains(&throttled.len()), "one a minute: {throttled:?}");
    assert!(throttled[0]["errorMessage"].as_str().unwrap().contains(" more like it"), "{throttled:?}");
}
