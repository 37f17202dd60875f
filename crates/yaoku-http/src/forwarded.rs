//! Who sent a request that came through proxies: what those that are trusted say of it.
//!
//! Each proxy on the way adds what it sees of the one before it: address, whether it came over TLS, and the host that it
//! asked for, either in `X-Forwarded-For`, `-Proto` and `-Host`, or in `Forwarded` (RFC 7239). A client can send such headers
//! too. So they are believed only from the connection's peer, if it is trusted, and then from the right, hop by hop, for as
//! long as each hop is a trusted proxy: the first that is not is the client, and what stands to the left of it is its own.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";

/// Which headers the trusted proxies set. The others are not read: a proxy passes on what it does not set, and then they
/// are the client's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeaders {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies in front of a server. By default there are none.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// What they set.
    pub headers: ForwardedHeaders,
    /// Whether each of their connections begins with a header of the PROXY protocol, version 1 or 2; then no other
    /// connections are taken.
    pub proxy_protocol: bool,
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Whether it sent the request over TLS.
    pub tls: bool,
    /// The host that it asked for, where a proxy may have asked for another.
    pub host: Option<HeaderValue>,
}

/// What a trusted proxy says can't be understood, so that it is not known who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unintelligible;

impl Proxies {
    /// Whether an address is a trusted proxy's.
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// Who sent a request with these headers, over a connection from `peer` that is TLS or not.
    ///
    /// # Errors
    /// When a trusted proxy does not say so in the form of the headers that it should set.
    pub fn client(&self, headers: &HeaderMap, peer: IpAddr, tls: bool) -> Result<Client, Unintelligible> {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return Ok(Client { address: peer, tls, host: None });
        }
        match self.headers {
            ForwardedHeaders::XForwarded => self.by_x_forwarded(headers, peer, tls),
            ForwardedHeaders::Forwarded => self.by_forwarded(headers, peer, tls),
        }
    }

    fn by_x_forwarded(&self, headers: &HeaderMap, peer: IpAddr, tls: bool) -> Result<Client, Unintelligible> {
        let (mut address, mut hops) = (peer, 0);
        for text in from_right(headers, FOR) {
            address = parse_address(text?)?;
            hops += 1;
            if !self.trust(address) {
                break;
            }
        }
        // Proxies that set these anew instead of adding to them leave fewer than there are hops.
        let of_client = |name| from_right(headers, name).take(hops.max(1)).last().transpose();
        let tls = of_client(PROTO)?.map_or(tls, is_tls);
        let host = of_client(HOST)?.map(HeaderValue::from_str).transpose().map_err(|_| Unintelligible)?;
        Ok(Client { address, tls, host })
    }

    fn by_forwarded(&self, headers: &HeaderMap, peer: IpAddr, tls: bool) -> Result<Client, Unintelligible> {
        let mut client = Client { address: peer, tls, host: None };
        for line in headers.get_all(FORWARDED).into_iter().rev() {
            let line = line.to_str().map_err(|_| Unintelligible)?;
            for element in Elements::parse(line)?.into_iter().rev() {
                client.address = parse_address(&element.node.ok_or(Unintelligible)?)?;
                client.tls = element.proto.map_or(tls, |proto| is_tls(&proto));
                let host = element.host.map(|host| HeaderValue::from_str(&host));
                client.host = host.transpose().map_err(|_| Unintelligible)?;
                if !self.trust(client.address) {
                    return Ok(client);
                }
            }
        }
        Ok(client)
    }
}

/// The elements of a header's lists, from the last of the last line to the first of the first.
fn from_right<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = Result<&'a str, Unintelligible>> {
    let lines = headers.get_all(name).into_iter().rev();
    lines.flat_map(|line| {
        let (text, broken) = match line.to_str() {
            Ok(text) => (text, None),
            Err(_) => ("", Some(Err(Unintelligible))),
        };
        broken.into_iter().chain(text.rsplit(',').map(str::trim_ascii).filter(|text| !text.is_empty()).map(Ok))
    })
}

/// An address, with a port or without; that of version 6 in brackets or without.
fn parse_address(text: &str) -> Result<IpAddr, Unintelligible> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical()).ok_or(Unintelligible)
}

fn is_tls(proto: &str) -> bool {
    proto.eq_ignore_ascii_case("https")
}

