//! How commits of the store come into force here.

use yaoku_seal::{Follower, Kind, Mirror, Revision, Vault, VaultChange};

use crate::catalogue::Catalogue;
use crate::disks::load;
use crate::held::HeldDisk;
use crate::record::{DISK, DiskRecord, named};
use crate::{Disks, Error};

impl Mirror for Disks {
    type State = Catalogue;
    type Error = Error;

    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn concerns(kind: Kind) -> bool {
        kind == DISK
    }

    async fn read(vault: &Vault) -> Result<(Catalogue, Revision), Error> {
        load(vault).await
    }

    fn replace(&self, catalogue: Catalogue) {
        let before = std::mem::replace(&mut *self.catalogue.write(), catalogue);
        before.end();
        self.iam.epoch().advance();
    }

    fn apply(&self, change: VaultChange) -> Result<(), Error> {
        let revision = change.revision;
        let mut may_forbid = false;
        {
            let mut catalogue = self.catalogue.write();
            for (name, bytes) in change.puts.iter().filter(|(name, _)| name.kind == DISK) {
                let (account, disk) = named(name)?;
                let record = DiskRecord::decode(bytes)?;
                may_forbid |= catalogue.disk(account, &disk).is_some_and(|before| forbids(&before.record, &record));
                catalogue.put(HeldDisk::new(account, disk, record, revision)?);
            }
            for name in change.deletes.iter().filter(|name| name.kind == DISK) {
                let (account, disk) = named(name)?;
                catalogue.delete(account, &disk);
                may_forbid = true;
            }
        }
        if may_forbid {
            self.iam.epoch().advance();
        }
        Ok(())
    }
}

/// Whether what is new can forbid something that was admitted before: what policies ask about has changed, or from where it can be
/// unlocked, or it can't be any more, or not with one of its keys. A new key, and enabling it, forbid nothing.
fn forbids(before: &DiskRecord, after: &DiskRecord) -> bool {
    let is_there = |sealed: &[u8]| after.exchange.iter().any(|key| key.sealed == sealed);
    before.id != after.id
        || before.tags != after.tags
        || before.networks != after.networks
        || (before.enabled && !after.enabled)
        || !before.exchange.iter().all(|key| is_there(&key.sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::record;

    #[test]
    fn what_takes_something_away_forbids_and_what_adds_something_does_not() {
        let before = record();
        let after = |change: fn(&mut DiskRecord)| {
            let mut after = before.clone();
            change(&mut after);
            forbids(&before, &after)
        };
        assert!(after(|disk| disk.enabled = false));
        assert!(after(|disk| drop(disk.exchange.remove(0))));
        assert!(after(|disk| disk.networks = Vec::new()));
        assert!(after(|disk| disk.tags.put([("team", "shop")]).unwrap()));
        assert!(!after(|disk| disk.exchange.push(disk.signing.clone())));
        let disabled = DiskRecord { enabled: false, ..before.clone() };
        assert!(!forbids(&disabled, &before));
    }
}
