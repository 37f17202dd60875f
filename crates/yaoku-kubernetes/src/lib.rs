//! The KMS v2 plugin of Kubernetes: envelope encryption of what the API server keeps in etcd, with a customer master key in yaoku.
//!
//! The API server speaks gRPC (`v2.KeyManagementService`) over a Unix socket; the plugin calls yaoku over HTTPS. It holds an AccessKey and
//! nothing else: no key, no cache, no file.
//!
//! [`Plugin`] is what the three methods mean, [`request`] and [`answer`] what is taken from either side, [`Server`] serves it.

mod answer;
mod grpc;
mod key_service;
mod messages;
mod metrics;
mod plugin;
mod request;
mod server;
mod socket;

pub use key_service::KeyService;
pub use messages::{DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse};
pub use metrics::{Metrics, MetricsPage};
pub use plugin::{Plugin, Settings};
pub use request::ClusterName;
pub use server::Server;
pub use socket::{PluginSocket, SocketError};

/// What the fuzz targets call.
#[doc(hidden)]
pub mod fuzzing {
    use prost::Message;

    /// Reads a message of Decrypt as the API server would send it.
    pub fn decrypt_request(message: &[u8]) {
        if let Ok(request) = crate::DecryptRequest::decode(message) {
            let _ = crate::request::Ciphertext::read(request, &crate::ClusterName::default());
        }
    }

    /// Reads what the server answers to each action.
    pub fn answers(body: &[u8]) {
        let _ = crate::answer::Encrypted::read(body);
        let _ = crate::answer::Decrypted::read(body);
        let _ = crate::answer::Described::read(body);
    }
}
