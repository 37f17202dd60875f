//! Client certificates that prove users, by their public keys.

use crate::certificate::{CertificateAbout, CertificateId, CertificateRecord, PublicKeyHash};
use crate::resource::{self, Target, YAOKU};
use crate::{CERTIFICATE, Call, Entity, Error, Iam, Name, Operation, OperationSpec, StateRule, Timestamp, quota};

/// Lets whoever holds a certificate of this public key act as a user.
pub struct BindCertificate {
    /// As whom.
    pub user: Name,
    /// The public key.
    pub public_key: PublicKeyHash,
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
        let public_key = self.public_key;
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
