//! The APIs that are served at the one endpoint, and their actions: one entry each, in a module of the same name as the
//! domain's family.
//!
//! An entry holds what is the protocol's own: parameters ([`parameters`]), and how they become a domain operation and its
//! result a reply. Permission, resources and key states are the operation's, and are not said again here.
//!
//! To add an API, add a folder with an [`Api`] in its `mod.rs`, its families beside it and its domain's errors in its
//! `failure.rs`; name it in [`APIS`], its error codes in the table of [`crate::wire::error`], and how errors of a domain of its own
//! are spelled in [`spell`].

pub(crate) mod accounts;
mod actiontrail;
mod arguments;
pub(crate) mod credentials;
mod elements;
mod kms;
mod names;
mod parameters;
pub(crate) mod ram;
mod sts;

use std::future::Future;
use std::pin::Pin;

use parking_lot::Mutex;
use serde::Serialize;
use yaoku_gate::{Failure, Gate, Performing, Serves};
use yaoku_iam::{Access, Domain, Operation, OperationSpec};
use zeroize::Zeroizing;

pub(crate) use arguments::Arguments;
pub use kms::{fuzzing, state_name};
use parameters::parameters;
pub use parameters::{Exposure, Param};

use crate::wire::response;
use crate::wire::{Format, RequestId, WireError};

/// An API: what clients call a product and a version of it.
pub struct Api {
    /// The version by which requests name it.
    pub version: &'static str,
    /// Its name in audit records.
    pub service: &'static str,
    /// Those called most stand first: they are looked for in this order.
    families: &'static [&'static [Action]],
    /// Actions that its SDKs know and this version does not do, in order: they answer `UnsupportedOperation`.
    pub unsupported: &'static [&'static str],
    /// The form of its answers, unless a request asks for one.
    pub(crate) format: Format,
    /// What the name of the root element of an answer in XML is.
    pub(crate) xml_root: XmlRoot,
    /// Parameters that name what a call is about, with the kind of thing; those that come first count.
    pub(crate) resources: &'static [(&'static str, &'static str)],
    /// The action that leaves no audit record, if its caller is proven.
    pub(crate) unrecorded: Option<&'static str>,
    /// Whether a parameter that an action does not have is refused: it may have been meant to restrict something. The cloud's own APIs
    /// pass it over, and their clients rely on that.
    pub(crate) refuses_unknown: bool,
}

/// All of them.
pub const APIS: &[&Api] = &[&kms::API, &ram::API, &sts::API, &actiontrail::API, &credentials::API];

impl Api {
    /// The API of that version.
    pub fn of_version(version: &str) -> Option<&'static Self> {
        APIS.iter().copied().find(|api| api.version == version)
    }

    /// Every action that is done here.
    pub fn actions(&self) -> impl Iterator<Item = &'static Action> + use<> {
        self.families.iter().copied().flatten()
    }

    /// The action of that name.
    pub fn action(&self, name: &str) -> Option<&'static Action> {
        self.actions().find(|action| action.name == name)
    }
}

/// The name of the root element of an answer in XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XmlRoot {
    /// The same for all actions.
    Fixed(&'static str),
    /// The action's name and `Response`.
    OfAction,
}

/// An action of the protocol.
pub struct Action {
    /// Its name on the wire, which no other action of its API has.
    pub name: &'static str,
    /// The domain operation that it becomes.
    pub spec: &'static OperationSpec,
    /// Its own parameters.
    pub params: &'static [Param],
    run: Run,
}

/// The body of a reply, wiped when it was sent.
pub(crate) type Reply = Zeroizing<Vec<u8>>;

/// Runs an action: parameters in, the body of the reply out.
type Run = for<'a> fn(&'a Exchange<'a>) -> Pin<Box<dyn Future<Output = Result<Reply, WireError>> + Send + 'a>>;

/// Every action of every API that is done here.
pub fn all() -> impl Iterator<Item = &'static Action> {
    named().map(|(_, action)| action)
}

/// Every action that is done here with its API's name in audit records, in the order of [`all`].
pub fn named() -> impl Iterator<Item = (&'static str, &'static Action)> {
    APIS.iter().flat_map(|api| api.actions().map(|action| (api.service, action)))
}

/// Position of an action in [`all`], for tables that have an entry for each.
pub fn index(action: &Action) -> Option<usize> {
    all().position(|other| std::ptr::eq(other, action))
}

