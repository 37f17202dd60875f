//! What the API server sends. The ciphertext, the key id and the annotations of a Decrypt come from etcd, where others may have
//! changed them.
//!
//! Bounds are those by which the API server judges a plugin's answers, since only such answers can come back from etcd.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use crate::{DecryptRequest, EncryptRequest};

/// Bytes of a ciphertext.
pub(crate) const MAX_CIPHERTEXT: usize = 1024;
/// Bytes of a key id.
pub(crate) const MAX_KEY_ID: usize = 1024;
/// Bytes of what is encrypted. The API server sends 32; a ciphertext must not be larger than [`MAX_CIPHERTEXT`].
const MAX_PLAINTEXT: usize = 512;
/// The one annotation, which names the cluster. The API server wants a domain name.
const CLUSTER: &str = "cluster.yaoku";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the plaintext is empty, or longer than {MAX_PLAINTEXT} bytes")]
    Plaintext,
    #[error("the ciphertext is empty, or longer than {MAX_CIPHERTEXT} bytes")]
    Ciphertext,
    #[error("the key id is not one that this plugin gives")]
    KeyId,
    #[error("the annotations are not those that this plugin gives")]
    Annotations,
    #[error("this was encrypted for the cluster {0:?}, which is another one")]
    Cluster(String),
}

/// The name of a cluster. It is a part of each ciphertext's encryption context, so that policies and the audit log can tell clusters
/// apart, and what is another cluster's does not decrypt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterName(String);

impl ClusterName {
    /// Takes a name of 1 to 63 letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// A sentence, when it is no such name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = (1..=63).contains(&text.len()) && text.bytes().all(is_plain);
        if fits { Ok(Self(text.to_owned())) } else { Err("use 1 to 63 letters, digits, '-', '_' and '.'") }
    }

    /// The encryption context, in JSON.
    pub(crate) fn context(&self) -> String {
        format!(r#"{{"kubernetes:cluster":"{}"}}"#, self.0)
    }

    /// What the API server stores with each ciphertext.
    pub(crate) fn annotations(&self) -> HashMap<String, Vec<u8>> {
        HashMap::from([(CLUSTER.to_owned(), self.0.clone().into_bytes())])
    }
}

impl Default for ClusterName {
    fn default() -> Self {
        Self("kubernetes".into())
    }
}

/// What is to be encrypted, in base64.
pub(crate) struct Plaintext(pub(crate) Zeroizing<String>);

impl Plaintext {
    pub(crate) fn read(mut request: EncryptRequest) -> Result<Self, Refused> {
        let fits = (1..=MAX_PLAINTEXT).contains(&request.plaintext.len());
        let text = Zeroizing::new(if fits { STANDARD.encode(&request.plaintext) } else { String::new() });
        request.plaintext.zeroize();
        if fits { Ok(Self(text)) } else { Err(Refused::Plaintext) }
    }
}

/// What is to be decrypted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ciphertext {
    /// The ciphertext, in base64.
    pub(crate) blob: String,
    /// The key version that it must be of.
    pub(crate) key_id: String,
}

impl Ciphertext {
    /// Takes a request that holds what Encrypt gave for that cluster.
    pub(crate) fn read(request: DecryptRequest, cluster: &ClusterName) -> Result<Self, Refused> {
        let DecryptRequest { ciphertext, uid: _, key_id, annotations } = request;
        if !(1..=MAX_CIPHERTEXT).contains(&ciphertext.len()) {
            return Err(Refused::Ciphertext);
        }
        if !(1..=MAX_KEY_ID).contains(&key_id.len()) || !key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refused::KeyId);
        }
        let named = annotations.get(CLUSTER).filter(|_| annotations.len() == 1);
        let named = named.and_then(|name| std::str::from_utf8(name).ok()).map(ClusterName::parse);
        match named {
            Some(Ok(named)) if named == *cluster => Ok(Self { blob: STANDARD.encode(ciphertext), key_id }),
            Some(Ok(named)) => Err(Refused::Cluster(named.0)),
            Some(Err(_)) | None => Err(Refused::Annotations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ciphertext: usize, key_id: &str, annotations: &[(&str, &str)]) -> DecryptRequest {
        let annotations = annotations.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let annotations = annotations.collect();
        DecryptRequest { ciphertext: vec![7; ciphertext], uid: String::new(), key_id: key_id.into(), annotations }
    }

    fn read(request: DecryptRequest) -> Result<Ciphertext, Refused> {
        Ciphertext::read(request, &ClusterName::default())
    }

    #[test]
    fn only_what_encrypt_gives_is_decrypted() {
        let ours = [("cluster.yaoku", "kubernetes")];
        assert!(read(request(1024, "acs:kms:r:a:key/k/v", &ours)).is_ok());
        for size in [0, 1025] {
            assert_eq!(read(request(size, "k", &ours)), Err(Refused::Ciphertext));
        }
        for key in ["", "a b", "键", &"k".repeat(1025)] {
            assert_eq!(read(request(9, key, &ours)), Err(Refused::KeyId));
        }
        let other = [("cluster.yaoku", "other")];
        assert_eq!(read(request(9, "k", &other)), Err(Refused::Cluster("other".into())));
        let more = [ours[0], ("a.b", "")];
        for annotations in [&[][..], &more, &[("cluster.yaoku", "")], &[("cluster.yaoku", "a\"b")], &[("a.b", "c")]] {
            assert_eq!(read(request(9, "k", annotations)), Err(Refused::Annotations));
        }
    }

    #[test]
    fn plaintexts_are_bounded() {
        let read = |size| Plaintext::read(EncryptRequest { plaintext: vec![1; size], uid: String::new() });
        assert!(read(1).is_ok() && read(MAX_PLAINTEXT).is_ok());
        assert!(read(0).is_err() && read(MAX_PLAINTEXT + 1).is_err());
    }

    #[test]
    fn names_of_clusters_are_plain() {
        for name in ["a", "prod-1.cn_hz", &"x".repeat(63)] {
            assert!(ClusterName::parse(name).is_ok());
        }
        for name in ["", "a b", "a\"", "集群", &"x".repeat(64)] {
            assert!(ClusterName::parse(name).is_err());
        }
        assert_eq!(ClusterName::default().context(), r#"{"kubernetes:cluster":"kubernetes"}"#);
    }
}
