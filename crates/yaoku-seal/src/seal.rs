use crate::Error;
use std::path::PathBuf;
use yaoku_crypto::{Secret, passphrase::Cost};
/// What protects the root key. Blocking; called at start and on rotation only.
pub trait Seal: Send + Sync {
    /// One word for logs and the backup header: "file", "passphrase".
    fn name(&self) -> &'static str;
    /// The root keys it holds, newest first (two only while a rotation is under way); None if never set up.
    fn load(&self) -> Result<Option<Vec<Secret>>, Error>;
    /// Replaces what it holds, durably (write aside, fsync, rename, fsync dir).
    fn save(&self, root_keys: &[Secret]) -> Result<(), Error>;
    /// What a backup must carry so that the seal can be opened elsewhere (passphrase: the sealed file's bytes; file: empty).
    fn portable(&self) -> Result<Vec<u8>, Error>;
}
/// Root key in a file of mode 0600.
pub struct FileSeal {
    pub path: PathBuf,
}
/// Root key in a file, sealed under Argon2id(passphrase).
pub struct PassphraseSeal {
    pub path: PathBuf,
    pub passphrase: Secret,
    pub cost: Cost,
}
