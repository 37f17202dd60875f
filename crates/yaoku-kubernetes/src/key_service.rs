//! The key service as the plugin sees it.

use async_trait::async_trait;
use yaoku_client::{Action, Answer, Client, Error};

/// Calls actions of the KMS API. [`Client`] does it over the network.
#[async_trait]
pub trait KeyService: Send + Sync + 'static {
    /// What an action answers, in JSON.
    ///
    /// # Errors
    /// As [`Client::call`].
    async fn call(&self, action: &Action, params: &[(&str, &str)]) -> Result<Answer, Error>;
}

#[async_trait]
impl KeyService for Client {
    async fn call(&self, action: &Action, params: &[(&str, &str)]) -> Result<Answer, Error> {
        self.call(action, params).await
    }
}

const fn action(name: &'static str) -> Action {
    // All three may be done twice: a ciphertext that nobody got is not missed.
    Action { version: "2016-01-20", name, repeatable: true }
}

pub(crate) const DESCRIBE_KEY: Action = action("DescribeKey");
pub(crate) const ENCRYPT: Action = action("Encrypt");
pub(crate) const DECRYPT: Action = action("Decrypt");
