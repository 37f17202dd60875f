//! How commits of the store come into force here.

use yaoku_kms::KeyId;
use yaoku_seal::{Follower, Kind, Mirror, Revision, Vault, VaultChange};

use crate::catalogue::Catalogue;
use crate::held::HeldObject;
use crate::objects::load;
use crate::record::{CHOSEN_KEY, OBJECT, Pointer, account_of, decode, named};
use crate::{Error, Objects};

impl Mirror for Objects {
    type State = Catalogue;
    type Error = Error;

    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn concerns(kind: Kind) -> bool {
        kind == OBJECT || kind == CHOSEN_KEY
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
            for (name, bytes) in &change.puts {
                if name.kind == CHOSEN_KEY {
                    let Pointer(key) = decode::<Pointer<KeyId>>(bytes)?;
                    catalogue.choose(account_of(name)?, Some(key));
                } else if name.kind == OBJECT {
                    let (account, id) = named(name)?;
                    let object = HeldObject { account, id, record: decode(bytes)?, revision };
                    // Of what is decided about an object, only that its value is gone forbids something.
                    may_forbid |= object.record.life.destruction.is_some();
                    catalogue.put(object);
                }
            }
            for name in &change.deletes {
                if name.kind == CHOSEN_KEY {
                    catalogue.choose(account_of(name)?, None);
                } else if name.kind == OBJECT {
                    let (account, id) = named(name)?;
                    catalogue.remove(account, id);
                    may_forbid = true;
                }
            }
        }
        if may_forbid {
            self.iam.epoch().advance();
        }
        Ok(())
    }
}
