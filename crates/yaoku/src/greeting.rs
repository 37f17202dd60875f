//! What a server prints on standard output: at its first start how to use it, and always that it is ready.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use yaoku_iam::{AccountId, NewAccessKey};

/// What there is to say.
pub(crate) struct Greeting {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    /// Where the Vault API is served, and whether over TLS.
    pub(crate) vault: Option<(SocketAddr, bool)>,
    /// Where disks are served, and whether over TLS.
    pub(crate) tang: Option<(SocketAddr, bool)>,
    /// Where KMIP is served.
    pub(crate) kmip: Option<SocketAddr>,
    pub(crate) region: String,
    pub(crate) account: AccountId,
    pub(crate) first_start: bool,
    /// The root AccessKey that was drawn at this start: never to be seen again.
    pub(crate) drawn: Option<NewAccessKey>,
    /// Id of the root AccessKey that the operator chose.
    pub(crate) chosen: Option<String>,
}

impl Greeting {
    /// Prints it; the last line begins `yaoku ready`.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.first_start || self.drawn.is_some() {
            self.introduce(out)?;
        }
        if let Some((address, tls)) = self.vault {
            writeln!(out, "yaoku serves the Vault API: {}://{address}", if tls { "https" } else { "http" })?;
        }
        if let Some((address, tls)) = self.tang {
            writeln!(out, "yaoku serves disks (Tang): {}://{address}", if tls { "https" } else { "http" })?;
        }
        if let Some(address) = self.kmip {
            writeln!(out, "yaoku serves KMIP: {address}")?;
        }
        writeln!(out, "yaoku ready: {}://{}", self.scheme(), self.address)?;
        out.flush()
    }

    fn introduce(&self, out: &mut dyn Write) -> io::Result<()> {
        let endpoint = self.endpoint();
        writeln!(out, "yaoku {}: first start / 首次启动\n", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "  endpoint / 接入地址              {}://{endpoint}", self.scheme())?;
        writeln!(out, "  region / 地域                    {}", self.region)?;
        writeln!(out, "  account / 账号                   {}", self.account)?;
        let drawn = self.drawn.as_ref();
        let id = drawn.map(|key| key.id.as_str()).or(self.chosen.as_deref()).unwrap_or_default();
        writeln!(out, "  root AccessKey ID / 根 AccessKey {id}")?;
        if let Some(key) = drawn {
            write!(out, "  AccessKey Secret                 ")?;
            out.write_all(key.secret.expose())?;
            writeln!(
                out,
                "\n\n  Save the AccessKey Secret: it is shown only once. / AccessKey Secret 仅显示一次，请妥善保存。"
            )?;
        }
        writeln!(out, "\n  Try it with the official Python SDK / 用官方 Python SDK 试一试")?;
        writeln!(out, "  (pip install alibabacloud_kms20160120):\n")?;
        writeln!(out, "import base64{}", if drawn.is_some() { "" } else { ", os" })?;
        writeln!(out, "{SNIPPET_HEAD}")?;
        write!(out, "client = Client(Config(access_key_id=\"{id}\", access_key_secret=")?;
        match drawn {
            Some(key) => {
                write!(out, "\"")?;
                out.write_all(key.secret.expose())?;
                writeln!(out, "\",")?;
            }
            None => writeln!(out, "os.environ[\"YAOKU_ROOT_ACCESS_KEY_SECRET\"],")?,
        }
        let (scheme, region) = (self.scheme(), &self.region);
        writeln!(
            out,
            "                       endpoint=\"{endpoint}\", protocol=\"{scheme}\", region_id=\"{region}\"))"
        )?;
        writeln!(out, "{SNIPPET_TAIL}\n")
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// An address that a client on this machine reaches.
    fn endpoint(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }
}

const SNIPPET_HEAD: &str = r#"from alibabacloud_kms20160120.client import Client
from alibabacloud_kms20160120 import models as kms
from alibabacloud_tea_openapi.models import Config
"#;

const SNIPPET_TAIL: &str = r#"key = client.create_key(kms.CreateKeyRequest()).body.key_metadata.key_id
text = base64.b64encode(b"hello").decode()
blob = client.encrypt(kms.EncryptRequest(key_id=key, plaintext=text)).body.ciphertext_blob
print(base64.b64decode(client.decrypt(kms.DecryptRequest(ciphertext_blob=blob)).body.plaintext))"#;

#[cfg(test)]
mod tests {
    use yaoku_crypto::Secret;

    use super::*;

    fn greeting(first_start: bool, drawn: bool) -> String {
        let secret = Secret::new(b"the-secret-that-was-drawn".to_vec());
        let greeting = Greeting {
            address: "0.0.0.0:7788".parse().unwrap(),
            tls: false,
            vault: None,
            tang: None,
            kmip: None,
            region: "cn-hangzhou".into(),
            account: AccountId::parse("1234567890123456").unwrap(),
            first_start,
            drawn: drawn.then(|| NewAccessKey::chosen("YKAKdrawn", secret).unwrap()),
            chosen: (!drawn).then(|| "root".into()),
        };
        let mut out = Vec::new();
        greeting.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_secret_is_shown_when_it_was_drawn_only() {
        let first = greeting(true, true);
        assert_eq!(first.matches("the-secret-that-was-drawn").count(), 2, "by itself and in the snippet: {first}");
        assert!(first.contains("endpoint=\"127.0.0.1:7788\"") && first.contains("access_key_id=\"YKAKdrawn\""));
        assert!(!greeting(true, false).contains("the-secret"));
        assert!(greeting(true, false).contains("YAOKU_ROOT_ACCESS_KEY_SECRET"));
    }

    #[test]
    fn the_last_line_says_ready() {
        assert_eq!(greeting(false, false), "yaoku ready: http://0.0.0.0:7788\n");
        assert!(greeting(true, true).ends_with("\nyaoku ready: http://0.0.0.0:7788\n"));
    }
}
