//! Reading values, and putting new ones.

use yaoku_crypto::Secret;
use yaoku_iam::{Call, Operation, OperationSpec, Permission};
use yaoku_kms::{OnBehalf, proceed};

use crate::change::{ATTEMPTS, update};
use crate::held::HeldSecret;
use crate::record::{SecretRecord, VersionEntry, value_name};
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::sealing::Place;
use crate::{Error, Field, SecretAbout, SecretKind, SecretRef, Secrets, Stage, Value, VersionAbout, VersionId};

/// How often a value is looked for whose version is taken away meanwhile.
const LOOKS: usize = 4;

/// The most secrets whose values are given at once.
pub const MAX_BATCH: usize = 20;
/// Needed on each secret whose value is given.
const GET: Permission = GetSecretValue::SPEC.permission();

/// The value of one version.
pub struct SecretValue {
    /// The secret.
    pub secret: SecretAbout,
    /// The version.
    pub version: VersionAbout,
    /// Its value.
    pub value: Value,
}

/// How a caller names a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRef {
    /// By its id.
    Id(VersionId),
    /// By its number.
    Number(u64),
}

impl VersionRef {
    fn of<'r>(&self, record: &'r SecretRecord) -> Option<&'r VersionEntry> {
        match self {
            Self::Id(id) => record.version(id),
            Self::Number(number) => record.numbered(*number),
        }
    }
}

impl From<VersionId> for VersionRef {
    fn from(id: VersionId) -> Self {
        Self::Id(id)
    }
}

/// Gives the value of one version of a secret.
pub struct GetSecretValue {
    /// The secret.
    pub secret: SecretRef,
    /// The version; where `stage` is given too, it must stand on this one.
    pub version: Option<VersionRef>,
    /// The stage of the version; [`Stage::CURRENT`] where neither is given.
    pub stage: Option<Stage>,
}

impl GetSecretValue {
    fn find<'s>(&self, secret: &'s HeldSecret) -> Option<&'s VersionEntry> {
        let record = &secret.record;
        // A value that rotates is asked for by its stage: whoever knows the id of a version can't mean one that is not kept any more.
        let version = self.version.as_ref().filter(|version| match record.kind() {
            SecretKind::Generic => true,
            SecretKind::RamCredentials => matches!(version, VersionRef::Number(_)),
        });
        match (version, &self.stage) {
            (None, stage) => record.staged(stage.as_ref().map_or(Stage::CURRENT, Stage::as_str)),
            (Some(version), None) => version.of(record),
            (Some(version), Some(stage)) => version.of(record).filter(|version| version.stages.contains(stage)),
        }
    }
}

impl Operation for GetSecretValue {
    type Domain = Secrets;
    type Output = SecretValue;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetSecretValue", &[SECRET], secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<SecretValue, Error> {
        self.get(secrets, call).await
    }
}

impl GetSecretValue {
    async fn get(&self, secrets: &Secrets, call: &Call<'_>) -> Result<SecretValue, Error> {
        for _ in 0..LOOKS {
            let secret = secrets.admit(call, &Self::SPEC, &self.secret)?;
            let version = self.find(&secret).ok_or(Error::VersionNotFound)?;
            version.check_readable(secrets.clock.now())?;
            secrets.opened(call, Self::SPEC.permission(), &secret, version);
            let Some(bytes) = secrets.open_value(call, &secret, version.number, None).await? else {
                // Another version came, and this one is not kept any more.
                tokio::task::yield_now().await;
                continue;
            };
            proceed(call)?;
            let value = Value { kind: version.kind, bytes };
            return Ok(SecretValue { version: version.into(), secret: secret.about(&secrets.iam), value });
        }
        Err(Error::VersionNotFound)
    }
}

/// Gives values of several secrets, at most [`MAX_BATCH`]: of each its value, or why it is not given. Each is asked for as by
/// [`GetSecretValue`], and needs no other permission.
pub struct BatchGetSecretValue(pub Vec<GetSecretValue>);

impl Operation for BatchGetSecretValue {
    type Domain = Secrets;
    type Output = Vec<Result<SecretValue, Error>>;
    const SPEC: OperationSpec =
        OperationSpec::read(SERVICE, "BatchGetSecretValue", &[SECRET], secret_states::USE).needing(&[GET]);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        if !(1..=MAX_BATCH).contains(&self.0.len()) {
            return Err(Error::invalid(Field::Secrets, format!("it must name 1 to {MAX_BATCH} secrets")));
        }
        let mut values = Vec::with_capacity(self.0.len());
        for one in &self.0 {
            if call.is_abandoned() {
                return Err(Error::Abandoned);
            }
            values.push(one.get(secrets, call).await);
        }
        // Where all is denied, the call is.
        match values.iter().all(|value| matches!(value, Err(error) if error.is_denied())) {
            true => Err(values.into_iter().find_map(Result::err).unwrap_or(Error::SecretNotFound)),
            false => Ok(values),
        }
    }
}

