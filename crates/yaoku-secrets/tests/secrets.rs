//! Secrets as several processes over one store hold them, by a clock that is moved.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::sync::Arc;

use futures_util::future::join_all;
use support::{DAY, HERE, World, create, name, put, staged, value};
use yaoku_iam::{AccountId, Principal};
use yaoku_kms::operations::Page;
use yaoku_kms::operations::keys::{DisableKey, EnableKey, ScheduleKeyDeletion};
use yaoku_kms::operations::policies::{KeyPolicy, SetKeyPolicy};
use yaoku_kms::{AliasName, Call, Clock, KeyRef, KeyState, Operation, Trace};
use yaoku_seal::backup;
use yaoku_seal::seal::FileSeal;
use yaoku_secrets::operations::deletion::{DeleteSecret, RestoreSecret, When};
use yaoku_secrets::operations::numbered::{KeepVersions, Keeping};
use yaoku_secrets::operations::policies::{SecretPolicy, SetSecretPolicy};
use yaoku_secrets::operations::secrets::{CreateSecret, DescribeSecret, ListSecrets, NewContent, SERVICE_ALIAS};
use yaoku_secrets::operations::values::{GetSecretValue, PutSecretValue, VersionRef};
use yaoku_secrets::operations::versions::UpdateSecretVersionStage;
use yaoku_secrets::{Error, SecretFilters, SecretRef, SecretsConfig, Stage, VersionId};
use yaoku_store::{Embedded, Options, Store};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_puts_every_process_gives() {
    let world = World::new(3).await;
    world.create("db", None).await.unwrap();
    world.known_to_all("db").await;
    world.call_at(1, put("db", Some("v2"), "second")).await.unwrap();
    while world.text("db", "ACSCurrent").await.unwrap() != "second" {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.text("db", "ACSPrevious").await.unwrap(), "first");
    // The same value once more changes nothing; another one is refused.
    assert_eq!(world.call(put("db", Some("v2"), "second")).await.unwrap().number, 2);
    assert!(matches!(world.call(put("db", Some("v2"), "other")).await, Err(Error::VersionExists)));
    assert!(matches!(world.call(put("db", Some("v1"), "second")).await, Err(Error::VersionExists)));
    assert_eq!(world.versions("db").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_put_at_once_and_each_version_is_there_once() {
    let world = World::new(3).await;
    world.create("db", None).await.unwrap();
    world.known_to_all("db").await;
    let puts = (0..9).map(|n| {
        let (world, node) = (&world, n % 3);
        async move { world.call_at(node, put("db", None, &format!("text {n}"))).await.unwrap().number }
    });
    let mut numbers = join_all(puts).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=10).collect::<Vec<_>>());
    // Each version is read as what was put under its number, and rows that are not kept any more are gone.
    while world.versions("db").await.len() < 10 {
        tokio::task::yield_now().await;
    }
    world.call(put("db", Some("last"), "last")).await.unwrap();
    assert_eq!((world.versions("db").await.len(), world.rows().await), (10, 11));
    assert_eq!(world.text("db", "ACSCurrent").await.unwrap(), "last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_can_expect_the_current_version() {
    let world = World::new(1).await;
    world.create("db", None).await.unwrap();
    let expecting = |expected| PutSecretValue { expected: Some(expected), ..put("db", None, "new") };
    assert!(matches!(world.call(expecting(0)).await, Err(Error::NotAsExpected)));
    let second = world.call(expecting(1)).await.unwrap();
    assert_eq!((second.number, second.id.as_str()), (2, "2"));
    assert!(matches!(world.call(expecting(1)).await, Err(Error::NotAsExpected)));
    // Of several that expect the same, one gets through.
    let results = join_all((0..8).map(|_| world.call(expecting(2)))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_key_is_made_once_and_stands_in_the_list() {
    let world = World::new(2).await;
    let names: Vec<_> = (0..6).map(|n| format!("s{n}")).collect();
    let made = names.iter().enumerate().map(|(n, name)| world.call_at(n % 2, create(name, None)));
    let keys: Vec<_> = join_all(made).await.into_iter().map(|made| made.unwrap().0.key).collect();
    assert!(keys.iter().all(|key| *key == keys[0]));
    let alias = AliasName::parse_any(SERVICE_ALIAS).unwrap();
    let described = yaoku_kms::operations::keys::DescribeKey { key: KeyRef::Alias(alias) };
    let described = world.keys(described).await;
    assert_eq!((described.id, described.state), (keys[0], KeyState::Enabled));
    assert!(AliasName::parse(SERVICE_ALIAS).is_none(), "nobody can give or take it");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_read_while_its_key_can_not_be_used() {
    let world = World::new(1).await;
    let chosen = world.cmk().await;
    world.create("chosen", Some(chosen)).await.unwrap();
    world.create("service", None).await.unwrap();
    let service = world.call(DescribeSecret { secret: name("service").into() }).await.unwrap().key;
    for (secret, key) in [("chosen", chosen), ("service", service)] {
        world.keys(DisableKey { key }).await;
        let state = |result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::Keys(yaoku_kms::Error::State(KeyState::Disabled)))), "{result:?}");
        };
        state(world.text(secret, "ACSCurrent").await.map(drop));
        state(world.call(put(secret, None, "new")).await.map(drop));
        // Not even the same value once more: whether it is the same can't be found out.
        state(world.call(put(secret, Some("v1"), "first")).await.map(drop));
        state(world.create("another", (secret == "chosen").then_some(key)).await);
        world.keys(EnableKey { key }).await;
        assert_eq!(world.text(secret, "ACSCurrent").await.unwrap(), "first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_deleted_while_secrets_are_encrypted_under_it() {
    let world = World::new(1).await;
    let key = world.cmk().await;
    for n in 0..3 {
        world.create(&format!("s{n}"), Some(key)).await.unwrap();
    }
    let trace = Trace::default();
    let call = Call::of(&world.principal, &HERE, &trace);
    let schedule = || ScheduleKeyDeletion { key, pending_days: 7 }.perform(&world.nodes[0].kms, &call);
    let Err(yaoku_kms::Error::InUse(what)) = schedule().await else { panic!("it is in use") };
    assert_eq!(what, "3 secrets are encrypted under the key");
    for n in 0..2 {
        world.call(DeleteSecret { name: name(&format!("s{n}")), when: When::Now }).await.unwrap();
    }
    // It can still be restored.
    world.call(DeleteSecret { name: name("s2"), when: When::AfterDays(30) }).await.unwrap();
    let Err(yaoku_kms::Error::InUse(what)) = schedule().await else { panic!("it is in use") };
    assert_eq!(what, "1 secret is encrypted under the key");
    world.call(DeleteSecret { name: name("s2"), when: When::Now }).await.unwrap();
    schedule().await.unwrap();
}

/// Of a secret that is created under a key and the deletion of that key, asked for at once, one is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_does_not_slip_under_a_key_that_is_to_be_deleted() {
    let world = World::new(1).await;
    let mut refused = [0, 0];
    for n in 0..60 {
        let key = world.cmk().await;
        let trace = Trace::default();
        let call = Call::of(&world.principal, &HERE, &trace);
        let schedule = ScheduleKeyDeletion { key, pending_days: 7 };
        let secret = format!("s{n}");
        let (created, scheduled) =
            tokio::join!(world.create(&secret, Some(key)), schedule.perform(&world.nodes[0].kms, &call));
        match (&created, &scheduled) {
            (Ok(()), Err(yaoku_kms::Error::InUse(_))) => refused[1] += 1,
            (Err(_), Ok(())) => refused[0] += 1,
            other => panic!("{other:?}"),
        }
        if created.is_ok() {
            assert_eq!(world.text(&secret, "ACSCurrent").await.unwrap(), "first", "the key is as it was");
        }
    }
    assert!(refused.iter().sum::<usize>() == 60, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_reads_a_secret_as_far_as_its_policy_and_that_of_its_key_go() {
    const OTHER: &str = "9999999999999999";
    let world = World::new(1).await;
    let key = world.cmk().await;
    world.create("chosen", Some(key)).await.unwrap();
    world.create("service", None).await.unwrap();
    let other = Principal::root(AccountId::parse(OTHER).unwrap());
    let get = async |secret: &str| {
        let reference = SecretRef { account: Some(world.principal.account()), name: name(secret) };
        let (get, trace) = (GetSecretValue { secret: reference, version: None, stage: None }, Trace::default());
        get.perform(&world.nodes[0].secrets, &Call::of(&other, &HERE, &trace)).await.map(drop)
    };
    for secret in ["chosen", "service", "none"] {
        // Nor is it told that there is such a secret.
        assert!(matches!(get(secret).await, Err(Error::Hidden(_))), "{secret}");
    }
    let allow = |actions: &str| {
        format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Principal":{{"RAM":["acs:ram::{OTHER}:*"]}},
                "Action":"{actions}","Resource":"*"}}]}}"#
        )
    };
    let set = async |secret: &str, document: &str| {
        let policy = SecretPolicy::parse(document).unwrap();
        world.call(SetSecretPolicy { name: name(secret), policy }).await.unwrap();
    };
    for secret in ["chosen", "service"] {
        set(secret, &allow("kms:DescribeSecret")).await;
        assert!(get(secret).await.is_err());
        set(secret, &allow("kms:GetSecretValue")).await;
    }
    get("service").await.unwrap();
    assert!(get("chosen").await.is_err(), "its key has another opinion");
    let policy = KeyPolicy::parse(&allow("kms:Decrypt")).unwrap();
    world.keys(SetKeyPolicy { key, policy }).await;
    get("chosen").await.unwrap();
    // Only its own account manages it, whatever the policy says.
    set("service", &allow("kms:*")).await;
    let reference = SecretRef { account: Some(world.principal.account()), name: name("service") };
    let (put, trace) = (PutSecretValue { secret: reference, ..put("service", None, "x") }, Trace::default());
    let put = put.perform(&world.nodes[0].secrets, &Call::of(&other, &HERE, &trace)).await;
    assert!(matches!(put, Err(Error::SecretNotFound)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_can_be_saved_until_it_is_due_and_is_gone_then() {
    let mut world = World::new(3).await;
    world.create("db", None).await.unwrap();
    world.call(put("db", None, "second")).await.unwrap();
    let delete = |days| DeleteSecret { name: name("db"), when: When::AfterDays(days) };
    for days in [0, 6, 31] {
        assert!(matches!(world.call(delete(days)).await, Err(Error::Invalid { .. })));
    }
    let planned = world.call(delete(7)).await.unwrap();
    assert!(matches!(world.call(delete(7)).await, Err(Error::InDeleteWindow)));
    assert!(matches!(world.text("db", "ACSCurrent").await, Err(Error::InDeleteWindow)));
    assert!(matches!(world.call(put("db", None, "third")).await, Err(Error::InDeleteWindow)));
    assert!(matches!(world.create("db", None).await, Err(Error::InDeleteWindow)));
    world.clock.advance_seconds(7 * DAY - 1);
    world.everyone_looks().await;
    let described = world.call(DescribeSecret { secret: name("db").into() }).await.unwrap();
    assert_eq!(described.planned_deletion, Some(planned));
    world.call(RestoreSecret { name: name("db") }).await.unwrap();
    world.call(RestoreSecret { name: name("db") }).await.unwrap();
    assert_eq!(world.text("db", "ACSCurrent").await.unwrap(), "second");

    world.call(delete(7)).await.unwrap();
    world.clock.advance_seconds(7 * DAY);
    assert!(matches!(world.call(RestoreSecret { name: name("db") }).await, Err(Error::SecretNotFound)));
    assert!(world.nodes[0].secrets.scheduler_lag() == 0);
    world.everyone_looks().await;
    while world.call(DescribeSecret { secret: name("db").into() }).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.rows().await, 0);
    // A new one of that name has nothing of it.
    world.create("db", None).await.unwrap();
    assert_eq!(world.versions("db").await.len(), 1);

    // At once, and also where it is pending.
    world.call(delete(7)).await.unwrap();
    world.call(DeleteSecret { name: name("db"), when: When::Now }).await.unwrap();
    assert_eq!(world.rows().await, 0);

    // A process that starts finds what is there, and what is due.
    world.create("db", None).await.unwrap();
    world.create("web", None).await.unwrap();
    world.call(delete(7)).await.unwrap();
    world.nodes.clear();
    world.clock.advance_seconds(8 * DAY);
    world.add_node().await;
    assert!(world.nodes[0].secrets.scheduler_lag() >= DAY * 1000);
    world.everyone_looks().await;
    let listed = ListSecrets { filters: SecretFilters::default(), page: Page { number: 1, size: 10 } };
    let listed = world.call(listed).await.unwrap();
    assert_eq!((listed.total, listed.items[0].name.as_str()), (1, "web"));
    assert_eq!(world.text("web", "ACSCurrent").await.unwrap(), "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fell_due_before_a_restore_is_put_off() {
    let mut world = World::new(1).await;
    world.create("db", None).await.unwrap();
    world.call(DeleteSecret { name: name("db"), when: When::AfterDays(7) }).await.unwrap();
    let file = world.dir.path().join("backup");
    let mut written = tokio::fs::File::create(&file).await.unwrap();
    backup::write(&world.nodes[0].vault, &mut written).await.unwrap();
    written.sync_all().await.unwrap();
    world.nodes.clear();
    let restored: Arc<dyn Store> =
        Arc::new(Embedded::open(&world.dir.path().join("restored"), Options::default()).unwrap());
    let seal = FileSeal { path: world.dir.path().join("root.key") };
    let file = std::fs::File::open(&file).unwrap();
    backup::restore(file, &seal, restored.as_ref()).await.unwrap();
    world.store = restored;
    world.clock.advance_seconds(30 * DAY);
    world.add_node().await;
    world.nodes[0].kms.settle_restore().await.unwrap();
    world.everyone_looks().await;
    let described = world.call(DescribeSecret { secret: name("db").into() }).await.unwrap();
    assert!(described.planned_deletion.unwrap() > world.clock.now());
    world.call(RestoreSecret { name: name("db") }).await.unwrap();
    assert_eq!(world.text("db", "ACSCurrent").await.unwrap(), "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_say_which_value_is_given() {
    let world = World::new(1).await;
    world.create("db", None).await.unwrap();
    world.call(put("db", Some("v2"), "second")).await.unwrap();
    let of = |version: &str, stage: Option<&str>| GetSecretValue {
        secret: name("db").into(),
        version: VersionId::parse(version).map(VersionRef::Id),
        stage: stage.map(staged),
    };
    assert_eq!(world.call(of("v1", None)).await.unwrap().version.number, 1);
    assert_eq!(world.call(of("v1", Some("ACSPrevious"))).await.unwrap().version.number, 1);
    assert!(matches!(world.call(of("v1", Some("ACSCurrent"))).await, Err(Error::VersionNotFound)));
    assert!(matches!(world.call(of("v3", None)).await, Err(Error::VersionNotFound)));
    assert!(matches!(world.text("db", "blue").await, Err(Error::VersionNotFound)));
    let to = VersionId::parse("v1");
    let back = UpdateSecretVersionStage { secret: name("db").into(), stage: Stage::current(), to, from: None };
    world.call(back).await.unwrap();
    assert_eq!(world.text("db", "ACSCurrent").await.unwrap(), "first");
    assert_eq!(world.text("db", "ACSPrevious").await.unwrap(), "second");
}

/// They are in memory.
#[tokio::test(flavor = "multi_thread")]
async fn policies_and_custom_metadata_of_an_account_have_a_bound_together() {
    let policy = SecretPolicy::default_of(AccountId::parse("1234567890123456").unwrap());
    let config = SecretsConfig { max_texts: 3 * policy.as_str().len() as u64 + 10, ..SecretsConfig::default() };
    let world = World::with(1, |store| Arc::new(store), config).await;
    let names: Vec<_> = (0..8).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.create(name, None).await.unwrap();
    }
    let set = |secret: &str| world.call(SetSecretPolicy { name: name(secret), policy: policy.clone() });
    let is_full = |done: Result<(), Error>| matches!(done, Err(Error::LimitExceeded(_)));
    let together = join_all(names.iter().map(|name| set(name))).await;
    let mut with_policy: Vec<&str> = Vec::new();
    with_policy.extend(names.iter().zip(&together).filter(|(_, done)| done.is_ok()).map(|(name, _)| &**name));
    assert!(with_policy.len() <= 3, "{with_policy:?}");
    for name in &names {
        if !with_policy.contains(&&**name) && set(name).await.is_ok() {
            with_policy.push(name);
        }
    }
    assert_eq!(with_policy.len(), 3);
    let without = names.iter().find(|name| !with_policy.contains(&&***name)).unwrap();
    let describe = |metadata: &str| {
        let custom_metadata = Some([("k".to_owned(), metadata.to_owned())].into());
        let keeping = Keeping { custom_metadata, ..Keeping::default() };
        world.call(KeepVersions { secret: name(without).into(), keeping })
    };
    assert!(is_full(describe("1234567890").await));
    describe("123456789").await.unwrap();
    let with = || CreateSecret { policy: Some(policy.clone()), ..create("new", None) };
    assert!(is_full(world.call(with()).await.map(drop)));
    // What takes no more than before is not refused, and what is gone does not count.
    set(with_policy[0]).await.unwrap();
    describe("x").await.unwrap();
    world.call(DeleteSecret { name: name(with_policy[0]), when: When::Now }).await.unwrap();
    world.call(with()).await.unwrap();
    assert!(is_full(set(without).await));
    world.create("another", None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_an_end_to_everything() {
    let world = World::new(1).await;
    for n in 0..50 {
        world.create(&format!("s{n}"), None).await.unwrap();
    }
    assert!(matches!(world.create("s50", None).await, Err(Error::LimitExceeded(_))));
    assert!(matches!(world.create("s1", None).await, Err(Error::SecretExists)));
    let sized = |bytes| PutSecretValue { value: value(&"x".repeat(bytes)), ..put("s1", None, "") };
    world.call(sized(30_720)).await.unwrap();
    assert_eq!(world.text("s1", "ACSCurrent").await.unwrap().len(), 30_720);
    for bytes in [0, 30_721] {
        assert!(matches!(world.call(sized(bytes)).await, Err(Error::Invalid { .. })), "{bytes}");
    }
    let reserved = CreateSecret {
        content: NewContent::Generic { name: name("acs/ram/user/x"), value: value("x") },
        ..create("x", None)
    };
    assert!(matches!(world.call(reserved).await, Err(Error::Invalid { .. })));
}
