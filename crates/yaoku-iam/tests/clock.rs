//! A clock that jumps ahead for a while, and what identities lose by it: nothing.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::operations::bearers::{BeginLogin, RenewBearer, RevokeBearer};
use yaoku_iam::operations::tokens::{CreateToken, CreatedToken};
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{
    AccountId, Bootstrap, BoundNetworks, Call, Caller, Clock, Environment, Error, Field, Iam, ManualClock, Name,
    NewAccessKey, Operation, Principal, Timestamp, Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options};

const NOW: Timestamp = Timestamp(1_795_485_600_000);
const HERE: Environment<'_> = Environment {
    time: NOW.0,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};
const DAY: u64 = 86_400;
const ROOT: &str = "root-key";
const ROOT_SECRET: &[u8] = b"the-secret-of-the-root-AccessKey";

struct World {
    iam: Arc<Iam>,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

fn account() -> AccountId {
    AccountId::parse("1234567890123456").unwrap()
}

fn user() -> Name {
    Name::parse(Field::UserName, "app").unwrap()
}

fn text(token: &Secret) -> &str {
    std::str::from_utf8(token.expose()).unwrap()
}

impl World {
    /// Where the clock must have been steady for some seconds of the real time.
    async fn patient(seconds: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
        let clock = Arc::new(ManualClock::new(NOW));
        let bootstrap = Bootstrap {
            account: Some(account()),
            root: Some(NewAccessKey::chosen(ROOT, Secret::new(ROOT_SECRET.to_vec())).unwrap()),
            deletion_patience: Duration::from_secs(seconds),
        };
        let iam = Iam::open(vault, clock.clone(), bootstrap).await.unwrap().iam;
        Self { iam, clock, _dir: dir }
    }

    async fn done<O: Operation<Domain = Iam>>(&self, operation: O) -> Result<O::Output, Error> {
        let root = Principal::root(account());
        operation.perform(&self.iam, &Call::of(&root, &HERE, &Trace::default())).await
    }

    async fn token(&self, seconds: u64) -> CreatedToken {
        let networks = BoundNetworks::default();
        self.done(CreateToken { user: user(), ttl: Some(seconds), networks }).await.unwrap()
    }

    async fn proves(&self, token: &Secret) -> bool {
        self.iam.bearer(text(token), None).await.is_ok()
    }

    fn root(&self) -> Caller {
        let key = self.iam.access_key(ROOT).unwrap();
        key.prove_by_secret(ROOT_SECRET).unwrap_or_else(|_| panic!("not proven"))
    }

    async fn login(&self) -> Secret {
        self.done(BeginLogin { caller: self.root() }).await.unwrap().token
    }

    /// Does something with a login in its holder's name.
    async fn with<O: Operation<Domain = Iam>>(&self, login: &Secret, operation: O) -> O::Output {
        let caller = self.iam.bearer(text(login), None).await.unwrap();
        let trace = Trace::default();
        let call = Call { credential: caller.credential(), ..Call::of(caller.principal(), &HERE, &trace) };
        operation.perform(&self.iam, &call).await.unwrap_or_else(|_| panic!("refused"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_deletes_no_token_that_is_valid() {
    let world = World::patient(3600).await;
    world.done(CreateUser { name: user(), details: UserDetails::default() }).await.unwrap();
    let valid = world.token(DAY).await.token;
    world.clock.advance_seconds(8 * DAY);
    assert!(!world.proves(&valid.token).await);
    // More than fit beside those that seem to have expired are refused before any goes.
    for _ in 0..100 {
        assert!(world.token(60).await.deleted.is_empty());
    }
    world.clock.advance_seconds(60);
    for _ in 0..99 {
        assert!(world.token(60).await.deleted.is_empty());
    }
    let networks = BoundNetworks::default();
    let refused = world.done(CreateToken { user: user(), ttl: None, networks }).await;
    assert!(matches!(refused, Err(Error::LimitExceeded { .. })));
    world.clock.set(NOW);
    assert!(world.proves(&valid.token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_expired_by_a_steady_clock_are_deleted_and_named() {
    let world = World::patient(0).await;
    world.done(CreateUser { name: user(), details: UserDetails::default() }).await.unwrap();
    let (expired, valid) = (world.token(DAY).await.token, world.token(3 * DAY).await.token);
    world.clock.advance_seconds(2 * DAY);
    assert_eq!(world.token(DAY).await.deleted, [expired.id]);
    world.clock.set(NOW);
    assert!(!world.proves(&expired.token).await && world.proves(&valid.token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ends_no_login() {
    let world = World::patient(3600).await;
    let first = world.login().await;
    world.clock.advance_seconds(1);
    let revoked = world.login().await;
    world.with(&revoked, RevokeBearer { token: None }).await;
    world.clock.advance_seconds(3000);
    world.with(&first, RenewBearer { token: None, seconds: None }).await;
    let renewed = world.clock.now();
    world.clock.advance_seconds(8 * DAY);
    let other = world.login().await;
    world.with(&other, RenewBearer { token: None, seconds: None }).await;
    world.clock.set(renewed.plus_seconds(1000));
    assert!(world.proves(&first).await, "it was renewed beyond its first hour, and others were revoked after it began");
    assert!(!world.proves(&revoked).await);
}
