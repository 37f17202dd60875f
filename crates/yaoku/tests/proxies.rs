//! Behind reverse proxies and gateways: whom the server takes a request to come from, and what nobody can make it believe.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use support::relay::{Relay, with};
use support::{Client, Server, recorded, wait_until};

/// A head that asks for another host.
fn asking_for(head: &str, host: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("host:")).unwrap();
    head.replace(line, &format!("host: {host}"))
}

fn start(data: &Path, args: &[&str]) -> Server {
    let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
    Server::start_with(data, |command| {
        command.args(args);
    })
}

#[test]
fn a_trusted_proxy_is_believed_on_address_and_host() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data, &["--trusted-proxy", "127.0.0.1,192.0.2.0/24"]);
    let proxy = Relay::bind();
    let asked = proxy.address.clone();
    let client = proxy.before(&server, {
        let asked = asked.clone();
        // What the client sent of its own comes first, and headers that this server was not told of count for nothing.
        move |head| {
            let lines = format!(
                "x-forwarded-for: 10.9.9.9\r\nforwarded: for=10.8.8.8\r\nx-forwarded-for: 203.0.113.9, 192.0.2.7\r\n\
                 x-forwarded-host: {asked}\r\n"
            );
            with(&asking_for(head, "inner.example"), &lines)
        }
    });
    client.call("ListKeys", &[]).ok();
    assert_eq!(recorded(&data), ("203.0.113.9".into(), asked));
    // Straight to the server, without a proxy's words.
    server.client().call("ListKeys", &[]).ok();
    assert_eq!(recorded(&data), ("127.0.0.1".into(), server.address.clone()));
    let vague = Relay::bind().before(&server, |head| with(head, "x-forwarded-for: 203.0.113.9, unknown\r\n"));
    vague.call("ListKeys", &[]).fails(400, "ParseRequestParameterException");
}

#[test]
fn the_standard_header_is_read_when_that_is_what_proxies_set() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data, &["--trusted-proxy", "127.0.0.1", "--proxy-headers", "forwarded"]);
    let lines =
        "forwarded: for=10.9.9.9\r\nx-forwarded-for: 10.8.8.8\r\nForwarded: for=\"[2001:db8::9]:4711\";proto=https\r\n";
    let client = Relay::bind().before(&server, move |head| with(head, lines));
    client.call("ListKeys", &[]).ok();
    assert_eq!(recorded(&data).0, "2001:db8::9");
}

#[test]
fn strangers_can_forge_neither_address_nor_host() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data, &["--trusted-proxy", "192.0.2.1"]);
    let lines = "x-forwarded-for: 10.9.9.9\r\nforwarded: for=10.8.8.8;host=a\r\nx-forwarded-host: a\r\n";
    let client = Relay::bind().before(&server, move |head| with(head, lines));
    client.call("ListKeys", &[]).ok();
    assert_eq!(recorded(&data), ("127.0.0.1".into(), client.address.clone()));
    let proxy = Relay::bind();
    let asked = proxy.address.clone();
    let client = proxy.before(&server, move |head| {
        with(&asking_for(head, "inner.example"), &format!("x-forwarded-host: {asked}\r\n"))
    });
    client.call("ListKeys", &[]).fails(400, "SignatureDoesNotMatch");
}

#[test]
fn the_proxy_protocol_names_the_client_and_is_asked_of_every_connection() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data, &["--trusted-proxy", "127.0.0.1", "--proxy-protocol"]);
    let version_1 = |head: &str| [b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n", head.as_bytes()].concat();
    let client = Relay::bind().before(&server, version_1);
    client.call("ListKeys", &[]).ok();
    assert_eq!(recorded(&data).0, "203.0.113.9");
    let version_2 = |head: &str| {
        let addresses = [203, 0, 113, 10, 127, 0, 0, 1, 0x12, 0x67, 0, 80];
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses, head.as_bytes()].concat()
    };
    // The client behind the proxy is no proxy itself, whatever it sends.
    let client = Relay::bind().before(&server, move |head| {
        version_2(std::str::from_utf8(&with(head, "x-forwarded-for: 10.9.9.9\r\n")).unwrap())
    });
    client.call("ListKeys", &[]).ok();
    assert_eq!(recorded(&data).0, "203.0.113.10");

    // Of whom the proxy does not know, nobody vouches for what the client says of itself.
    let client = Relay::bind()
        .before(&server, |head| [b"PROXY UNKNOWN\r\n", &with(head, "x-forwarded-for: 10.9.9.9\r\n")[..]].concat());
    client.call("ListKeys", &[]).ok();
    assert_eq!(recorded(&data).0, "127.0.0.1");

    server.client().try_call("ListKeys", &[]).unwrap_err();
    drop(server);
    let server = start(&data, &["--trusted-proxy", "192.0.2.1", "--proxy-protocol"]);
    Relay::bind().before(&server, version_1).try_call("ListKeys", &[]).unwrap_err();
}

#[test]
fn a_connection_that_waits_with_its_header_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data, &["--trusted-proxy", "127.0.0.1", "--proxy-protocol", "--header-timeout", "1"]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"PROXY TCP4 203").unwrap();
    let mut rest = Vec::new();
    let closed = std::thread::spawn(move || stream.read_to_end(&mut rest).map(|_| rest));
    wait_until("the connection is closed", || closed.is_finished());
    assert!(closed.join().unwrap().unwrap_or_default().is_empty());
}

#[test]
fn a_host_that_a_gateway_maps_can_be_signed_if_the_operator_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (known, unknown) = (Relay::bind(), Relay::bind());
    let server = start(&data, &["--accept-host", "kms.example.com", "--accept-host", &known.address.clone()]);
    let mapped = |head: &str| asking_for(head, "inner.example").into_bytes();
    let client = known.before(&server, mapped);
    client.call("ListKeys", &[]).ok();
    let thief = Client { secret: "another-secret-than-the-root-has".into(), ..client };
    thief.call("ListKeys", &[]).fails(400, "SignatureDoesNotMatch");
    unknown.before(&server, mapped).call("ListKeys", &[]).fails(400, "SignatureDoesNotMatch");
}
