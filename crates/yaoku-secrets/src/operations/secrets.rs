//! Making, finding and describing secrets.

use std::collections::BTreeMap;

use yaoku_iam::quota::Reservation;
use yaoku_iam::{AccountId, Call, KnownAccessKeys, NotKnown, Operation, OperationSpec, Tags};
use yaoku_kms::operations::{Listing, Page};
use yaoku_kms::{AliasName, KeyRef, Tag, proceed};
use yaoku_seal::{Changes, RecordName, Revision};

use super::policies::SecretPolicy;
use crate::admission::of_denial;
use crate::change::{ATTEMPTS, Changed};
use crate::held::HeldSecret;
use crate::ram_credentials::{self, NewRamCredentials, RamCredentials, check_custom_data};
use crate::record::{Purpose, SecretRecord, VersionEntry, secret_name, value_name};
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::sealing::Place;
use crate::{
    Error, Field, SecretAbout, SecretFilters, SecretId, SecretName, SecretRef, Secrets, Value, VersionAbout, VersionId,
};

/// The most characters that a description can have.
pub const MAX_DESCRIPTION: usize = 1024;
/// The alias of the CMK that values are encrypted under whose owner chose none.
pub const SERVICE_ALIAS: &str = "alias/acs/secrets";
/// The number of a secret's first version.
const FIRST: u64 = 1;
/// Secrets that a listing looks at before it lets others go on.
const AT_ONCE: usize = 1024;

/// Makes a secret with a first version.
pub struct CreateSecret {
    /// What is in it.
    pub content: NewContent,
    /// The id of its first version.
    pub version: VersionId,
    /// At most [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// The CMK to seal its values under; none for the service's own.
    pub key: Option<KeyRef>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Its policy; none for the default.
    pub policy: Option<SecretPolicy>,
}

/// What is in a new secret.
pub enum NewContent {
    /// What its owner puts into it.
    Generic {
        /// Its name.
        name: SecretName,
        /// The first value.
        value: Value,
    },
    /// AccessKeys of a RAM user, after whom it is named.
    RamCredentials(NewRamCredentials),
}

/// What a new secret rests on beside the permission to make it.
struct Basis {
    purpose: Purpose,
    expected: Vec<(RecordName, Option<Revision>)>,
}

impl NewContent {
    fn name(&self) -> Result<SecretName, Error> {
        match self {
            Self::Generic { name, .. } if name.is_reserved() => {
                Err(Error::invalid(Field::Name, "it must not begin with acs/"))
            }
            Self::Generic { name, .. } => Ok(name.clone()),
            Self::RamCredentials(new) => new.name(),
        }
    }

    /// Checks that the caller may put it into a secret. AccessKeys are replaced later: that takes the permission to make and delete them.
    fn admit(&self, secrets: &Secrets, call: &Call<'_>) -> Result<Basis, Error> {
        let new = match self {
            Self::Generic { .. } => return Ok(Basis { purpose: Purpose::Generic, expected: Vec::new() }),
            Self::RamCredentials(new) => new,
        };
        secrets.iam.allow_replacement(call, &new.user)?;
        check_custom_data(&new.custom_data)?;
        let account = call.principal.account();
        let checked = secrets.iam.check_access_keys(account, &new.user, &new.access_keys);
        let KnownAccessKeys { user, expected } = checked.map_err(|why| match why {
            NotKnown::NoUser => Error::invalid(Field::Config, "UserName must be the name of a RAM user"),
            NotKnown::Wrong => {
                Error::invalid(Field::Value, "an AccessKey in it is not the user's, or has another secret")
            }
            NotKnown::NotAll => Error::invalid(Field::Value, "it must have all AccessKeys of the user"),
        })?;
        if secrets.catalogue.read().holds_access_keys_of(account, user) {
            return Err(Error::SecretExists);
        }
        Ok(Basis { purpose: Purpose::RamCredentials(RamCredentials::new(new, user, FIRST)), expected })
    }

    const fn versions(&self) -> Option<u32> {
        match self {
            Self::Generic { .. } => None,
            Self::RamCredentials(_) => Some(ram_credentials::VERSIONS),
        }
    }
}

