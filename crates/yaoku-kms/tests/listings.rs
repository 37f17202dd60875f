//! Listings show a caller what it may see, and tell nothing of the rest.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use yaoku_crypto::SystemRandom;
use yaoku_iam::operations::access_keys::CreateAccessKey;
use yaoku_iam::operations::attachments::{AttachPolicy, ToUser};
use yaoku_iam::operations::policies::CreatePolicy;
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{
    AccountId, Bootstrap, Caller, Environment, Field, Iam, Name, OperatingSystemUser, PolicyName, Principal,
};
use yaoku_kms::operations::Page;
use yaoku_kms::operations::aliases::ListAliases;
use yaoku_kms::operations::keys::{CreateKey, ListKeys};
use yaoku_kms::operations::tags::ListTagResources;
use yaoku_kms::{
    Call, Error, KeyFilters, KeySpec, Kms, KmsConfig, ManualClock, Operation, Origin, ProtectionLevel, Tag, Timestamp,
    Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options};

const ACCOUNT: &str = "1000000000000001";
/// More than are looked at for one page.
const HIDDEN: usize = 5200;

struct World {
    kms: Arc<Kms>,
    iam: Arc<Iam>,
    _dir: tempfile::TempDir,
}

fn name(text: &str) -> Name {
    Name::parse(Field::UserName, text).unwrap()
}

fn environment() -> Environment<'static> {
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Environment { time: 1_795_485_600_000, source, secure_transport: true, user_agent: None, encryption_context: None }
}

async fn call<O: Operation<Domain = Kms>>(
    world: &World,
    principal: &Principal,
    operation: O,
) -> Result<O::Output, Error> {
    let (environment, trace) = (environment(), Trace::default());
    operation.perform(&world.kms, &Call::of(principal, &environment, &trace)).await
}

impl World {
    async fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
        let account = Some(AccountId::parse(ACCOUNT).unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let iam = Iam::open(vault.clone(), clock.clone(), Bootstrap { account, root: None, ..Bootstrap::default() })
            .await
            .unwrap()
            .iam;
        let kms = Kms::open(vault, iam.clone(), clock, KmsConfig::default(), None, None).await.unwrap();
        Arc::new(Self { kms, iam, _dir: dir })
    }

    fn root(&self) -> Caller {
        let user = OperatingSystemUser::at_other_end(UnixStream::pair().unwrap().0).unwrap();
        self.iam.operator(AccountId::parse(ACCOUNT).unwrap(), user).unwrap()
    }

    /// A user with a policy of these statements.
    async fn user(&self, user: &str, statements: &str) -> Caller {
        let root = self.root();
        let environment = environment();
        macro_rules! does {
            ($operation:expr) => {{
                let trace = Trace::default();
                let call = Call::of(root.principal(), &environment, &trace);
                $operation.perform(&self.iam, &call).await.unwrap()
            }};
        }
        does!(CreateUser { name: name(user), details: UserDetails::default() });
        if !statements.is_empty() {
            let document = format!(r#"{{"Version":"1","Statement":[{statements}]}}"#);
            let (description, tags) = (String::new(), Vec::new());
            does!(CreatePolicy { name: name(user), description, document, tags });
            does!(AttachPolicy::<ToUser>::new(name(user), PolicyName::Custom(name(user))));
        }
        let created = does!(CreateAccessKey { whose: Some(name(user)) });
        self.iam.access_key(created.key.id.as_str()).unwrap().prove_by_secret(created.key.secret.expose()).unwrap()
    }

    async fn keys(self: &Arc<Self>, count: usize, tag: (&'static str, &'static str)) {
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let world = self.clone();
                tokio::spawn(async move {
                    let root = Principal::root(AccountId::parse(ACCOUNT).unwrap());
                    for _ in (task..count).step_by(64) {
                        let create = CreateKey {
                            spec: KeySpec::Aes256,
                            usage: None,
                            origin: Origin::Generated,
                            protection: ProtectionLevel::Software,
                            description: String::new(),
                            rotation: None,
                            tags: vec![Tag::new(tag.0, tag.1).unwrap()],
                            policy: None,
                        };
                        call(&world, &root, create).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}

fn tagged(key: &str, after: Option<Vec<u8>>) -> ListTagResources {
    ListTagResources { keys: Vec::new(), tags: vec![(key.to_owned(), None)], after }
}

const MAY_LIST: &str = r#"{"Effect":"Allow","Action":"kms:ListTagResources","Resource":"*"}"#;

#[tokio::test]
async fn who_has_no_permission_learns_nothing_whatever_it_asks_for() {
    let world = World::new().await;
    world.keys(1, ("team", "shop")).await;
    let one_key_only = r#"{"Effect":"Allow","Action":"kms:*","Resource":"acs:kms:*:*:key/no-such-key"}"#;
    for (user, statements) in [("nobody", ""), ("other", one_key_only)] {
        let caller = world.user(user, statements).await;
        let principal = caller.principal();
        for (key, after) in [("team", None), ("nothing", None), ("team", Some(b"not given out here".to_vec()))] {
            let refused = call(&world, principal, tagged(key, after)).await;
            assert!(matches!(refused, Err(Error::Denied(_))), "{user} {key}");
        }
        let page = Page { number: 1, size: 10 };
        let keys = call(&world, principal, ListKeys { filters: KeyFilters::default(), page }).await;
        assert!(matches!(keys, Err(Error::Denied(_))), "{user}");
        assert!(matches!(call(&world, principal, ListAliases { page }).await, Err(Error::Denied(_))), "{user}");
    }
}

/// How many pages there are, and how many tags on each.
async fn pages(world: &World, caller: &Caller, key: &str) -> Vec<usize> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = call(world, caller.principal(), tagged(key, after)).await.unwrap();
        pages.push(page.tags.len());
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_tell_nothing_of_keys_that_are_denied_to_the_caller() {
    let world = World::new().await;
    world.keys(HIDDEN, ("project", "secret")).await;
    world.keys(3, ("team", "shop")).await;
    let deny =
        r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:tag/project":"secret"}}}"#;
    let caller = world.user("caller", &format!("{MAY_LIST},{deny}")).await;
    let root = world.root();
    assert_eq!(pages(&world, &root, "project").await.iter().sum::<usize>(), HIDDEN);
    let there = pages(&world, &caller, "project").await;
    assert!(there.iter().all(|tags| *tags == 0), "{there:?}");
    assert_eq!(there, pages(&world, &caller, "nothing").await, "a tag of hidden keys, and one that no key has");
    assert_eq!(pages(&world, &caller, "team").await.iter().sum::<usize>(), 3, "what it may see is found");

    // One caller's listings wait for each other, and few may wait; another's don't.
    let other = world.user("second", MAY_LIST).await;
    let mine: Vec<_> = (0..200)
        .map(|_| {
            let (world, caller) = (world.clone(), caller.clone());
            tokio::spawn(async move { call(&world, caller.principal(), tagged("project", None)).await.map(drop) })
        })
        .collect();
    assert_eq!(pages(&world, &other, "team").await.iter().sum::<usize>(), 3);
    let mut throttled = 0;
    for task in mine {
        match task.await.unwrap() {
            Ok(()) => {}
            Err(Error::Throttled) => throttled += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(throttled > 0, "200 at once were let in");
}
