//! Unauthenticated calls: recorded, limited by source, and no harm to those who share the address.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use support::{Client, Server, records};

const LIMIT: usize = 20;

fn server(data: &Path) -> Server {
    Server::start_with(data, |command| {
        command.args(["--unauthenticated-per-minute", &LIMIT.to_string()]);
    })
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
    let counted =
        metrics.lines().find_map(|line| line.strip_prefix("yaoku_unauthenticated_calls_limited_total ")).unwrap();
    assert!(counted.parse::<usize>().unwrap() >= held, "{counted}");
    assert_eq!(server.terminate(), Some(0));
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
    assert!(throttled[0]["errorMessage"].as_str().unwrap().contains(" more such calls"), "{throttled:?}");
    let (authenticated, unauthenticated): (Vec<_>, Vec<_>) =
        lines(&data, "access_key=").into_iter().partition(|line| line.contains(support::ACCESS_KEY_ID));
    assert_eq!(authenticated.len(), 3 * LIMIT + 1, "each authenticated call has its line");
    // Three times as many and one were made; some of the minute is given back while the test runs.
    assert!((LIMIT..=2 * LIMIT).contains(&unauthenticated.len()), "{}: {unauthenticated:?}", unauthenticated.len());
}

/// Lines of the server's log with a word in them.
fn lines(data: &Path, word: &str) -> Vec<String> {
    let log = std::fs::read_to_string(support::log_of(data)).unwrap();
    log.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

#[test]
fn requests_that_do_not_arrive_whole_do_not_fill_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = server(&data);
    for _ in 0..3 * LIMIT {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\
                    connection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.read_to_string(&mut String::new()).unwrap();
    }
    let (_, metrics) = server.client().page("/metrics");
    let refused =
        metrics.lines().find_map(|line| line.strip_prefix(r#"yaoku_requests_refused_total{reason="large"} "#));
    assert_eq!(refused.unwrap().parse::<usize>().unwrap(), 3 * LIMIT, "all are counted");
    assert_eq!(server.terminate(), Some(0));
    let seen = lines(&data, "request refused");
    assert!((LIMIT..=2 * LIMIT).contains(&seen.len()), "{}: {seen:?}", seen.len());
}

#[test]
fn requests_that_come_too_slowly_do_not_fill_the_log_either() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, |command| {
        command.args(["--unauthenticated-per-minute", &LIMIT.to_string(), "--body-timeout", "1"]);
    });
    let streams: Vec<_> = (0..3 * LIMIT)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut answers = Vec::new();
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answers.push(answer);
    }
    assert_eq!(answers.iter().filter(|answer| answer.contains("ServiceUnavailableTemporary")).count(), LIMIT);
    assert_eq!(answers.iter().filter(|answer| answer.contains("Throttling")).count(), 2 * LIMIT);
    assert_eq!(server.terminate(), Some(0));
    let refused = records(&data).iter().filter(|record| record["userIdentity"]["type"] == "unknown").count();
    assert!((LIMIT..=LIMIT + 1).contains(&refused), "{refused} records");
}
