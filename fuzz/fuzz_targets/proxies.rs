//! What proxies say: whatever a client sends of its own, it neither names another address than the one that a trusted proxy
//! adds, nor brings the server down; and headers of the PROXY protocol are read or refused, and not a byte further.
#![no_main]

use std::net::IpAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use yaoku_http::{ForwardedHeaders, Proxies, proxy_header};

const NAMES: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];

fuzz_target!(|input: (Vec<(u8, &[u8])>, &[u8])| {
    let (lines, connection) = input;
    let (proxy, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.into_iter().take(64) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(NAMES[usize::from(name) % NAMES.len()], value);
        }
    }
    for (kind, name, added) in [
        (ForwardedHeaders::XForwarded, "x-forwarded-for", "192.0.2.1"),
        (ForwardedHeaders::Forwarded, "forwarded", "for=192.0.2.1"),
    ] {
        let trusted = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let proxies = Proxies { trusted, headers: kind, proxy_protocol: false };
        let _ = proxies.client(&headers, proxy, true);
        let stranger = proxies.client(&headers, client, false).unwrap();
        assert!(stranger.address == client && !stranger.tls && stranger.host.is_none());
        // As a header line of its own, and behind what the client sent.
        let mut on_its_own = headers.clone();
        on_its_own.append(name, HeaderValue::from_static(added));
        let mut behind = headers.clone();
        let sent: Vec<_> = headers.get_all(name).into_iter().map(HeaderValue::as_bytes).collect();
        let whole = [&sent.join(&b", "[..]), &b", "[..], added.as_bytes()].concat();
        behind.remove(name);
        behind.append(name, HeaderValue::from_bytes(&whole).unwrap());
        for headers in [on_its_own, behind] {
            if let Ok(seen) = proxies.client(&headers, proxy, false) {
                assert_eq!(seen.address, client);
            }
        }
    }

    for start in [&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"] {
        let bytes = [start, connection].concat();
        let mut rest = &bytes[..];
        let read = {
            let mut reading = pin!(proxy_header::read(&mut rest));
            match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(read) => read,
                Poll::Pending => panic!("bytes that are there need no waiting"),
            }
        };
        if read.is_ok() && bytes.starts_with(b"PROXY ") {
            assert!(bytes[..bytes.len() - rest.len()].ends_with(b"\r\n"));
        }
    }
});
