//! The hardware security module, as the options name it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_crypto::pkcs11::{Token, TokenConfig};

use super::Options;
use super::secrets::{self, PIN_VARIABLE};
use crate::Error;

/// Sessions with the token unless the options say otherwise.
const SESSIONS: u64 = 16;

/// How to reach a token.
pub struct HsmSettings {
    /// The library of the HSM's maker.
    pub module: PathBuf,
    label: Option<String>,
    pin: Option<Secret>,
    sessions: usize,
}

impl HsmSettings {
    /// Checks the options that name a token; none if they name no library.
    ///
    /// # Errors
    /// A sentence on what can't be used and what to do.
    pub fn of(options: &Options, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<Self>, Error> {
        let pin = secrets::given(options.pkcs11_pin_file.as_deref(), PIN_VARIABLE, environment)?;
        let Some(module) = options.pkcs11_module.clone() else {
            if options.pkcs11_token.is_some() || options.pkcs11_pin_file.is_some() {
                return Err(Error::Options("--pkcs11-token and --pkcs11-pin-file require --pkcs11-module".into()));
            }
            return Ok(None);
        };
        let sessions = options.pkcs11_sessions.unwrap_or(SESSIONS);
        let sessions = usize::try_from(sessions).ok().filter(|sessions| (2..=1024).contains(sessions));
        let sessions = sessions.ok_or_else(|| Error::Options("--pkcs11-sessions must be from 2 to 1024".into()))?;
        Ok(Some(Self { module, label: options.pkcs11_token.clone(), pin, sessions }))
    }

    /// Whether there is a PIN to log in with.
    pub fn has_pin(&self) -> bool {
        self.pin.is_some()
    }

    /// Logs in. Blocks.
    ///
    /// # Errors
    /// When there is no PIN, or the token can't be used as it is set up.
    pub fn open(self) -> Result<Arc<Token>, Error> {
        let pin = self.pin.ok_or_else(|| {
            Error::Options(format!(
                "the token needs its PIN: set {PIN_VARIABLE}, or name a file with --pkcs11-pin-file"
            ))
        })?;
        let Self { module, label, sessions, .. } = self;
        Ok(Arc::new(Token::open(TokenConfig { module, label, pin, sessions })?))
    }
}
