//! The vault over the embedded store: records open under their own names only, and a rotation of the root key survives
//! being cut off at every step.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use yaoku_crypto::{Secret, SystemRandom};
use yaoku_seal::backup;
use yaoku_seal::seal::Seal;
use yaoku_seal::{Changes, Domain, Error, Kind, Outcome, RecordName, Revision, Vault};
use yaoku_store::{Embedded, Limits, Options, Store, Transaction};

use support::{ACCOUNT, FragileSeal, FragileStore, MemorySeal, name, put};

async fn open(store: Arc<dyn Store>, seal: Arc<dyn Seal>) -> Result<Arc<Vault>, Error> {
    Vault::open(store, seal, Arc::new(SystemRandom)).await.map(Arc::new)
}

async fn read(vault: &Vault, name: &RecordName) -> Option<Vec<u8>> {
    vault.get(name).await.unwrap().map(|record| record.bytes.expose().to_vec())
}

fn store(dir: &tempfile::TempDir) -> Arc<Embedded> {
    Arc::new(Embedded::open(dir.path(), Options::default()).unwrap())
}

#[tokio::test]
async fn records_are_sealed_in_the_store_and_open_again() {
    let (dir, seal) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
    let planted = b"a record that nobody may read in the file".to_vec();
    {
        let vault = open(store(&dir), seal.clone()).await.unwrap();
        vault.create_domain(ACCOUNT).await.unwrap();
        vault.commit(put("one", &planted)).await.unwrap();
        assert_eq!(read(&vault, &name("one")).await.as_ref(), Some(&planted));
        assert!(read(&vault, &name("two")).await.is_none());
    }
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(planted.len()).any(|window| window == planted));
    }
    let vault = open(store(&dir), seal).await.unwrap();
    assert_eq!(read(&vault, &name("one")).await, Some(planted));
    let view = vault.view().await.unwrap();
    let found = view.scan(Kind(9), Some(ACCOUNT), None, None, 10).await.unwrap();
    assert_eq!(found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [name("one")]);
}

#[tokio::test]
async fn a_record_does_not_open_in_another_place() {
    let (dir, seal) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
    let store = store(&dir);
    let vault = open(store.clone(), seal).await.unwrap();
    let other = Domain(*b"2222222222222222");
    vault.create_domain(ACCOUNT).await.unwrap();
    vault.create_domain(other).await.unwrap();
    vault.commit(put("one", b"1")).await.unwrap();
    let rows = store.snapshot().await.unwrap().scan(&[9], None, 10).await.unwrap();
    let [row] = &rows[..] else { panic!("{} rows", rows.len()) };
    // The same sealed bytes under another domain, kind, id, and under another split of the same bytes.
    let mut moved = vec![RecordName { domain: other, ..name("one") }, RecordName { kind: Kind(8), ..name("one") }];
    moved.push(RecordName { id: b"on".to_vec(), version: b"e".to_vec(), ..name("one") });
    let plant = |name: &RecordName| {
        let mut key = vec![name.kind.0];
        key.extend_from_slice(&name.domain.0);
        key.extend_from_slice(&(name.id.len() as u16).to_be_bytes());
        key.extend_from_slice(&name.id);
        key.extend_from_slice(&name.version);
        (key, row.value.clone())
    };
    moved.extend([name("nne"), name("ooe"), name("ond")]);
    let puts = moved.iter().map(plant).collect();
    store.commit(Transaction { puts, ..Transaction::default() }).await.unwrap();
    for name in moved {
        assert!(matches!(vault.get(&name).await, Err(Error::Record(_) | Error::NoDomain(_))), "{name}");
    }
    assert_eq!(read(&vault, &name("one")).await, Some(b"1".to_vec()));
    // Under its own name, as of another generation, or as of none.
    let other_generation = [&row.value[..8], &[row.value[8] + 1], &row.value[9..]].concat();
    for value in [other_generation, [&[1], &row.value[9..]].concat(), row.value[..8].to_vec(), Vec::new()] {
        let puts = vec![(row.key.clone(), value)];
        store.commit(Transaction { puts, ..Transaction::default() }).await.unwrap();
        assert!(matches!(vault.get(&name("one")).await, Err(Error::Record(_))));
    }
}

