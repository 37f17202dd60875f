//! Last uses over a store that takes little in one transaction.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use yaoku_crypto::SystemRandom;
use yaoku_iam::operations::access_keys::{CreateAccessKey, GetAccessKeyLastUsed};
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{
    AccountId, Bootstrap, Call, Environment, Field, Iam, Name, Operation, Principal, SystemClock, Timestamp, Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Limits, Options, Store};

const HERE: Environment<'_> = Environment {
    time: 1_795_485_600_000,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};

fn account() -> AccountId {
    AccountId::parse("1234567890123456").unwrap()
}

fn user(number: usize) -> Name {
    Name::parse(Field::UserName, &format!("user{number}")).unwrap()
}

async fn open(store: &Arc<Embedded>, dir: &tempfile::TempDir) -> Arc<Iam> {
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
    let bootstrap = Bootstrap { account: Some(account()), root: None, ..Bootstrap::default() };
    Iam::open(vault, Arc::new(SystemClock), bootstrap).await.unwrap().iam
}

async fn done<O: Operation<Domain = Iam>>(iam: &Iam, operation: O) -> O::Output {
    let root = Principal::root(account());
    operation.perform(iam, &Call::of(&root, &HERE, &Trace::default())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_last_uses_than_a_transaction_takes_are_written_in_several() {
    const USERS: usize = 75;
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { operations: Limits::LEAST_OPERATIONS, ..Options::DEFAULT.limits };
    let options = Options { limits, ..Options::DEFAULT };
    let store = Arc::new(Embedded::open(&dir.path().join("store"), options).unwrap());
    let iam = open(&store, &dir).await;
    let revision = async || store.snapshot().await.unwrap().revision().0;
    let mut keys = Vec::new();
    for number in 0..USERS {
        done(&iam, CreateUser { name: user(number), details: UserDetails::default() }).await;
        for _ in 0..2 {
            let made = done(&iam, CreateAccessKey { whose: Some(user(number)) }).await.key;
            let key = iam.access_key(made.id.as_str()).unwrap();
            let used = Timestamp(HERE.time + 1000 * keys.len() as u64);
            key.prove_by_secret(made.secret.expose()).unwrap_or_else(|_| panic!("not proven")).used(used);
            keys.push((number, made.id, used));
        }
    }
    let before = revision().await;
    iam.write_last_uses().await.unwrap();
    let commits = (USERS * 2).div_ceil(Limits::LEAST_OPERATIONS) as u64;
    assert!(commits > 1 && revision().await == before + commits);
    // What is written is not written again.
    iam.write_last_uses().await.unwrap();
    assert_eq!(revision().await, before + commits);

    let later = open(&store, &dir).await;
    for (number, id, used) in keys {
        let about = done(&later, GetAccessKeyLastUsed { whose: Some(user(number)), id }).await;
        assert_eq!(about, Some(used));
    }
}