/// Adds a version to a secret. Beyond those that are kept, the oldest without a stage goes.
pub struct PutSecretValue {
    /// The secret, of the caller's account.
    pub secret: SecretRef,
    /// The id of the new version; its number where there is none, with a mark behind it if that is taken. One that is there already, with the same value, is left as it is.
    pub version: Option<VersionId>,
    /// Its value.
    pub value: Value,
    /// The stages that it gets; the current one where there are none.
    pub stages: Option<Vec<Stage>>,
    /// The number of the current version, if that is to be checked; 0 for that of a secret that does not exist.
    pub expected: Option<u64>,
}

impl Operation for PutSecretValue {
    type Domain = Secrets;
    type Output = VersionAbout;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "PutSecretValue", &[SECRET], secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<VersionAbout, Error> {
        let first = secrets.admit(call, &Self::SPEC, &self.secret)?;
        first.record.check_generic()?;
        self.value.check()?;
        let _one = secrets.changing.enter(first.record.id, call.standing(Self::SPEC.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        for _ in 0..ATTEMPTS {
            let mut held = secrets.admit_change(call, &Self::SPEC, &self.secret).await?;
            held.record.check_generic()?;
            let (key, is_service_key) = (held.record.key, held.record.is_service_key);
            let sealing = secrets.admit_key(call, &held.name, key, is_service_key).await?;
            if let Some(known) = self.version.as_ref().and_then(|id| held.record.version(id)) {
                let same = self.is_value_of(secrets, call, &held, known).await?;
                proceed(call)?;
                // What somebody else put must be in force before it is said to be there.
                secrets.in_force(held.revision).await?;
                return if same { Ok(known.into()) } else { Err(Error::VersionExists) };
            }
            let current = held.record.staged(Stage::CURRENT).map_or(0, |version| version.number);
            if self.expected.is_some_and(|expected| expected != current)
                || (self.expected.is_none() && held.record.expects_last)
            {
                return Err(Error::NotAsExpected);
            }
            let (number, now) = (held.record.last + 1, secrets.clock.now());
            let id = self.version.clone().unwrap_or_else(|| free_id(&held.record, number));
            let deleted = held.record.delete_versions_after.map(|seconds| now.plus_seconds(seconds));
            let (kind, stages) = (self.value.kind, Vec::new());
            let version = VersionEntry { number, id, created: now, kind, stages, deleted, destroyed: false };
            let gone = held.record.add_version(version, self.stages.as_deref())?;
            held.record.updated = now;
            proceed(call)?;
            let sealed = secrets.seal(call, &sealing, Place::of(&held, number), &self.value.bytes).await?;
            let mut changes = update(&held)?;
            changes.expected.push(sealing.unchanged());
            let value = |number| value_name(held.account, held.record.id, number);
            changes.puts.push((value(number), Secret::new(sealed)));
            changes.deletes.extend(gone.into_iter().map(value));
            if secrets.commit(call, changes).await? {
                return Ok(held.record.numbered(number).ok_or(Error::VersionNotFound)?.into());
            }
        }
        Err(Error::contended())
    }
}

/// The id of a version that was given none: its number, and more where a version was given that id.
fn free_id(secret: &SecretRecord, number: u64) -> VersionId {
    let mut id = VersionId::of_number(number);
    while secret.version(&id).is_some() {
        id = id.and_more();
    }
    id
}

impl PutSecretValue {
    /// Whether the value is that of a version that is there. The service itself looks at that one: the caller, who may put values, learns
    /// whether it has put this one.
    async fn is_value_of(
        &self,
        secrets: &Secrets,
        call: &Call<'_>,
        held: &HeldSecret,
        version: &VersionEntry,
    ) -> Result<bool, Error> {
        if version.check_readable(secrets.clock.now()).is_err() {
            return Ok(false);
        }
        let bytes = secrets.open_value(call, held, version.number, Some(OnBehalf::Service)).await?;
        Ok(bytes.is_some_and(|bytes| self.value.is(version.kind, &bytes)))
    }
}
