//! What yaoku answers. The API server stores some of it, so it is held to the same bounds as what the API server sends.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::request::MAX_CIPHERTEXT;

/// What a wrong answer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer to {0} is not one of this API")]
pub(crate) struct Unintelligible(pub(crate) &'static str);

/// The answer to Encrypt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Encrypted {
    pub(crate) key: Id,
    pub(crate) version: Id,
    pub(crate) ciphertext: Vec<u8>,
}

/// The answer to Decrypt.
pub(crate) struct Decrypted {
    pub(crate) key: Id,
    pub(crate) version: Id,
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
}

/// The answer to DescribeKey.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) key: Id,
    pub(crate) arn: String,
}

/// The id of a key or a key version: it becomes a part of what is stored and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id(String);

impl Id {
    fn new(text: String) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (!text.is_empty() && text.len() <= 64 && text.bytes().all(is_plain)).then_some(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Encrypted {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Unintelligible> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            key_id: String,
            key_version_id: String,
            ciphertext_blob: String,
        }
        let read = || {
            let Body { key_id, key_version_id, ciphertext_blob } = serde_json::from_slice(body).ok()?;
            let ciphertext = STANDARD.decode(ciphertext_blob).ok()?;
            let fits = !ciphertext.is_empty() && ciphertext.len() <= MAX_CIPHERTEXT;
            fits.then_some(Self { key: Id::new(key_id)?, version: Id::new(key_version_id)?, ciphertext })
        };
        read().ok_or(Unintelligible("Encrypt"))
    }
}

impl Decrypted {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Unintelligible> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: String,
            key_version_id: String,
            #[serde(borrow)]
            plaintext: std::borrow::Cow<'a, str>,
        }
        let read = || {
            let Body { key_id, key_version_id, plaintext } = serde_json::from_slice(body).ok()?;
            let text = match plaintext {
                std::borrow::Cow::Borrowed(text) => Zeroizing::new(text.to_owned()),
                std::borrow::Cow::Owned(text) => Zeroizing::new(text),
            };
            let plaintext = Zeroizing::new(STANDARD.decode(text.as_bytes()).ok()?);
            Some(Self { key: Id::new(key_id)?, version: Id::new(key_version_id)?, plaintext })
        };
        read().ok_or(Unintelligible("Decrypt"))
    }
}

impl Described {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Unintelligible> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            key_metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Metadata {
            key_id: String,
            arn: String,
        }
        let read = || {
            let Body { key_metadata: Metadata { key_id, arn } } = serde_json::from_slice(body).ok()?;
            let key = Id::new(key_id)?;
            let names_it = arn.strip_prefix("acs:kms:").and_then(|rest| rest.strip_suffix(key.as_str()));
            let fits = arn.len() <= 256 && arn.bytes().all(|byte| byte.is_ascii_graphic());
            (fits && names_it.is_some_and(|middle| middle.ends_with(":key/"))).then_some(Self { key, arn })
        };
        read().ok_or(Unintelligible("DescribeKey"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_within_bounds() {
        let encrypted = |blob: &str| {
            Encrypted::read(format!(r#"{{"KeyId":"k-1","KeyVersionId":"v-1","CiphertextBlob":"{blob}"}}"#).as_bytes())
        };
        assert_eq!(encrypted("AQID").unwrap().ciphertext, [1, 2, 3]);
        assert!(encrypted(&STANDARD.encode([7; MAX_CIPHERTEXT])).is_ok());
        for wrong in [String::new(), "?".into(), STANDARD.encode([7; MAX_CIPHERTEXT + 1])] {
            assert!(encrypted(&wrong).is_err());
        }
        for id in ["", "a/b", "a b", "键", &"k".repeat(65)] {
            let body = format!(r#"{{"KeyId":"{id}","KeyVersionId":"v","CiphertextBlob":"AQID"}}"#);
            assert!(Encrypted::read(body.as_bytes()).is_err(), "{id}");
        }
        let decrypted = Decrypted::read(br#"{"KeyId":"k","KeyVersionId":"v","Plaintext":"AQ\u0049D"}"#).unwrap();
        assert_eq!(decrypted.plaintext.as_slice(), [1, 2, 3]);
        assert!(Decrypted::read(b"{}").is_err() && Decrypted::read(b"").is_err());
    }

    #[test]
    fn an_arn_must_be_that_of_the_key() {
        let described =
            |arn: &str| Described::read(format!(r#"{{"KeyMetadata":{{"KeyId":"k-1","Arn":"{arn}"}}}}"#).as_bytes());
        assert!(described("acs:kms:cn-hangzhou:1234567890123456:key/k-1").is_ok());
        for wrong in ["", "k-1", "acs:kms:r:a:key/k-2", "acs:kms:r:a:alias/k-1", "acs:kms: :key/k-1"] {
            assert!(described(wrong).is_err(), "{wrong}");
        }
    }
}
