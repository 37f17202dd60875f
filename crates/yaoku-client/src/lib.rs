//! A client of yaoku's API for command lines and plugins: it signs, keeps connections, bounds what it reads and how long it waits, and
//! repeats only what may be done twice.
//!
//! ```no_run
//! # async fn example(secret: yaoku_crypto::Secret) -> Result<(), yaoku_client::Error> {
//! use yaoku_client::{AccessKey, Action, Client, Endpoint, Trust};
//!
//! let endpoint = Endpoint::parse("https://kms.example:7788")?;
//! let client = Client::new(endpoint, AccessKey::new("LTAI…", &secret)?, &Trust::System, std::time::Duration::from_secs(5))?;
//! const DESCRIBE_KEY: Action = Action { version: "2016-01-20", name: "DescribeKey", repeatable: true };
//! let answer = client.call(&DESCRIBE_KEY, &[("KeyId", "alias/disks")]).await?;
//! let described: serde_json::Value = answer.read()?;
//! # Ok(())
//! # }
//! ```

mod access_key;
mod answer;
mod client;
mod endpoint;
mod error;
mod signature;
mod tls;

pub use access_key::AccessKey;
pub use answer::Answer;
pub use client::{Action, Client};
pub use endpoint::Endpoint;
pub use error::Error;
pub use tls::Trust;

/// What the fuzz targets call.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads the body of an error.
    pub fn refusal(status: u16, body: &[u8]) {
        let _ = crate::answer::refusal(status, body).to_string();
    }
}