/// One request whose caller is proven, on its way through an action.
pub(crate) struct Exchange<'a> {
    pub(crate) performing: &'a Performing<'a>,
    pub(crate) arguments: &'a Arguments<'a>,
    pub(crate) format: Format,
    pub(crate) request_id: RequestId,
    /// What the action leaves of its answer for its audit record.
    pub(crate) elements: &'a Mutex<Option<serde_json::Value>>,
    pub(crate) dry_run: bool,
    pub(crate) api: &'static Api,
    pub(crate) action: &'static Action,
}

/// Domain errors in the words of an API.
pub(crate) fn spell(api: &Api, failure: Failure, request_id: RequestId, arguments: &Arguments<'_>) -> WireError {
    match failure {
        Failure::Keys(error) => kms::failure::of(error, request_id, arguments),
        Failure::Disks(error) => credentials::disk_failure::of(error, request_id, arguments),
        Failure::Objects(error) => credentials::object_failure::of(error, request_id, arguments),
        Failure::Secrets(error) => kms::secret_failure::of(error, request_id, arguments),
        Failure::Identities(error) if api.version == accounts::API.version => accounts::of(error, request_id),
        Failure::Identities(error) => ram::failure::of(error, request_id),
        Failure::AuditLog(error) => actiontrail::failure(error, request_id),
    }
}

impl Exchange<'_> {
    /// Does an operation of any domain, and says its errors in the words of the API.
    async fn perform<O: Operation>(&self, operation: O) -> Result<O::Output, WireError>
    where
        Gate: Serves<O::Domain>,
        O::Domain: Domain,
    {
        let result = self.performing.perform(operation, self.dry_run).await;
        result.map_err(|error| {
            let failure = <Gate as Serves<O::Domain>>::failure(error);
            spell(self.api, failure, self.request_id, self.arguments)
        })
    }
}

impl Exchange<'_> {
    /// Checks presence of parameters, then runs the action.
    pub(crate) async fn run(mut self) -> Result<Reply, WireError> {
        let params = self.action.params;
        if params.iter().any(|param| param.name == DRY_RUN) {
            self.dry_run = self.arguments.declared(DRY_RUN).boolean()?.unwrap_or(false);
        }
        let missing = params.iter().find(|param| param.required && !self.arguments.has(param.name));
        let unknown = if self.api.refuses_unknown { self.arguments.unknown(params) } else { None };
        let result = match (missing, unknown) {
            (None, None) => (self.action.run)(&self).await,
            (Some(param), _) => Err(WireError::missing_parameter(param.name)),
            (None, Some(name)) => Err(WireError::invalid_parameter(name, "the action has no such parameter")),
        };
        if self.dry_run { result.map_err(kms::of_dry_run) } else { result }
    }

    /// The reply of this content.
    fn reply<T: Serialize>(&self, content: &T) -> Result<Reply, WireError> {
        let root = match self.api.xml_root {
            XmlRoot::Fixed(root) => root,
            XmlRoot::OfAction => &format!("{}Response", self.action.name),
        };
        let failed = |error: response::SerializeError| {
            tracing::error!(request_id = %self.request_id, %error, "internal failure");
            WireError::internal()
        };
        if self.action.spec.access == Access::Write {
            *self.elements.lock() = elements::of(content).map_err(|error| failed(error.into()))?;
        }
        response::success(self.format, root, self.request_id, content).map_err(failed)
    }

    /// The reply that says no more than that it was done.
    fn done(&self) -> Result<Reply, WireError> {
        #[derive(Serialize)]
        struct Nothing {}
        self.reply(&Nothing {})
    }
}

const DRY_RUN: &str = "DryRun";