impl Operation for CreateSecret {
    type Domain = Secrets;
    type Output = (SecretAbout, VersionAbout);
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateSecret", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        secrets.allow_all(call, &Self::SPEC)?;
        let new_name = self.content.name()?;
        check_description(&self.description)?;
        let Basis { purpose, .. } = self.content.admit(secrets, call)?;
        let made;
        let value = match &self.content {
            NewContent::Generic { value, .. } => value,
            NewContent::RamCredentials(new) => {
                made = new.value()?;
                &made
            }
        };
        value.check()?;
        let mut tags = Tags::default();
        tags.put(self.tags.iter().map(Tag::parts))?;
        let account = call.principal.account();
        if let Some(policy) = &self.policy {
            policy.check_attached(secrets, account, &new_name)?;
        }
        call.touch(SECRET, yaoku_iam::Which::Name(new_name.as_str().into()));
        drop(secrets.reserve_new(account, &new_name)?);
        let policy: Option<Box<str>> = self.policy.map(Into::into);
        let texts = policy.as_ref().map_or(0, |policy| policy.len() as u64);
        drop(secrets.reserve_texts(account, texts)?);
        proceed(call)?;
        let (key, is_service_key) = match &self.key {
            Some(key) => (secrets.kms.own_key(call, key)?, false),
            None => (secrets.service_key(call, &Self::SPEC).await?, true),
        };
        let now = secrets.clock.now();
        let id = SecretId::generate(secrets.vault.random())?;
        let first = VersionEntry {
            number: FIRST,
            id: self.version,
            created: now,
            kind: value.kind,
            stages: Vec::new(),
            deleted: None,
            destroyed: false,
        };
        let mut record = SecretRecord {
            id,
            purpose,
            description: self.description,
            created: now,
            updated: now,
            key,
            is_service_key,
            deletion: None,
            tags,
            versions: Vec::new(),
            last: 0,
            max_versions: self.content.versions(),
            expects_last: false,
            delete_versions_after: None,
            custom_metadata: BTreeMap::new(),
            policy,
            rotations: Vec::new(),
        };
        record.add_version(first, None)?;
        let name = secret_name(account, &new_name);
        let place = Place { account, name: &new_name, id, number: FIRST };
        let mut sealed = None;
        for _ in 0..ATTEMPTS {
            // It may have waited for its turn: what was taken from the caller meanwhile counts.
            call.rest_on_authority();
            secrets.allow_all(call, &Self::SPEC)?;
            let Basis { purpose, mut expected } = self.content.admit(secrets, call)?;
            record.purpose = purpose;
            let sealing = secrets.admit_key(call, &new_name, key, is_service_key).await?;
            let sealed_value = match sealed.take() {
                Some(value) => value,
                None => secrets.seal(call, &sealing, place, &value.bytes).await?,
            };
            let _reserved = (secrets.reserve_new(account, &new_name)?, secrets.reserve_texts(account, texts)?);
            expected.extend([(name.clone(), None), sealing.unchanged()]);
            let changes = Changes {
                expected,
                puts: vec![
                    (name.clone(), record.encode()?),
                    (value_name(account, id, FIRST), yaoku_crypto::Secret::new(sealed_value.clone())),
                ],
                deletes: Vec::new(),
            };
            if secrets.commit(call, changes).await? {
                let made = HeldSecret::new(account, new_name, record, Revision::default())?;
                let version = made.record.versions.first().ok_or(Error::VersionNotFound)?.into();
                return Ok((made.about(&secrets.iam), version));
            }
            sealed = Some(sealed_value);
            secrets.catch_up_with(account, &new_name).await?;
        }
        Err(Error::contended())
    }
}

