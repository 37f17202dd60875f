//! Root of trust of yaoku: the seal holds the root key, the root key wraps domain keys, a domain key seals records.
pub mod backup;
mod cut;
mod digester;
pub mod error;
pub mod follower;
pub mod record;
pub mod seal;
mod steadiness;
mod token_seal;
pub mod vault;
pub use digester::StoreMark;
pub use error::Error;
pub use follower::{Follower, Mirror, NotInForce, read_each};
pub use record::{Changes, Domain, Kind, Record, RecordName};
pub use steadiness::Steadiness;
pub use token_seal::TokenSeal;
pub use vault::{Rotated, Vault, VaultChange, VaultWatch, View};
pub use yaoku_store::{Error as StoreError, Found, Limits, Outcome, Revision};
