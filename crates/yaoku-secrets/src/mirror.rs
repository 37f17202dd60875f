//! How commits of the store come into force here.

use yaoku_seal::{Follower, Kind, Mirror, Revision, Vault, VaultChange};

use crate::catalogue::Catalogue;
use crate::held::HeldSecret;
use crate::record::{SECRET, SecretRecord, named};
use crate::secrets::load;
use crate::{Error, Secrets};

impl Mirror for Secrets {
    type State = Catalogue;
    type Error = Error;

    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn concerns(kind: Kind) -> bool {
        kind == SECRET
    }

    async fn read(vault: &Vault) -> Result<(Catalogue, Revision), Error> {
        load(vault).await
    }

    fn replace(&self, catalogue: Catalogue) {
        *self.catalogue.write() = catalogue;
        self.iam.epoch().advance();
    }

    fn apply(&self, change: VaultChange) -> Result<(), Error> {
        let revision = change.revision;
        let mut may_forbid = false;
        {
            let mut catalogue = self.catalogue.write();
            for (name, bytes) in change.puts.iter().filter(|(name, _)| name.kind == SECRET) {
                let (account, secret) = named(name)?;
                let record = SecretRecord::decode(bytes)?;
                let forbids = catalogue.secret(account, &secret).is_some_and(|before| forbids(&before.record, &record));
                may_forbid |= forbids;
                catalogue.put(HeldSecret::new(account, secret, record, revision)?);
            }
            for name in change.deletes.iter().filter(|name| name.kind == SECRET) {
                let (account, secret) = named(name)?;
                catalogue.remove(account, &secret);
                may_forbid = true;
            }
        }
        if may_forbid {
            self.iam.epoch().advance();
        }
        Ok(())
    }
}

/// Whether what is new can forbid something that was admitted before: what policies ask about has changed, the secret is to be deleted,
/// or a value can't be read any more. A new version, or a stage that moves, forbids nothing.
fn forbids(before: &SecretRecord, after: &SecretRecord) -> bool {
    let unreadable = before.versions.iter().any(|version| {
        after
            .numbered(version.number)
            .is_none_or(|now| (now.deleted, now.destroyed) != (version.deleted, version.destroyed))
    });
    before.id != after.id
        || before.tags != after.tags
        || before.policy != after.policy
        || before.deletion != after.deletion
        || unreadable
}
