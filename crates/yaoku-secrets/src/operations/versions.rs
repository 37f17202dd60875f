//! Versions of secrets, and the stages on them.

use yaoku_iam::{Call, Operation, OperationSpec};
use yaoku_kms::operations::{Listing, Page};
use yaoku_kms::proceed;

use crate::change::Changed;
use crate::record::SecretRecord;
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::{Error, SecretName, SecretRef, Secrets, Stage, VersionAbout, VersionId};

/// Lists the versions of a secret, oldest first.
pub struct ListSecretVersionIds {
    /// The secret.
    pub secret: SecretRef,
    /// Whether versions without a stage are wanted too.
    pub include_deprecated: bool,
    /// Which page.
    pub page: Page,
}

impl Operation for ListSecretVersionIds {
    type Domain = Secrets;
    type Output = (SecretName, Listing<VersionAbout>);
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListSecretVersionIds", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        let secret = secrets.admit(call, &Self::SPEC, &self.secret)?;
        proceed(call)?;
        let versions = &secret.record.versions;
        let wanted = versions.iter().filter(|version| self.include_deprecated || !version.stages.is_empty());
        let skip = usize::try_from(self.page.skip()).unwrap_or(usize::MAX);
        let total = wanted.clone().count() as u64;
        let items = wanted.skip(skip).take(self.page.size as usize).map(VersionAbout::from).collect();
        Ok((secret.name.clone(), Listing { items, total }))
    }
}

/// Moves a stage to a version, or takes a custom one away.
pub struct UpdateSecretVersionStage {
    /// The secret, of the caller's account.
    pub secret: SecretRef,
    /// The stage.
    pub stage: Stage,
    /// The version that it is to stand on.
    pub to: Option<VersionId>,
    /// The version that it stands on now.
    pub from: Option<VersionId>,
}

impl Operation for UpdateSecretVersionStage {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "UpdateSecretVersionStage", &[SECRET], secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        let change = |record: &mut SecretRecord, _| {
            record.check_generic()?;
            let moved = record.move_stage(&self.stage, self.to.as_ref(), self.from.as_ref())?;
            Ok((if moved { Changed::Something } else { Changed::Nothing }, ()))
        };
        secrets.change(call, &Self::SPEC, &self.secret, change).await
    }
}
