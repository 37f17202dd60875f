//! The header of the PROXY protocol, versions 1 and 2, by which a proxy says whose connection it passes on.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a header of version 2 before its addresses.
const FIXED: usize = 16;
/// Bytes of the longest header of version 1.
const LONGEST_TEXT: usize = 107;
/// Bytes of the addresses and extensions of version 2 that are taken. Proxies send some hundred at the most.
const LONGEST_BINARY: usize = 4096;

/// Reads a header, and not a byte more; where the connection comes from as it says. Nowhere, of a proxy that speaks for itself,
/// as when it looks whether the server lives, or that does not know.
///
/// # Errors
/// When there is no header, or not of this form, or the connection ends.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut head = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut head).await?;
    if head == SIGNATURE {
        head.resize(FIXED, 0);
        stream.read_exact(&mut head[SIGNATURE.len()..]).await?;
        let length = usize::from(u16::from_be_bytes([head[FIXED - 2], head[FIXED - 1]]));
        if length > LONGEST_BINARY {
            return Err(malformed());
        }
        head.resize(FIXED + length, 0);
        stream.read_exact(&mut head[FIXED..]).await?;
        return binary(&head);
    }
    // Its end must be looked for: what follows is not the header's.
    while head.starts_with(b"PROXY ") && !head.ends_with(b"\r\n") && head.len() < LONGEST_TEXT {
        head.push(stream.read_u8().await?);
    }
    text(&head)
}

fn binary(head: &[u8]) -> io::Result<Option<SocketAddr>> {
    let header = v2::Header::try_from(head).map_err(|_| malformed())?;
    match (header.command, header.addresses) {
        (v2::Command::Local, _) => Ok(None),
        (v2::Command::Proxy, v2::Addresses::IPv4(it)) => Ok(Some(whole(it.source_address.into(), it.source_port))),
        (v2::Command::Proxy, v2::Addresses::IPv6(it)) => Ok(Some(whole(it.source_address.into(), it.source_port))),
        // A connection that has no address is no client of a network.
        (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => Ok(None),
    }
}

fn text(head: &[u8]) -> io::Result<Option<SocketAddr>> {
    let header = v1::Header::try_from(head).map_err(|_| malformed())?;
    match header.addresses {
        v1::Addresses::Tcp4(it) => Ok(Some(whole(it.source_address.into(), it.source_port))),
        v1::Addresses::Tcp6(it) => Ok(Some(whole(it.source_address.into(), it.source_port))),
        v1::Addresses::Unknown => Ok(None),
    }
}

fn whole(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the connection does not begin with a PROXY protocol header")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_from(bytes: &[u8]) -> (Option<String>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).await.ok();
        (read.map(|source| source.map_or_else(|| "nowhere".into(), |address| address.to_string())), rest.len())
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, addresses, b"GET"].concat()
    }

    #[tokio::test]
    async fn both_versions_are_read_to_their_end() {
        let of_4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let with_extension = [&of_4[..], &[4, 0, 1, 0]].concat();
        let mut of_6 = [0; 36];
        of_6[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        of_6[15] = 1;
        for (bytes, source) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\nGET".to_vec(), "192.0.2.1:4711"),
            (b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\nGET".to_vec(), "[2001:db8::1]:4711"),
            (b"PROXY UNKNOWN\r\nGET".to_vec(), "nowhere"),
            (version_2(0x21, 0x11, &of_4), "192.0.2.1:4711"),
            (version_2(0x21, 0x11, &with_extension), "192.0.2.1:4711"),
            (version_2(0x21, 0x21, &of_6), "[2001:db8::1]:0"),
            (version_2(0x20, 0x00, &[]), "nowhere"),
        ] {
            assert_eq!(read_from(&bytes).await, (Some(source.to_owned()), 3), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        let huge = [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat();
        for bytes in [
            &b""[..],
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 99999 80\r\n",
            b"PROXY TCP5 192.0.2.1 10.0.0.1 1 80\r\n",
            b"proxy TCP4 192.0.2.1 10.0.0.1 1 80\r\n",
            &long,
            &huge,
            &version_2(0x31, 0x11, &[0; 12]),
            &version_2(0x21, 0x11, &[0; 3]),
        ] {
            assert_eq!(read_from(bytes).await.0, None, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