#[tokio::test]
async fn a_seal_that_is_wrong_or_missing_is_told() {
    let (dir, seal) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
    drop(open(store(&dir), seal).await.unwrap());
    let wrong = MemorySeal::default();
    wrong.save(&[Secret::new(vec![9; 32])]).unwrap();
    let told = |result: Result<Arc<Vault>, Error>| match result {
        Err(Error::Seal(why)) => why,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it opened"),
    };
    let why = told(open(store(&dir), Arc::new(wrong)).await);
    assert!(why.contains("does not open this store"), "{why}");
    let missing = Arc::new(MemorySeal::default());
    let why = told(open(store(&dir), missing.clone()).await);
    assert!(why.contains("is missing"), "{why}");
    assert!(missing.load().unwrap().is_none(), "a new root key was made for a store that has one");
}

#[tokio::test]
async fn expectations_hold_for_records() {
    let (dir, seal) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
    let vault = open(store(&dir), seal).await.unwrap();
    vault.create_domain(ACCOUNT).await.unwrap();
    let claim = |expected| Changes { expected: vec![(name("one"), expected)], ..put("one", b"1") };
    let Outcome::Committed(first) = vault.commit(claim(None)).await.unwrap() else { panic!("conflict") };
    assert!(matches!(vault.commit(claim(None)).await.unwrap(), Outcome::Conflict { .. }));
    assert!(matches!(vault.commit(claim(Some(Revision(first.0 + 9)))).await.unwrap(), Outcome::Conflict { .. }));
    assert!(matches!(vault.commit(claim(Some(first))).await.unwrap(), Outcome::Committed(_)));
    assert!(matches!(
        vault
            .commit(Changes {
                puts: vec![(RecordName { domain: Domain([b'9'; 16]), ..name("x") }, Secret::new(vec![]))],
                ..Changes::default()
            })
            .await,
        Err(Error::NoDomain(_))
    ));
}

#[tokio::test]
async fn a_watch_opens_what_was_committed() {
    let (dir, seal) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
    let vault = open(store(&dir), seal).await.unwrap();
    let from = vault.view().await.unwrap().revision();
    let mut watch = vault.watch(from).await.unwrap();
    vault.create_domain(ACCOUNT).await.unwrap();
    vault.commit(put("one", b"1")).await.unwrap();
    vault.commit(Changes { deletes: vec![name("one")], ..Changes::default() }).await.unwrap();
    let domain = watch.next().await.unwrap();
    assert!(domain.puts.is_empty() && domain.deletes.is_empty(), "domain keys are the vault's own");
    let written = watch.next().await.unwrap();
    assert_eq!(written.puts[0].0, name("one"));
    assert_eq!(written.puts[0].1.expose(), b"1");
    assert_eq!(watch.next().await.unwrap().deletes, [name("one")]);
}

/// The old root key opens nothing in the store's files any more, even by those who have an old copy of the seal.
#[tokio::test]
async fn what_was_wrapped_under_the_old_root_key_leaves_the_files() {
    let (dir, seal) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
    let store = store(&dir);
    let vault = open(store.clone(), seal).await.unwrap();
    let [row] = &store.snapshot().await.unwrap().scan(&[1], None, 10).await.unwrap()[..] else { panic!("domain keys") };
    let holds = || {
        let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(row.value.len()).any(|window| window == row.value))
    };
    assert!(holds());
    assert!(vault.rotate_root().await.unwrap().scrubbed.is_ok());
    assert!(!holds());
}

/// Whoever asked for the rotation and went away does not leave it half done.
#[tokio::test]
async fn a_rotation_goes_on_when_nobody_waits_for_it() {
    let (dir, held) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
    let vault = open(store(&dir), held.clone()).await.unwrap();
    let first = held.load().unwrap().unwrap().remove(0);
    let gone = tokio::time::timeout(std::time::Duration::from_micros(1), vault.rotate_root()).await;
    let mut waits = 0;
    while held.load().unwrap().unwrap().len() != 1 || held.load().unwrap().unwrap()[0].ct_eq(first.expose()) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        waits += 1;
        assert!(waits < 1000, "it stopped half-way; {}", gone.is_err());
    }
    vault.create_domain(ACCOUNT).await.unwrap();
    vault.commit(put("one", b"1")).await.unwrap();
    backup::write(&vault, &mut Vec::new()).await.unwrap();
    drop(vault);
    assert_eq!(read(&open(store(&dir), held).await.unwrap(), &name("one")).await, Some(b"1".to_vec()));
}

