//! Making, finding and describing secrets.

use std::collections::BTreeMap;

use yaoku_iam::{Call, Operation, OperationSpec, Tags};
use yaoku_kms::operations::{Listing, Page};
use yaoku_kms::{AliasName, KeyRef, Tag, proceed};
use yaoku_seal::Changes;

use super::policies::SecretPolicy;
use crate::admission::of_denial;
use crate::change::{ATTEMPTS, Changed};
use crate::held::HeldSecret;
use crate::record::{SecretRecord, VersionEntry, secret_name, value_name};
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::sealing::Place;
use crate::{
    Error, Field, SecretAbout, SecretFilters, SecretId, SecretKind, SecretName, SecretRef, Secrets, Value,
    VersionAbout, VersionId,
};

/// The most characters that a description can have.
pub const MAX_DESCRIPTION: usize = 1024;
/// The alias of the CMK that values are encrypted under whose owner chose none.
pub const SERVICE_ALIAS: &str = "alias/acs/secrets";
/// Secrets that a listing looks at before it lets others go on.
const AT_ONCE: usize = 1024;

/// Makes a secret with a first version.
pub struct CreateSecret {
    /// Its name.
    pub name: SecretName,
    /// The id of its first version.
    pub version: VersionId,
    /// The value of that one.
    pub value: Value,
    /// At most [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// The CMK to seal its values under; none for the service's own.
    pub key: Option<KeyRef>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Its policy; none for the default.
    pub policy: Option<SecretPolicy>,
}

impl Operation for CreateSecret {
    type Domain = Secrets;
    type Output = (SecretAbout, VersionAbout);
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateSecret", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        secrets.allow_all(call, &Self::SPEC)?;
        if self.name.is_reserved() {
            return Err(Error::invalid(Field::Name, "it must not begin with acs/"));
        }
        check_description(&self.description)?;
        self.value.check()?;
        let mut tags = Tags::default();
        tags.put(self.tags.iter().map(Tag::parts))?;
        let account = call.principal.account();
        call.touch(SECRET, yaoku_iam::Which::Name(self.name.as_str().into()));
        secrets.check_new(account, &self.name)?;
        proceed(call)?;
        let (key, is_service_key) = match &self.key {
            Some(key) => (secrets.kms.own_key(call, key)?, false),
            None => (secrets.service_key(call, &Self::SPEC).await?, true),
        };
        let now = secrets.clock.now();
        let id = SecretId::generate(secrets.vault.random())?;
        let first = VersionEntry {
            number: 1,
            id: self.version,
            created: now,
            kind: self.value.kind,
            stages: Vec::new(),
            deleted: None,
            destroyed: false,
        };
        let mut record = SecretRecord {
            id,
            kind: SecretKind::Generic,
            description: self.description,
            created: now,
            updated: now,
            key,
            is_service_key,
            deletion: None,
            tags,
            versions: Vec::new(),
            last: 0,
            max_versions: None,
            expects_last: false,
            delete_versions_after: None,
            custom_metadata: BTreeMap::new(),
            policy: self.policy.map(Into::into),
        };
        record.add_version(first, None)?;
        let name = secret_name(account, &self.name);
        let place = Place { account, name: &self.name, id, number: 1 };
        let mut sealed = None;
        for _ in 0..ATTEMPTS {
            // It may have waited for its turn: what was taken from the caller meanwhile counts.
            call.rest_on_authority();
            secrets.allow_all(call, &Self::SPEC)?;
            let sealing = secrets.admit_key(call, &self.name, key, is_service_key).await?;
            let value = match sealed.take() {
                Some(value) => value,
                None => secrets.seal(call, &sealing, place, &self.value.bytes).await?,
            };
            secrets.check_new(account, &self.name)?;
            let changes = Changes {
                expected: vec![(name.clone(), None), sealing.unchanged()],
                puts: vec![
                    (name.clone(), record.encode()?),
                    (value_name(account, id, 1), yaoku_crypto::Secret::new(value.clone())),
                ],
                deletes: Vec::new(),
            };
            if secrets.commit(call, changes).await? {
                let made = HeldSecret::new(account, self.name, record, yaoku_seal::Revision::default())?;
                let version = made.record.versions.first().ok_or(Error::VersionNotFound)?.into();
                return Ok((made.about(), version));
            }
            sealed = Some(value);
            secrets.catch_up_with(account, &self.name).await?;
        }
        Err(Error::contended())
    }
}

impl Secrets {
    /// Whether an account can have a further secret of that name.
    fn check_new(&self, account: yaoku_iam::AccountId, name: &SecretName) -> Result<(), Error> {
        match self.held(account, name) {
            Some(held) if held.is_pending_deletion() => return Err(Error::InDeleteWindow),
            Some(_) => return Err(Error::SecretExists),
            None => {}
        }
        let limit = self.config.max_secrets;
        if self.catalogue.read().count(account) >= limit {
            return Err(Error::LimitExceeded(format!("the account has reached its limit of {limit} secrets")));
        }
        Ok(())
    }

    /// The service's own CMK in the caller's account, made where there is none yet.
    async fn service_key(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<yaoku_kms::KeyId, Error> {
        let alias = AliasName::parse_any(SERVICE_ALIAS).ok_or(Error::Record("an alias"))?;
        let allow = || self.allow_all(call, spec).map_err(of_denial);
        Ok(self.kms.service_key(call, &alias, "Default key of secrets", allow).await?)
    }

    /// Waits until what the store has of a secret is known here: where another commit came first, it may have been that.
    async fn catch_up_with(&self, account: yaoku_iam::AccountId, name: &SecretName) -> Result<(), Error> {
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
        Ok(secret.about())
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
                            listing.items.push(secret.about());
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

/// Replaces a secret's description.
pub struct UpdateSecret {
    /// The secret.
    pub name: SecretName,
    /// At most [`MAX_DESCRIPTION`] characters.
    pub description: String,
}

impl Operation for UpdateSecret {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UpdateSecret", &[SECRET], secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        check_description(&self.description)?;
        let change = |record: &mut SecretRecord, _| {
            record.description.clone_from(&self.description);
            Ok((Changed::Something, ()))
        };
        secrets.change(call, &Self::SPEC, &self.name.clone().into(), change).await
    }
}
