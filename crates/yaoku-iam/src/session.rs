//! Security tokens: sessions of roles, which the server keeps no list of.
//!
//! A token holds all that is known of a session, its secret too, sealed under the system's key: whoever has it can't read it,
//! and another can't make one. At each use the role is looked up, so that what becomes of it is in force for its sessions.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_seal::Domain;

use crate::policy::{Attached, Policy, PolicyKind};
use crate::principal::{Identity, Session};
use crate::{AccessKey, AccessKeyId, AccountId, Error, Iam, NewAccessKey, Principal, RoleId, Timestamp};

/// What the tokens are sealed as.
const LABEL: &[u8] = b"security token of a role's session v1";
/// Characters of a token: those of a session policy, and some.
const MAX_TOKEN: usize = 8192;

/// Why a security token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It was not made by this server.
    #[error("the security token was not issued by this server")]
    Malformed,
    /// It belongs to another AccessKey.
    #[error("the security token belongs to another AccessKey")]
    OtherAccessKey,
    /// Its time is over, or its role is no more.
    #[error("the security token has expired")]
    Expired,
    /// The server can't open it at present.
    #[error("the security token can't be read, because the store is unavailable")]
    Unavailable,
}

/// What a token holds.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    access_key_id: &'a str,
    secret: &'a [u8],
    account: &'a str,
    role: RoleId,
    name: &'a str,
    began: Timestamp,
    expires: Timestamp,
    /// A policy document.
    policy: Option<&'a str>,
}

/// A session that begins.
pub(crate) struct NewSession<'a> {
    pub(crate) account: AccountId,
    pub(crate) role: RoleId,
    pub(crate) name: &'a str,
    pub(crate) began: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) policy: Option<&'a str>,
}

impl Iam {
    /// Draws an AccessKey for a session, and makes the token that goes with it.
    pub(crate) async fn begin_session(&self, session: &NewSession<'_>) -> Result<(NewAccessKey, String), Error> {
        let key = NewAccessKey::generate_with("STS.", self.vault.random())?;
        let content = Content {
            access_key_id: key.id.as_str(),
            secret: key.secret.expose(),
            account: session.account.as_str(),
            role: session.role,
            name: session.name,
            began: session.began,
            expires: session.expires,
            policy: session.policy,
        };
        // Room for everything at once, so that no reallocation leaves a copy of the secret behind.
        let mut bytes = vec![0; 512 + session.policy.map_or(0, str::len)];
        let used = postcard::to_slice(&content, &mut bytes).map_err(|_| Error::Record("a session"))?.len();
        bytes.truncate(used);
        let sealed = self.vault.seal_token(Domain::SYSTEM, LABEL, &Secret::new(bytes)).await?;
        Ok((key, STANDARD.encode(sealed)))
    }

    /// The AccessKey of the session that a token is of.
    ///
    /// # Errors
    /// When the token proves nothing with that AccessKey.
    pub async fn session(&self, access_key_id: &str, token: &str) -> Result<Arc<AccessKey>, SessionError> {
        if self.access_key(access_key_id).is_some() {
            return Err(SessionError::OtherAccessKey);
        }
        let sealed = (token.len() <= MAX_TOKEN).then(|| STANDARD.decode(token).ok()).flatten();
        let sealed = sealed.ok_or(SessionError::Malformed)?;
        let opened = self.vault.open_token(Domain::SYSTEM, LABEL, &sealed).await;
        let bytes = opened.map_err(|_| SessionError::Unavailable)?.ok_or(SessionError::Malformed)?;
        let content = read(bytes.expose())?;
        if content.access_key_id != access_key_id {
            return Err(SessionError::OtherAccessKey);
        }
        if content.expires <= self.clock.now() {
            return Err(SessionError::Expired);
        }
        let account = AccountId::parse(content.account).map_err(|_| SessionError::Malformed)?;
        let tenant = self.tenant(account).ok_or(SessionError::Expired)?;
        let role = tenant.directory.read().role_subject(content.role).ok_or(SessionError::Expired)?;
        let attached = |document| {
            let policy = Policy::parse_stored(document, PolicyKind::Session).map_err(|_| SessionError::Malformed)?;
            Ok(Attached { origin: "the policy of the session".into(), policy: Arc::new(policy) })
        };
        let session = Session {
            role_id: content.role,
            role,
            name: content.name.into(),
            policy: content.policy.map(attached).transpose()?,
            began: content.began.0,
        };
        let identity = Identity::Session(Arc::new(session));
        let principal = Principal { tenant, status: Arc::default(), identity, login: None };
        let id = AccessKeyId::parse(access_key_id).map_err(|_| SessionError::Malformed)?;
        let secret = Secret::new(content.secret.to_vec()).into();
        Ok(Arc::new(AccessKey { id, secret, principal, created: Some(content.began) }))
    }
}

fn read(bytes: &[u8]) -> Result<Content<'_>, SessionError> {
    postcard::from_bytes(bytes).map_err(|_| SessionError::Malformed)
}

/// Readers of records and tokens, for fuzzing.
pub mod fuzzing {
    use yaoku_crypto::Secret;

    use crate::access_key::AccessKeyRecord;
    use crate::certificate::CertificateRecord;
    use crate::login::LoginsRecord;
    use crate::record::{AccountRecord, GroupRecord, PolicyRecord, RoleRecord, Stored, UserRecord};
    use crate::token::TokenRecord;

    /// Reads bytes as everything that they could be.
    pub fn read_all(bytes: &[u8]) {
        let _ = super::read(bytes);
        crate::login::read_any(bytes);
        let bytes = Secret::new(bytes.to_vec());
        let _ = AccessKeyRecord::decode(&bytes);
        let _ = AccountRecord::decode(&bytes);
        let _ = (UserRecord::decode(&bytes), GroupRecord::decode(&bytes));
        let _ = (RoleRecord::decode(&bytes), PolicyRecord::decode(&bytes));
        let _ = (TokenRecord::decode(&bytes), CertificateRecord::decode(&bytes), LoginsRecord::decode(&bytes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            super::fuzzing::read_all(&bytes);
        }
    }
}
