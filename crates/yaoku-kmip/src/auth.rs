//! Who calls: the holder of an AccessKey, by ID and secret, or of a client certificate that is bound to a user. Where a message comes with
//! both, they must name one user.

use yaoku_gate::Gate;
use yaoku_http::ClientCertificate;
use yaoku_iam::Caller;

use crate::failure::Failure;
use crate::message::Credential;

/// Proves the caller. What was wrong is not said.
pub(crate) fn prove(
    gate: &Gate,
    certificate: Option<&ClientCertificate>,
    credential: Option<Credential<'_>>,
) -> Result<Caller, Failure> {
    let refused = Failure::not_authenticated;
    let public_key = certificate.map(ClientCertificate::public_key);
    let Some(Credential { username, password }) = credential else {
        return gate.certificate_holder(public_key.ok_or_else(refused)?, None).map_err(|_| refused());
    };
    let access_key = gate.access_key(username).ok_or_else(refused)?;
    let caller = access_key.prove_by_secret(password.as_bytes()).map_err(|_| refused())?;
    let account = caller.principal().account();
    // A certificate that is bound to nobody of the account names nobody there, whatever it is bound to in another.
    if let Some(public_key) = public_key.filter(|key| gate.is_certificate_bound(key, account)) {
        let holder = gate.certificate_holder(public_key, Some(account)).map_err(|_| refused())?;
        if holder.principal().key() != caller.principal().key() {
            return Err(refused());
        }
    }
    Ok(caller)
}
