//! The messages of `v2.KeyManagementService`, as Kubernetes' `apis/v2/api.proto` numbers their fields.

use std::collections::HashMap;

/// Asks whether the plugin can encrypt, and with which key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatusRequest {}

/// Which key is in use.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatusResponse {
    /// The version of the protocol, `v2`.
    #[prost(string, tag = "1")]
    pub version: String,
    /// `ok`.
    #[prost(string, tag = "2")]
    pub healthz: String,
    /// The key version that Encrypt uses.
    #[prost(string, tag = "3")]
    pub key_id: String,
}

/// Asks for something to be decrypted.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DecryptRequest {
    /// What Encrypt gave.
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    /// Names the request in logs.
    #[prost(string, tag = "2")]
    pub uid: String,
    /// The key version that Encrypt gave with it.
    #[prost(string, tag = "3")]
    pub key_id: String,
    /// The annotations that Encrypt gave with it.
    #[prost(map = "string, bytes", tag = "4")]
    pub annotations: HashMap<String, Vec<u8>>,
}

/// What was encrypted.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct DecryptResponse {
    /// The plaintext.
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
}

/// Asks for something to be encrypted.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct EncryptRequest {
    /// The plaintext: 32 bytes from which the API server derives keys.
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
    /// Names the request in logs.
    #[prost(string, tag = "2")]
    pub uid: String,
}

/// What the API server stores.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EncryptResponse {
    /// The ciphertext.
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    /// The key version that it was made with.
    #[prost(string, tag = "2")]
    pub key_id: String,
    /// What Decrypt needs besides; stored in the clear.
    #[prost(map = "string, bytes", tag = "3")]
    pub annotations: HashMap<String, Vec<u8>>,
}

macro_rules! hidden {
    ($($message:ident),*) => {
        $(impl std::fmt::Debug for $message {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($message)).finish_non_exhaustive()
            }
        })*
    };
}

hidden!(DecryptResponse, EncryptRequest);
