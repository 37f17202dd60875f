//! The CMK that an account chooses for its managed objects.

use yaoku_iam::{Call, Operation, OperationSpec};
use yaoku_kms::{KeyId, KeyRef, OnBehalf, proceed};
use yaoku_seal::Changes;

use crate::change::ATTEMPTS;
use crate::record::{Pointer, chosen_key_name, encode};
use crate::resource::{OBJECT, SERVICE, object_states};
use crate::{Error, ObjectId, Objects};

/// Chooses the CMK that managed objects are sealed under from now on. Those that there are stay under the one that they were made under.
///
/// Who chooses it needs `GenerateDataKey` on it. Those who make and fetch objects need no permission on it.
pub struct SetObjectKey {
    /// A symmetric CMK of the caller's account.
    pub key: KeyRef,
}

impl Operation for SetObjectKey {
    type Domain = Objects;
    type Output = KeyId;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "SetObjectKey", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<KeyId, Error> {
        objects.allow_all(call, &Self::SPEC)?;
        let key = objects.kms.own_key(call, &self.key)?;
        let name = chosen_key_name(call.principal.account());
        for _ in 0..ATTEMPTS {
            call.rest_on_authority();
            objects.allow_all(call, &Self::SPEC)?;
            // An object of no id stands for all that there will be.
            let none = ObjectId::from_bytes([0; 16]);
            let sealing = objects.sealing_key_of(call, key, OnBehalf::Caller, none).await?;
            proceed(call)?;
            let before = objects.vault.get(&name).await?.map(|row| row.revision);
            let changes = Changes {
                expected: vec![(name.clone(), before), sealing.unchanged()],
                puts: vec![(name.clone(), encode(&Pointer(key))?)],
                deletes: Vec::new(),
            };
            if objects.commit(call, changes).await? {
                return Ok(key);
            }
        }
        Err(Error::contended())
    }
}

/// Tells which CMK an account has chosen.
pub struct GetObjectKey;

impl Operation for GetObjectKey {
    type Domain = Objects;
    type Output = Option<KeyId>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetObjectKey", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<Option<KeyId>, Error> {
        objects.allow_all(call, &Self::SPEC)?;
        proceed(call)?;
        Ok(objects.catalogue.read().chosen(call.principal.account()))
    }
}