/// One element of `Forwarded`: what one proxy says.
#[derive(Default)]
struct Element<'a> {
    node: Option<Cow<'a, str>>,
    proto: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
}

/// Reads a line of `Forwarded` (RFC 7239, 4): elements with commas between, each of pairs with semicolons between. A quoted
/// value may have both in it, so that the line must be read from its beginning.
struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    fn parse(line: &'a str) -> Result<Vec<Element<'a>>, Unintelligible> {
        let mut reader = Self { rest: line };
        let (mut elements, mut element, mut pairs) = (Vec::new(), Element::default(), 0);
        loop {
            reader.skip_space();
            let name = reader.token(|c| !"=,;\" \t".contains(c));
            if !name.is_empty() {
                let value = reader.value()?;
                let slot = match name {
                    name if name.eq_ignore_ascii_case("for") => Some(&mut element.node),
                    name if name.eq_ignore_ascii_case("proto") => Some(&mut element.proto),
                    name if name.eq_ignore_ascii_case("host") => Some(&mut element.host),
                    // `by`, and extensions.
                    _ => None,
                };
                if slot.is_some_and(|slot| slot.replace(value).is_some()) {
                    return Err(Unintelligible);
                }
                pairs += 1;
            }
            reader.skip_space();
            match reader.take() {
                Some(';') => {}
                separator @ (Some(',') | None) => {
                    // Lists may have empty elements (RFC 9110, 5.6.1).
                    if std::mem::take(&mut pairs) > 0 {
                        elements.push(std::mem::take(&mut element));
                    }
                    if separator.is_none() {
                        return Ok(elements);
                    }
                }
                Some(_) => return Err(Unintelligible),
            }
        }
    }

    /// `=` and a value: quoted, or up to the next separator; many proxies leave the quotes of `[::1]:80` away.
    fn value(&mut self) -> Result<Cow<'a, str>, Unintelligible> {
        if self.take() != Some('=') {
            return Err(Unintelligible);
        }
        if !self.rest.starts_with('"') {
            let value = self.token(|c| !",;\" \t".contains(c));
            return if value.is_empty() { Err(Unintelligible) } else { Ok(value.into()) };
        }
        self.take();
        let plain = self.token(|c| !"\"\\".contains(c));
        if self.rest.starts_with('"') {
            self.take();
            return Ok(plain.into());
        }
        let mut value = plain.to_owned();
        loop {
            match self.take().ok_or(Unintelligible)? {
                '"' => return Ok(value.into()),
                '\\' => value.push(self.take().ok_or(Unintelligible)?),
                plain => value.push(plain),
            }
        }
    }

    fn token(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let taken = chars.next();
        self.rest = chars.as_str();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proxies(headers: ForwardedHeaders) -> Proxies {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap()).to_vec();
        Proxies { trusted, headers, proxy_protocol: false }
    }

    /// Client and its TLS and host, as seen behind a connection in the clear.
    fn seen(
        headers: ForwardedHeaders,
        peer: &str,
        lines: &[(&'static str, &str)],
    ) -> Result<(String, bool, String), Unintelligible> {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let client = proxies(headers).client(&map, peer.parse().unwrap(), false)?;
        let host = client.host.map_or_else(String::new, |host| host.to_str().unwrap().to_owned());
        Ok((client.address.to_string(), client.tls, host))
    }

    fn x(peer: &str, lines: &[(&'static str, &str)]) -> Result<(String, bool, String), Unintelligible> {
        seen(ForwardedHeaders::XForwarded, peer, lines)
    }

    fn is(address: &str, tls: bool, host: &str) -> Result<(String, bool, String), Unintelligible> {
        Ok((address.into(), tls, host.into()))
    }

    #[test]
    fn strangers_are_not_believed() {
        let lines = [(FOR, "192.0.2.1"), (PROTO, "https"), (HOST, "kms"), ("forwarded", "for=192.0.2.1;proto=https")];
        for headers in [ForwardedHeaders::XForwarded, ForwardedHeaders::Forwarded] {
            assert_eq!(seen(headers, "203.0.113.9", &lines), is("203.0.113.9", false, ""));
        }
    }

    #[test]
    fn the_rightmost_hop_that_is_no_proxy_is_the_client() {
        assert_eq!(x("10.0.0.1", &[(FOR, "192.0.2.1")]), is("192.0.2.1", false, ""));
        assert_eq!(x("::ffff:10.0.0.1", &[(FOR, "10.9.9.9, 192.0.2.1")]), is("192.0.2.1", false, ""));
        assert_eq!(x("10.0.0.1", &[(FOR, "10.9.9.9"), (FOR, "192.0.2.1 , 10.0.0.2")]), is("192.0.2.1", false, ""));
        assert_eq!(x("10.0.0.1", &[(FOR, "garbage, 192.0.2.1:4711,[2001:db8::1]:80")]), is("192.0.2.1", false, ""));
        assert_eq!(x("10.0.0.1", &[(FOR, "10.0.0.3, 10.0.0.2")]), is("10.0.0.3", false, ""), "a proxy asks itself");
        assert_eq!(x("10.0.0.1", &[]), is("10.0.0.1", false, ""));
        // The rightmost is what a trusted proxy wrote.
        assert_eq!(x("10.0.0.1", &[(FOR, "192.0.2.1, unknown")]), Err(Unintelligible));
        assert_eq!(x("10.0.0.1", &[(FOR, "192.0.2.1, é")]), Err(Unintelligible));
    }

    #[test]
    fn protocol_and_host_are_those_of_the_clients_hop() {
        let two = (FOR, "9.9.9.9, 192.0.2.1, 10.0.0.2");
        assert_eq!(
            x("10.0.0.1", &[two, (PROTO, "http, https, http"), (HOST, "forged, kms, inner")]),
            is("192.0.2.1", true, "kms")
        );
        assert_eq!(x("10.0.0.1", &[two, (PROTO, "https"), (HOST, "kms")]), is("192.0.2.1", true, "kms"));
        assert_eq!(
            x("10.0.0.1", &[(FOR, "10.0.0.9, 192.0.2.1"), (PROTO, "https, http"), (HOST, "forged, kms")]),
            is("192.0.2.1", false, "kms")
        );
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        let read = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            seen(ForwardedHeaders::Forwarded, "10.0.0.1", &lines)
        };
        assert_eq!(read(&["for=192.0.2.1;proto=https;host=kms"]), is("192.0.2.1", true, "kms"));
        assert_eq!(
            read(&["For=\"[2001:db9::1]:4711\" ; Proto=https;by=10.0.0.1", " , for=10.0.0.2;;proto=http ,"]),
            is("2001:db9::1", true, "")
        );
        // What a client puts into its host can't become an element.
        let quoted = r#"for=192.0.2.1;host="a\", for=10.0.0.9;host=\"b""#;
        assert_eq!(read(&[quoted]), is("192.0.2.1", false, r#"a", for=10.0.0.9;host="b"#));
        // Nor an open quote of its own swallow what a proxy adds.
        assert_eq!(read(&[r#"for=", for=192.0.2.1"#]), Err(Unintelligible));
        for broken in
            ["for", "for=", "for=unknown", "for=_hidden", "proto=https", "for=1.2.3.4 host=a", "for=\"a", "=a"]
        {
            assert_eq!(read(&[broken]), Err(Unintelligible), "{broken}");
        }
        assert_eq!(read(&["for=192.0.2.1;for=192.0.2.2"]), Err(Unintelligible));
    }

    #[test]
    fn only_the_chosen_headers_are_read() {
        let lines = [(FOR, "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        assert_eq!(x("10.0.0.1", &lines), is("192.0.2.1", false, ""));
        assert_eq!(seen(ForwardedHeaders::Forwarded, "10.0.0.1", &lines), is("192.0.2.2", false, ""));
    }

    proptest! {
        /// Whatever a client sends, a proxy that adds the client's address is believed, and nothing else.
        #[test]
        fn a_client_behind_a_proxy_can_not_name_another_address(sent in "[ -~]{0,64}") {
            let seen = x("10.0.0.1", &[(FOR, &sent), (FOR, "192.0.2.1")]);
            prop_assert_eq!(seen, is("192.0.2.1", false, ""));
            let added = format!("{sent}, for=192.0.2.1");
            // An open quote of its own spoils the line, and its request with it.
            if let Ok((address, ..)) = super::tests::seen(ForwardedHeaders::Forwarded, "10.0.0.1", &[("forwarded", &added)])
            {
                prop_assert_eq!(address, "192.0.2.1");
            }
        }
    }
}