impl Secrets {
    /// Makes sure that an account can have a further secret of that name, for as long as what is returned is held.
    fn reserve_new(&self, account: AccountId, name: &SecretName) -> Result<Reservation<'_, AccountId>, Error> {
        match self.held(account, name) {
            Some(held) if held.is_pending_deletion() => return Err(Error::InDeleteWindow),
            Some(_) => return Err(Error::SecretExists),
            None => {}
        }
        let limit = self.config.max_secrets;
        let there = || self.catalogue.read().count(account);
        let reserved = self.secrets_under_way.reserve(account, 1, limit, there);
        reserved.ok_or_else(|| Error::LimitExceeded(format!("the account has reached its limit of {limit} secrets")))
    }

    /// The service's own CMK in the caller's account, made where there is none yet.
    async fn service_key(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<yaoku_kms::KeyId, Error> {
        let alias = AliasName::parse_any(SERVICE_ALIAS).ok_or(Error::Record("an alias"))?;
        let allow = || self.allow_all(call, spec).map_err(of_denial);
        Ok(self.kms.service_key(call, &alias, "Default key of secrets", allow).await?)
    }

    /// Waits until what the store has of a secret is known here: where another commit came first, it may have been that.
    async fn catch_up_with(&self, account: AccountId, name: &SecretName) -> Result<(), Error> {
        match self.vault.get(&secret_name(account, name)).await? {
            Some(stored) => self.in_force(stored.revision).await,
            None => Ok(()),
        }
    }
}

pub(super) fn check_description(description: &str) -> Result<(), Error> {
    if description.chars().nth(MAX_DESCRIPTION).is_some() {
        return Err(Error::invalid(Field::Description, format!("it can have at most {MAX_DESCRIPTION} characters")));
    }
    Ok(())
}

/// Tells what a secret is and how it stands, without its values.
pub struct DescribeSecret {
    /// The secret.
    pub secret: SecretRef,
}

impl Operation for DescribeSecret {
    type Domain = Secrets;
    type Output = SecretAbout;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "DescribeSecret", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<SecretAbout, Error> {
        let secret = secrets.admit(call, &Self::SPEC, &self.secret)?;
        proceed(call)?;
        Ok(secret.about(&secrets.iam))
    }
}

/// Lists secrets in order of their names.
pub struct ListSecrets {
    /// Conditions.
    pub filters: SecretFilters,
    /// Which page.
    pub page: Page,
}

impl Operation for ListSecrets {
    type Domain = Secrets;
    type Output = Listing<SecretAbout>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListSecrets", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        secrets.allow_all(call, &Self::SPEC)?;
        proceed(call)?;
        let _scan = secrets.scans.enter(call).await?;
        let account = call.principal.account();
        let (skip, size) = (self.page.skip(), self.page.size as usize);
        let mut listing = Listing { items: Vec::new(), total: 0 };
        let mut after = None;
        loop {
            let (seen, last) = {
                let catalogue = secrets.catalogue.read();
                let (mut seen, mut last) = (0, None);
                for secret in catalogue.after(account, after.as_ref()).take(AT_ONCE) {
                    (seen, last) = (seen + 1, Some(&secret.name));
                    if self.filters.admit(secret) {
                        if listing.total >= skip && listing.items.len() < size {
                            listing.items.push(secret.about(&secrets.iam));
                        }
                        listing.total += 1;
                    }
                }
                (seen, last.cloned())
            };
            if seen < AT_ONCE {
                return Ok(listing);
            }
            after = last;
            tokio::task::yield_now().await;
        }
    }
}

/// Replaces a secret's description, the words of its owner in its configuration, or both.
pub struct UpdateSecret {
    /// The secret.
    pub name: SecretName,
    /// At most [`MAX_DESCRIPTION`] characters.
    pub description: Option<String>,
    /// What stands with AccessKeys of a RAM user.
    pub custom_data: Option<BTreeMap<String, String>>,
}

impl Operation for UpdateSecret {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UpdateSecret", &[SECRET], secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        self.description.as_deref().map_or(Ok(()), check_description)?;
        self.custom_data.as_ref().map_or(Ok(()), check_custom_data)?;
        let change = |record: &mut SecretRecord, _| {
            if let Some(description) = &self.description {
                record.description.clone_from(description);
            }
            if let Some(data) = &self.custom_data {
                record.ram_credentials_mut()?.custom_data.clone_from(data);
            }
            Ok((Changed::Something, ()))
        };
        secrets.change(call, &Self::SPEC, &self.name.clone().into(), change).await
    }
}
