//! Client certificates that prove users, by their public keys.

use crate::certificate::{CertificateAbout, CertificateId, CertificateRecord, GivenCertificate};
use crate::resource::{self, Target, YAOKU};
use crate::{
    AccountId, CERTIFICATE, Call, Credential, Entity, Error, Field, Iam, Name, Operation, OperationSpec, StateRule,
    Timestamp, quota,
};

/// Lets whoever holds a certificate of the same public key act as a user.
///
/// Certificates are public, and a login that names no account means the only one in which its certificate is bound. So whoever binds one
/// must have its private key: otherwise anybody could keep its holder out, by binding it in an account of theirs. Operators, who are
/// trusted with all accounts, need not show that.
pub struct BindCertificate {
    /// As whom.
    pub user: Name,
    /// The certificate.
    pub certificate: GivenCertificate,
    /// A signature by its private key over [`message_to_sign`].
    pub proof: Option<Vec<u8>>,
}

/// What the private key of a certificate signs so that it can be bound to a user.
pub fn message_to_sign(account: AccountId, user: &Name) -> String {
    format!("yaoku:BindCertificate:{account}:{user}")
}

impl BindCertificate {
    fn check_possession(&self, call: &Call<'_>) -> Result<(), Error> {
        let message = message_to_sign(call.principal.account(), &self.user);
        let proven = self.proof.as_ref().map(|proof| self.certificate.has_signed(message.as_bytes(), proof));
        match (proven, call.credential) {
            (Some(true), _) | (None, Credential::Operator(_)) => Ok(()),
            (Some(false) | None, _) => Err(Error::Invalid {
                field: Field::Proof,
                why: "it must be the base64 encoding of a signature over the text yaoku:BindCertificate:ACCOUNT:USER, with the ID of \
                      your account and the name of the user, made with the private key of the certificate, for example by \
                      'openssl dgst -sha256 -sign KEY.pem'",
            }),
        }
    }
}

/// Lists the certificates bound to a user.
pub struct ListCertificates {
    /// Whom.
    pub user: Name,
}

/// Ends a binding.
pub struct UnbindCertificate {
    /// Whom it is bound to.
    pub user: Name,
    /// Which.
    pub id: CertificateId,
}

impl Operation for BindCertificate {
    type Domain = Iam;
    type Output = CertificateAbout;
    const SPEC: OperationSpec =
        OperationSpec::write(YAOKU, "BindCertificate", &[resource::CERTIFICATE], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<CertificateAbout, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(CERTIFICATE, &self.user)])?;
        self.check_possession(call)?;
        let public_key = self.certificate.public_key();
        iam.change(&tenant, |directory, draft| {
            let (user, _) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
            if directory.certificates.values().any(|bound| bound.public_key == public_key) {
                return Err(Error::Exists(Entity::Certificate));
            }
            if directory.certificates.values().filter(|bound| bound.user == user).count() >= quota::CERTIFICATES {
                return Err(Error::LimitExceeded { what: Entity::Certificate, most: quota::CERTIFICATES });
            }
            let (id, created): (_, Timestamp) = (CertificateId::generate(draft.random)?, draft.now);
            draft.put_certificate(public_key, &CertificateRecord { id: id.clone(), user, created })?;
            Ok(CertificateAbout { id, public_key, created, last_used: None })
        })
        .await
    }
}

impl Operation for ListCertificates {
    type Domain = Iam;
    type Output = Vec<CertificateAbout>;
    const SPEC: OperationSpec =
        OperationSpec::read(YAOKU, "ListCertificates", &[resource::CERTIFICATE], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Vec<CertificateAbout>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(CERTIFICATE, &self.user)])?;
        let directory = tenant.directory.read();
        let (user, _) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
        Ok(directory.certificates.values().filter(|bound| bound.user == user).map(CertificateAbout::of).collect())
    }
}

impl Operation for UnbindCertificate {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec =
        OperationSpec::write(YAOKU, "UnbindCertificate", &[resource::CERTIFICATE], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(CERTIFICATE, &self.user)])?;
        iam.change(&tenant, |directory, draft| {
            let (user, _) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
            let bound = directory.certificates.get(&self.id).filter(|bound| bound.user == user);
            draft.delete_certificate(bound.ok_or(Error::NotFound(Entity::Certificate))?);
            Ok(())
        })
        .await
    }
}