/// Makes of an action's function, named with the struct of its parameters if it has any, one that [`Action`] can hold.
macro_rules! run {
    ($function:ident()) => {
        |exchange| Box::pin($function(exchange))
    };
    ($function:ident($Parameters:ident)) => {
        |exchange| match $Parameters::read(exchange.arguments) {
            Ok(given) => Box::pin($function(exchange, given)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    };
}
use run;

/// The table of an action's parameters, by the same words as [`run!`].
macro_rules! params {
    ($function:ident()) => {
        &[]
    };
    ($function:ident($Parameters:ident)) => {
        $Parameters::PARAMS
    };
}
use params;

/// Declares an action that becomes an operation on identities.
macro_rules! identity_action {
    ($name:literal, $operation:ty, $function:ident($($Parameters:ident)?)) => {
        crate::actions::Action {
            name: $name,
            spec: &<$operation as yaoku_iam::Operation>::SPEC,
            params: crate::actions::params!($function($($Parameters)?)),
            run: crate::actions::run!($function($($Parameters)?)),
        }
    };
}
use identity_action;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_of_the_domains_is_an_action_and_every_action_one_operation() {
        let by_itself = ["RotateKey", "ExpireKeyMaterial", "DeleteKey", "DeleteDueSecret", "RotateDueSecret"];
        // By the Tang protocol.
        let of_disks = ["AdvertiseDisk", "UnlockDisk"];
        let by_kmip = [
            "CreateManagedObject",
            "CreateManagedKeyPair",
            "GetManagedObject",
            "UpdateManagedObject",
            "ActivateManagedObject",
            "RevokeManagedObject",
        ];
        let of_keys = yaoku_kms::operations::REGISTRY.iter().chain(yaoku_secrets::operations::REGISTRY);
        let of_keys = of_keys.chain(yaoku_disks::operations::REGISTRY).chain(yaoku_objects::operations::REGISTRY);
        let others = [&by_itself[..], &of_disks, &by_kmip].concat();
        let keys = of_keys.filter(|spec| !others.contains(&spec.name));
        let identities = yaoku_iam::operations::REGISTRY.iter();
        let named = |spec: &OperationSpec| (spec.service, spec.name);
        let trail = [named(&<yaoku_gate::LookupEvents as Operation>::SPEC)];
        let operations: BTreeSet<_> = keys.chain(identities).map(named).chain(trail).collect();
        let actions: Vec<_> = all().chain(accounts::API.actions()).map(|action| named(action.spec)).collect();
        assert_eq!(operations, actions.iter().copied().collect());
        assert_eq!(actions.len(), operations.len());
    }

    #[test]
    fn metrics_can_tell_the_actions_of_all_apis_apart() {
        let names: BTreeSet<_> = named().map(|(service, action)| (service, action.name)).collect();
        assert_eq!(all().count(), names.len());
    }

    #[test]
    fn what_operators_do_is_not_served() {
        let served: BTreeSet<_> = all().map(|action| action.name).collect();
        assert!(accounts::API.actions().all(|action| !served.contains(action.name)));
        assert!(Api::of_version(accounts::API.version).is_none());
    }

    #[test]
    fn no_action_is_both_done_and_unsupported() {
        for api in APIS {
            assert!(api.unsupported.iter().all(|name| api.action(name).is_none()), "{}", api.service);
            assert!(api.unsupported.is_sorted(), "{}", api.service);
        }
    }

    /// Whatever they are parameters of.
    const SECRETS: [&str; 23] = [
        "CiphertextBlob",
        "DestinationEncryptionContext",
        "Digest",
        "Email",
        "EncryptedKeyMaterial",
        "EncryptionContext",
        "ExternalId",
        "ImportToken",
        "Mac",
        "Message",
        "MobilePhone",
        "NewEmail",
        "NewMobilePhone",
        "Plaintext",
        "PublicKeyBlob",
        "Recipient",
        "SecretData",
        "SecretString",
        "Password",
        "PrivateKey",
        // A signature, which is for its own account and user alone.
        "Proof",
        "SourceEncryptionContext",
        "Value",
    ];

    #[test]
    fn a_name_is_shown_everywhere_or_nowhere_and_secrets_nowhere() {
        let mut known: std::collections::BTreeMap<_, (Exposure, _)> = std::collections::BTreeMap::new();
        for action in all().chain(accounts::API.actions()) {
            for param in action.params {
                let (exposure, first) = *known.entry(param.name).or_insert((param.exposure, action.name));
                assert_eq!(exposure, param.exposure, "{} in {first} and {}", param.name, action.name);
                let hidden = param.exposure == Exposure::Hidden;
                assert!(hidden == SECRETS.contains(&param.name), "{} in {}", param.name, action.name);
            }
        }
    }

    #[test]
    fn no_action_has_two_parameters_of_one_name() {
        for action in all().chain(accounts::API.actions()) {
            let names: BTreeSet<_> = action.params.iter().map(|param| param.name).collect();
            assert_eq!(names.len(), action.params.len(), "{}", action.name);
        }
    }

    /// Who asks for a parameter by its name goes round the declarations.
    #[test]
    fn parameters_are_read_by_declarations_alone() {
        fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/actions");
        let asking = concat!(".decl", "ared(");
        let asks = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap().contains(asking);
        let mut asking: Vec<_> = sources(&folder).into_iter().filter(asks).collect();
        asking.sort();
        // The macro; and `DryRun`, which an action's declaration must have for it to be read.
        assert_eq!(asking, [folder.join("mod.rs"), folder.join("parameters.rs")]);
    }
}