/// The seal is written twice and the store once; each of these fails in turn, before and after it has happened, and then
/// the process is gone. Whatever is left opens with what the seal holds, and the old root key is worth nothing at the end.
#[tokio::test]
async fn a_rotation_that_is_cut_off_anywhere_is_finished_at_the_next_start() {
    for (seal_writes, store_writes) in [(0, 9), (1, 9), (2, 9), (9, 0), (9, 1)] {
        for done in [false, true] {
            let (dir, held) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
            let first = {
                let vault = open(store(&dir), held.clone()).await.unwrap();
                vault.create_domain(ACCOUNT).await.unwrap();
                vault.commit(put("one", b"1")).await.unwrap();
                held.load().unwrap().unwrap().remove(0)
            };
            {
                let fragile_seal = Arc::new(FragileSeal::new(held.clone(), done));
                let fragile_store = Arc::new(FragileStore::new(store(&dir), done));
                let vault = open(fragile_store.clone(), fragile_seal.clone()).await.unwrap();
                fragile_seal.left.store(seal_writes, Ordering::Relaxed);
                fragile_store.left.store(store_writes, Ordering::Relaxed);
                let cut_off = vault.rotate_root().await.is_err();
                // A commit that only seemed to fail is found in the store, and the rotation goes on.
                assert_eq!(cut_off, seal_writes < 2 || (store_writes < 1 && !done));
                // While the process lives, its records still open.
                assert_eq!(read(&vault, &name("one")).await, Some(b"1".to_vec()));
            }
            let vault = open(store(&dir), held.clone()).await.unwrap();
            assert_eq!(read(&vault, &name("one")).await, Some(b"1".to_vec()), "{seal_writes} {store_writes} {done}");
            assert_eq!(held.load().unwrap().unwrap().len(), 1);
            assert_eq!(vault.rotate_root().await.unwrap().domain_keys, 2, "the system's domain and the account's");
            let now = held.load().unwrap().unwrap();
            assert!(now.len() == 1 && !now[0].ct_eq(first.expose()));
            drop(vault);
            held.save(&[first]).unwrap();
            assert!(
                matches!(open(store(&dir), held.clone()).await, Err(Error::Seal(_))),
                "the old root key still opens it"
            );
        }
    }
}

/// A store that takes little at a time has its domain keys rewrapped in several commits; whichever of them fails, it opens again.
#[tokio::test]
async fn a_rotation_in_several_commits_that_is_cut_off_is_finished_at_the_next_start() {
    let limits = Limits { operations: Limits::LEAST_OPERATIONS, ..Options::DEFAULT.limits };
    for store_writes in 0..3 {
        let (dir, held) = (tempfile::tempdir().unwrap(), Arc::new(MemorySeal::default()));
        let store = || Arc::new(Embedded::open(dir.path(), Options { limits, ..Options::DEFAULT }).unwrap());
        {
            let vault = open(store(), held.clone()).await.unwrap();
            vault.create_domain(ACCOUNT).await.unwrap();
            for number in 0..80_u64 {
                let account = format!("{number:016}").into_bytes();
                vault.create_domain(Domain(account.try_into().unwrap())).await.unwrap();
            }
            vault.commit(put("one", b"1")).await.unwrap();
        }
        {
            let fragile = Arc::new(FragileStore::new(store(), false));
            let vault = open(fragile.clone(), held.clone()).await.unwrap();
            fragile.left.store(store_writes, Ordering::Relaxed);
            assert_eq!(vault.rotate_root().await.is_err(), store_writes < 2, "82 rows, each expected and put");
            assert_eq!(read(&vault, &name("one")).await, Some(b"1".to_vec()));
        }
        let vault = open(store(), held.clone()).await.unwrap();
        assert_eq!(read(&vault, &name("one")).await, Some(b"1".to_vec()), "{store_writes}");
        assert_eq!(held.load().unwrap().unwrap().len(), 1);
        assert_eq!(vault.rotate_root().await.unwrap().domain_keys, 82);
        // A backup is restored into a store of the same kind.
        let (mut bytes, to) = (Vec::new(), tempfile::tempdir().unwrap());
        backup::write(&vault, &mut bytes).await.unwrap();
        let file = to.path().join("backup");
        std::fs::write(&file, &bytes).unwrap();
        let small = Embedded::open(&to.path().join("store"), Options { limits, ..Options::DEFAULT }).unwrap();
        let restored = backup::restore(std::fs::File::open(file).unwrap(), held.as_ref(), &small).await.unwrap();
        assert_eq!(restored, 83);
    }
}
