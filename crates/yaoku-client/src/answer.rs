//! What the server answers.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::Error;

/// The body of a success; wiped when dropped.
pub struct Answer(pub(crate) Zeroizing<Vec<u8>>);

impl Answer {
    /// The JSON as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JSON as a type.
    ///
    /// # Errors
    /// [`Error::Unintelligible`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // What serde says of a mistake may quote a plaintext.
        serde_json::from_slice(&self.0).map_err(|_| Error::Unintelligible { status: 200 })
    }
}

/// For services that stand in for a server.
impl From<Vec<u8>> for Answer {
    fn from(body: Vec<u8>) -> Self {
        Self(Zeroizing::new(body))
    }
}

/// What a status other than 200 says.
pub(crate) fn refusal(status: u16, body: &[u8]) -> Error {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body {
        code: String,
        message: String,
        #[serde(default)]
        request_id: String,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(Body { code, message, request_id }) => {
            Error::Refused { status, code: line(&code), message: line(&message), request_id: line(&request_id) }
        }
        Err(_) => Error::Unintelligible { status },
    }
}

/// Text of a server as it may stand in a log: one line, and not a long one.
fn line(text: &str) -> String {
    const LONGEST: usize = 512;
    text.chars().take(LONGEST).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_one_line_each() {
        let body = br#"{"Code":"Rejected.Disabled","Message":"a\nb","RequestId":"r","HostId":"x"}"#;
        assert_eq!(refusal(409, body).to_string(), "Rejected.Disabled: a b (request r)");
        let long = format!(r#"{{"Code":"C","Message":"{}"}}"#, "长".repeat(10_000));
        assert!(refusal(400, long.as_bytes()).to_string().chars().count() < 600);
        for nothing in [&b""[..], b"<html>", b"{}", b"{\"Code\":1}"] {
            assert!(matches!(refusal(502, nothing), Error::Unintelligible { status: 502 }));
        }
    }
}
