//! A gate over a store, and an operator to set things up.

#![allow(dead_code, reason = "each test uses its part")]

use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use serde_json::Value;
use yaoku_disks::{Disks, DisksConfig};
use yaoku_gate::{
    Arrival, Domains, Gate, GateConfig, Metrics, Refusal, RequestId, Serves, Spelling, Telling, ToldAction,
};
use yaoku_iam::{AccountId, Bootstrap, Clock, Field, Iam, Name, Named, OperatingSystemUser, Operation, PolicyName};
use yaoku_kms::{Kms, KmsConfig};
use yaoku_objects::{Objects, ObjectsConfig};
use yaoku_seal::Vault;
use yaoku_secrets::{Secrets, SecretsConfig};

const ACCOUNT: &str = "1234567890123456";

#[derive(Debug)]
struct Spelled;

impl Spelling for Spelled {
    fn of(_: Refusal) -> Self {
        Self
    }

    fn code(&self) -> (&'static str, usize) {
        ("", 0)
    }

    fn message(&self) -> &str {
        ""
    }

    fn is_ours(&self) -> bool {
        false
    }
}

struct Told;

impl Telling for Told {
    fn service(&self) -> &str {
        ""
    }

    fn api_version(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        ""
    }

    fn action(&self) -> Option<ToldAction> {
        None
    }

    fn claimed_access_key(&self) -> &str {
        ""
    }

    fn parameters(&self, _: &mut dyn FnMut(&str, &str)) {}

    fn resources(&self, _: &[Named]) -> Vec<(&'static str, std::borrow::Cow<'_, str>)> {
        Vec::new()
    }

    fn elements(&self) -> Option<Value> {
        None
    }
}

pub(crate) fn account() -> AccountId {
    AccountId::parse(ACCOUNT).unwrap()
}

pub(crate) fn user() -> Name {
    Name::parse(Field::UserName, "user").unwrap()
}

pub(crate) fn policy() -> PolicyName {
    PolicyName::System(Name::parse(Field::PolicyName, "AliyunKMSFullAccess").unwrap())
}

/// A gate, with nothing of keys in its memory.
pub(crate) async fn gate(vault: &Arc<Vault>, clock: Arc<dyn Clock>) -> Arc<Gate> {
    let bootstrap = Bootstrap { account: Some(account()), root: None, ..Bootstrap::default() };
    let iam = Iam::open(vault.clone(), clock.clone(), bootstrap).await.unwrap().iam;
    let kms = Kms::open(vault.clone(), iam.clone(), clock.clone(), KmsConfig::default(), None, None).await.unwrap();
    let config = SecretsConfig::default();
    let secrets = Secrets::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), config).await.unwrap();
    let config = DisksConfig::default();
    let disks = Disks::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), config).await.unwrap();
    let config = ObjectsConfig::default();
    let objects = Objects::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), config).await.unwrap();
    let domains = Domains { iam, kms, secrets, disks, objects };
    let config = GateConfig { region: "cn-hangzhou".into(), unauthenticated_per_minute: 60 };
    let metrics = Arc::new(Metrics::new(&[yaoku_kmip::counted()], |_| {}));
    Arc::new(Gate::open(vault.clone(), domains, clock, metrics, None, config).await.unwrap())
}

/// An operation of the root, through the gate.
pub(crate) async fn as_root<O: Operation>(gate: &Gate, operation: O) -> O::Output
where
    Gate: Serves<O::Domain>,
{
    let arrived = gate.arrive(Arrival {
        protocol: "test",
        request_id: RequestId::random(),
        peer: None,
        source: Ipv4Addr::LOCALHOST.into(),
        secure_transport: true,
        host: "",
        user_agent: None,
        abandoned: None,
    });
    let Ok(admitted) = arrived.admit(true) else { panic!("there is no log") };
    let operator = OperatingSystemUser::at_other_end(UnixStream::pair().unwrap().0).unwrap();
    let root = gate.operator(account(), operator).unwrap();
    let Ok(call) = admitted.authenticated(root) else { panic!("there are few calls") };
    let environment = call.environment();
    let done = call.perform(&Told, &environment).perform(operation, false).await;
    let done = done.map_err(|_| Spelled);
    call.finish(&Told, done, |_| Spelled).await.open().unwrap()
}
