//! The vault: a store whose records are sealed under their own names.
//!
//! Root key → domain keys → records. A domain key is a record itself (kind 1, in the domain that it serves), sealed under the
//! root key. Every other record is sealed under the key of its domain. The additional authenticated data is the record's
//! name, so a record that was moved into another's place does not open, and its generation, a number that grows whenever the record is
//! written.
//!
//! The store's digest of all rows tells that a record is the newest of its name and that none is missing; [`StoreDigester`] has its
//! keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use yaoku_crypto::aead::{Algorithm, CommittingAead};
use yaoku_crypto::{Random, Secret};
use yaoku_store::{Found, Limits, Snapshot, Store, Transaction, Trust, Watch};

use crate::cut::Cut;
use crate::digester::{StoreDigester, StoreMark};
use crate::record::{aad, row_prefix};
use crate::seal::Seal;
use crate::{Changes, Domain, Error, Kind, Outcome, Record, RecordName, Revision};

/// Key of a domain.
pub(crate) const DOMAIN_KEY: Kind = Kind(1);
/// First byte of a row's value, before 8 bytes (big-endian) of its generation.
const FORMAT: u8 = 2;
/// First byte of a value without a generation, as earlier versions wrote it.
const WITHOUT_GENERATION: u8 = 1;
/// Bytes of root and domain keys.
pub(crate) const KEY_LEN: usize = Algorithm::Aes256.key_len();
/// Rows read at a time.
pub(crate) const PAGE: usize = 1000;
const ATTEMPTS: usize = 16;

/// A store of sealed records.
pub struct Vault {
    store: Arc<dyn Store>,
    seal: Arc<dyn Seal>,
    random: Arc<dyn Random>,
    root: ArcSwap<RootKey>,
    domains: Arc<Domains>,
    digester: Arc<StoreDigester>,
    /// What was last asked for.
    mark: Mutex<Option<StoreMark>>,
    found: Found,
    /// The greatest generation known of any record.
    generation: AtomicU64,
    /// One rotation at a time.
    rotating: tokio::sync::Mutex<()>,
}

/// The root key in use; the secret is kept since backups are sealed to it.
pub(crate) struct RootKey {
    pub(crate) secret: Secret,
    pub(crate) cipher: CommittingAead,
}

impl RootKey {
    pub(crate) fn new(secret: Secret) -> Result<Self, Error> {
        let cipher = CommittingAead::new(Algorithm::Aes256, &secret)?;
        Ok(Self { secret, cipher })
    }
}

impl Vault {
    /// Opens a vault. The first time, this makes the root key, and saves it before anything is sealed under it. A rotation
    /// of the root key that was cut off is finished.
    ///
    /// # Errors
    /// [`Error::Seal`] if the seal is missing, can't be read, or is another store's.
    pub async fn open(store: Arc<dyn Store>, seal: Arc<dyn Seal>, random: Arc<dyn Random>) -> Result<Self, Error> {
        Self::open_trusting(store, seal, random, None).await
    }

    /// As [`Self::open`], for rows that an operator declares to be right, whatever the store's digest says; each must still open.
    ///
    /// # Errors
    /// As for [`Self::open`]; [`Error::Record`] if one does not open.
    pub async fn open_accepting(
        store: Arc<dyn Store>,
        seal: Arc<dyn Seal>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let vault = Self::open_trusting(store, seal, random, Some(Trust::Rows)).await?;
        let view = vault.view().await?;
        let mut after = None;
        loop {
            let rows = view.snapshot.scan(&[], after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else { return Ok(vault) };
            after = Some(last.key.clone());
            view.open(rows.into_iter().filter(|row| row.key.first() != Some(&DOMAIN_KEY.0)).collect())?;
        }
    }

    async fn open_trusting(
        store: Arc<dyn Store>,
        seal: Arc<dyn Seal>,
        random: Arc<dyn Random>,
        trust: Option<Trust>,
    ) -> Result<Self, Error> {
        let snapshot = store.snapshot().await?;
        let stored = domain_rows(snapshot.as_ref()).await?;
        let held = match with_seal(&seal, |seal| seal.load()).await? {
            Some(held) => held,
            None if stored.is_empty() => {
                let secret = Secret::random(KEY_LEN, random.as_ref())?;
                let alone = [secret.duplicate()];
                with_seal(&seal, move |seal| seal.save(&alone)).await?;
                vec![secret]
            }
            None => {
                return Err(Error::Seal(format!(
                    "the store has keys, but its seal ({}) is missing; restore the seal, or set --seal to its path",
                    seal.name()
                )));
            }
        };
        let mut roots = held.into_iter().map(RootKey::new).collect::<Result<Vec<_>, _>>()?;
        let mut domains = HashMap::new();
        let (mut behind, mut system) = (Vec::new(), None);
        for row in &stored {
            let (newest, key) =
                unwrap_domain_key(&roots.iter().collect::<Vec<_>>(), &row.key, &row.value).ok_or_else(|| {
                    Error::Seal(
                    "the seal does not open this store: it belongs to another store, or is older; restore the right seal"
                        .into(),
                )
                })?;
            let name = RecordName::of_row_key(&row.key).ok_or_else(|| Error::Record("of a domain key".into()))?;
            domains.insert(name.domain, Arc::new(CommittingAead::new(Algorithm::Aes256, &key)?));
            if name.domain == Domain::SYSTEM {
                // A store of an earlier version has no digest of its rows yet; this row is rewritten when it gets one. A store with
                // this row alone was being created, and has nothing to lose.
                let alone = stored.len() == 1 && snapshot.scan(&[], None, 2).await?.len() == 1;
                let earlier = alone || row.value.first() == Some(&WITHOUT_GENERATION);
                system = Some((key.duplicate(), if earlier { Trust::FirstUse } else { Trust::Digest }));
            }
            if !newest {
                behind.push((row.key.clone(), row.revision, key));
            }
        }
        if roots.is_empty() {
            return Err(Error::Seal("the seal contains no root key".into()));
        }
        let several = roots.len() > 1;
        let root = roots.remove(0);
        let domains = Arc::new(Domains { held: RwLock::new(domains) });
        let (key, stated) = match system {
            Some(system) => system,
            None if stored.is_empty() => {
                make_system_domain(store.as_ref(), &root, &domains, random.as_ref()).await?;
                let row = store.get(&domain_key_name(Domain::SYSTEM).row_key()?).await?;
                let row = row.ok_or_else(|| no_domain(Domain::SYSTEM))?;
                let key = open(&root.cipher, &domain_key_name(Domain::SYSTEM), &row.key, &row.value)?;
                domains.put(Domain::SYSTEM, &key)?;
                (key, Trust::FirstUse)
            }
            None => return Err(Error::Record("of the system's domain key, which is missing,".into())),
        };
        let cipher = domains.held(Domain::SYSTEM).ok_or_else(|| no_domain(Domain::SYSTEM))?;
        let digester = Arc::new(StoreDigester::new(&key, cipher, random.clone()));
        let found = store.keep_digest(digester.clone(), trust.unwrap_or(stated)).await?;
        let generation = store.digest().map_or(0, |(_, digest)| digest.generation);
        let vault = Self {
            store,
            seal,
            random,
            root: ArcSwap::from_pointee(root),
            domains,
            digester,
            mark: Mutex::default(),
            found,
            generation: AtomicU64::new(generation),
            rotating: tokio::sync::Mutex::new(()),
        };
        if stated == Trust::FirstUse {
            vault.mark_as_digested(&key).await?;
        }
        if several {
            tracing::info!("finishing an interrupted rotation of the root key");
            if !vault.rewrap(&vault.root.load(), behind).await? {
                return Err(Error::Contended);
            }
            match vault.scrub().await {
                Ok(()) => vault.seal_root_alone().await?,
                Err(error) => tracing::warn!(
                    %error,
                    "what was wrapped under the old root key is still in the store's files; rotate the root key again later"
                ),
            }
        }
        Ok(vault)
    }

    /// Rewrites the system's domain key where an earlier version wrote it: from then on this store must have a digest, and is
    /// refused without one.
    async fn mark_as_digested(&self, key: &Secret) -> Result<(), Error> {
        let name = domain_key_name(Domain::SYSTEM);
        let row_key = name.row_key()?;
        let Some(row) = self.store.get(&row_key).await? else { return Ok(()) };
        // A rotation that was cut off writes it as well, soon.
        if row.value.first() != Some(&WITHOUT_GENERATION)
            || open(&self.root.load().cipher, &name, &row_key, &row.value).is_err()
        {
            return Ok(());
        }
        let value = wrap(&self.root.load().cipher, self.random.as_ref(), self.next_generation(), &row_key, key)?;
        let transaction = Transaction {
            expected: vec![(row_key.clone(), Some(row.revision))],
            puts: vec![(row_key, value)],
            ..Transaction::default()
        };
        self.store.commit(transaction).await?;
        Ok(())
    }

    /// How the rows were found when this vault was opened.
    pub const fn found(&self) -> Found {
        self.found
    }

    /// Reads every row, and compares them with the store's digest.
    ///
    /// # Errors
    /// [`yaoku_store::Error::Altered`] if they are others.
    pub async fn verify(&self) -> Result<(), Error> {
        Ok(self.store.verify().await?)
    }

    /// What the store holds at its last commit, for who signs it; none where the store keeps no digest.
    pub fn mark(&self) -> Option<StoreMark> {
        let (revision, digest) = self.store.digest()?;
        let mut known = self.mark.lock();
        // Most checkpoints come without a commit before them.
        match *known {
            Some(mark) if mark.revision == revision => Some(mark),
            _ => {
                *known = Some(self.digester.mark(self.store.id(), revision, &digest));
                *known
            }
        }
    }

    /// What the store takes in one commit.
    pub fn limits(&self) -> Limits {
        self.store.limits()
    }

    /// A generation for what one commit writes.
    fn next_generation(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes the key of a domain, unless there is one.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub async fn create_domain(&self, domain: Domain) -> Result<(), Error> {
        let _one = self.rotating.lock().await;
        for _ in 0..ATTEMPTS {
            if self.domain(domain).await?.is_some() {
                return Ok(());
            }
            let key = Secret::random(KEY_LEN, self.random.as_ref())?;
            let row_key = domain_key_name(domain).row_key()?;
            let generation = self.next_generation();
            let value = wrap(&self.root.load().cipher, self.random.as_ref(), generation, &row_key, &key)?;
            let transaction = Transaction {
                expected: vec![(row_key.clone(), None)],
                puts: vec![(row_key, value)],
                ..Transaction::default()
            };
            if let Outcome::Committed(_) = self.store.commit(transaction).await? {
                self.domains.put(domain, &key)?;
                return Ok(());
            }
        }
        Err(Error::Contended)
    }

    /// The record of that name.
    ///
    /// # Errors
    /// [`Error::Record`] if it does not open.
    pub async fn get(&self, name: &RecordName) -> Result<Option<Record>, Error> {
        let key = name.row_key()?;
        let Some(row) = self.store.get(&key).await? else { return Ok(None) };
        // Another process may have written it.
        self.generation.fetch_max(generation_of(&row.value), Ordering::Relaxed);
        let cipher = self.domain(name.domain).await?.ok_or_else(|| no_domain(name.domain))?;
        Ok(Some(Record { bytes: open(&cipher, name, &row.key, &row.value)?, revision: row.revision }))
    }

    /// All records at one revision.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn view(&self) -> Result<View, Error> {
        Ok(View { snapshot: self.store.snapshot().await?, domains: self.domains.clone() })
    }

    /// Seals and commits.
    ///
    /// # Errors
    /// [`Error::NoDomain`] for a domain without a key; the store's errors.
    pub async fn commit(&self, changes: Changes) -> Result<Outcome, Error> {
        let mut transaction = Transaction::default();
        let generation = self.next_generation();
        for (name, revision) in changes.expected {
            transaction.expected.push((name.row_key()?, revision));
        }
        for (name, bytes) in changes.puts {
            let cipher = self.domain(name.domain).await?.ok_or_else(|| no_domain(name.domain))?;
            let key = name.row_key()?;
            let value = wrap(&cipher, self.random.as_ref(), generation, &key, &bytes)?;
            transaction.puts.push((key, value));
        }
        for name in changes.deletes {
            transaction.deletes.push(name.row_key()?);
        }
        Ok(self.store.commit(transaction).await?)
    }

    /// Follows every change after `from`, in order.
    ///
    /// # Errors
    /// [`yaoku_store::Error::Compacted`] if that is too long ago.
    pub async fn watch(&self, from: Revision) -> Result<VaultWatch, Error> {
        self.watch_kinds(from, |_| true).await
    }

    /// As [`Self::watch`], without the records of other kinds than those wanted; a change without any comes all the same.
    ///
    /// # Errors
    /// As for [`Self::watch`].
    pub async fn watch_kinds(&self, from: Revision, wanted: fn(Kind) -> bool) -> Result<VaultWatch, Error> {
        Ok(VaultWatch {
            wanted,
            watch: self.store.watch(from).await?,
            store: self.store.clone(),
            domains: self.domains.clone(),
            root: self.root.load_full(),
        })
    }

    /// Takes what was deleted or overwritten out of the store's files.
    ///
    /// # Errors
    /// The store's.
    pub async fn scrub(&self) -> Result<(), Error> {
        Ok(self.store.scrub().await?)
    }

    /// Whether commits can be made durable at present.
    ///
    /// # Errors
    /// The store's.
    pub async fn health(&self) -> Result<(), Error> {
        Ok(self.store.health().await?)
    }

    /// Replaces the root key: the seal holds both while domain keys are wrapped anew, so that whatever a crash leaves
    /// can be opened. Then what was wrapped under the old one is taken out of the store's files. Goes on to its
    /// end if the caller stops waiting.
    ///
    /// # Errors
    /// When seal or store can't be written; the old root key then stays in the seal, and the vault open.
    pub async fn rotate_root(self: &Arc<Self>) -> Result<Rotated, Error> {
        let vault = self.clone();
        let rotated = tokio::spawn(async move { vault.rotate().await });
        rotated.await.unwrap_or_else(|error| Err(Error::Seal(format!("the rotation was aborted: {error}"))))
    }

    async fn rotate(&self) -> Result<Rotated, Error> {
        let domain_keys = {
            let _one = self.rotating.lock().await;
            self.finish_earlier_rotation().await?;
            let new = RootKey::new(Secret::random(KEY_LEN, self.random.as_ref())?)?;
            let old = self.root.load_full();
            let both = [new.secret.duplicate(), old.secret.duplicate()];
            with_seal(&self.seal, move |seal| seal.save(&both)).await?;
            let count = match self.rewrap_all(&old, &new).await {
                Ok(count) => count,
                // A commit that had seemed to fail may be there after all: what the store holds decides.
                Err(error) => self.domain_keys_under(&new).await?.ok_or(error)?,
            };
            self.root.store(Arc::new(new));
            count
        };
        // The seal holds the old key until its traces are gone: so a crash here is noticed at the next start.
        let scrubbed = self.scrub().await;
        if scrubbed.is_ok() {
            let _one = self.rotating.lock().await;
            self.seal_root_alone().await?;
        }
        Ok(Rotated { domain_keys, scrubbed })
    }

    /// An earlier rotation may lack its end: the scrub. One that was cut off before may have wrapped domain keys under either
    /// key, of which none may be given up.
    async fn finish_earlier_rotation(&self) -> Result<(), Error> {
        if with_seal(&self.seal, |seal| seal.load()).await?.is_none_or(|held| held.len() == 1) {
            return Ok(());
        }
        if self.domain_keys_under(&self.root.load()).await?.is_none() {
            return Err(Error::Seal("an earlier rotation was interrupted; restart the server to finish it".into()));
        }
        self.scrub().await?;
        self.seal_root_alone().await
    }

    async fn seal_root_alone(&self) -> Result<(), Error> {
        let alone = [self.root.load().secret.duplicate()];
        with_seal(&self.seal, move |seal| seal.save(&alone)).await
    }

    async fn rewrap_all(&self, old: &RootKey, new: &RootKey) -> Result<usize, Error> {
        for _ in 0..ATTEMPTS {
            let rows = domain_rows(self.store.snapshot().await?.as_ref()).await?;
            let mut keys = Vec::new();
            let count = rows.len();
            for row in rows {
                // An attempt that met a conflict may have done some of them.
                let found = unwrap_domain_key(&[new, old], &row.key, &row.value);
                match found.ok_or_else(|| Error::Record("of a domain key".into()))? {
                    (true, _) => {}
                    (false, key) => keys.push((row.key, row.revision, key)),
                }
            }
            if self.rewrap(new, keys).await? {
                return Ok(count);
            }
        }
        Err(Error::Contended)
    }

    /// How many domain keys there are, if all of them are wrapped under `root`.
    async fn domain_keys_under(&self, root: &RootKey) -> Result<Option<usize>, Error> {
        let rows = domain_rows(self.store.snapshot().await?.as_ref()).await?;
        Ok(all_open(root, &rows).then_some(rows.len()))
    }

    /// Root key, what the seal adds, and a snapshot whose domain keys are wrapped under that root key.
    pub(crate) async fn for_backup(&self) -> Result<(Arc<RootKey>, Vec<u8>, Arc<dyn Snapshot>), Error> {
        let _one = self.rotating.lock().await;
        let root = self.root.load_full();
        let portable = with_seal(&self.seal, |seal| seal.portable()).await?;
        let snapshot = self.store.snapshot().await?;
        if !all_open(&root, &domain_rows(snapshot.as_ref()).await?) {
            let why = "a rotation of the root key was interrupted; restart the server to finish it, then back up";
            return Err(Error::Backup(why.into()));
        }
        Ok((root, portable, snapshot))
    }

    /// Where randomness comes from.
    pub fn random(&self) -> &dyn Random {
        self.random.as_ref()
    }

    /// As [`Self::random`], to take along to another thread.
    pub fn shared_random(&self) -> &Arc<dyn Random> {
        &self.random
    }

    /// Seals bytes that leave the store and come back, such as a token; they open under the same domain and label only.
    ///
    /// # Errors
    /// [`Error::NoDomain`], and when the system has no randomness.
    pub async fn seal_token(&self, domain: Domain, label: &[u8], bytes: &Secret) -> Result<Vec<u8>, Error> {
        let cipher = self.domain(domain).await?.ok_or_else(|| no_domain(domain))?;
        let mut sealed = Vec::new();
        cipher.seal(self.random.as_ref(), &token_aad(label), bytes.expose(), &mut sealed)?;
        Ok(sealed)
    }

    /// What [`Self::seal_token`] sealed; none for anything else.
    ///
    /// # Errors
    /// [`Error::NoDomain`].
    pub async fn open_token(&self, domain: Domain, label: &[u8], sealed: &[u8]) -> Result<Option<Secret>, Error> {
        let cipher = self.domain(domain).await?.ok_or_else(|| no_domain(domain))?;
        Ok(cipher.open(&token_aad(label), sealed).ok())
    }

    pub(crate) fn seal(&self) -> &dyn Seal {
        self.seal.as_ref()
    }

    /// Wraps domain keys under `root`, in as many commits as the store's limits ask for; false if another change came first. Where
    /// that or a crash cuts it off, some are wrapped under either key: the seal holds both until all are done.
    async fn rewrap(&self, root: &RootKey, keys: Vec<(Vec<u8>, Revision, Secret)>) -> Result<bool, Error> {
        let mut cut = Cut::new(self.store.limits());
        for (row_key, revision, key) in keys {
            let value = wrap(&root.cipher, self.random.as_ref(), self.next_generation(), &row_key, &key)?;
            if let Some(full) = cut.put(vec![(row_key.clone(), Some(revision))], row_key, value)
                && !self.is_committed(full).await?
            {
                return Ok(false);
            }
        }
        self.is_committed(cut.rest()).await
    }

    async fn is_committed(&self, transaction: Transaction) -> Result<bool, Error> {
        Ok(transaction.operations() == 0 || matches!(self.store.commit(transaction).await?, Outcome::Committed(_)))
    }

    /// The cipher of a domain; read from the store if another process made it.
    async fn domain(&self, domain: Domain) -> Result<Option<Arc<CommittingAead>>, Error> {
        self.domains.get(&self.store, &self.root.load(), domain).await
    }
}

/// What became of a rotation of the root key.
pub struct Rotated {
    /// How many domain keys were wrapped anew.
    pub domain_keys: usize,
    /// Whether what was wrapped under the old root key is out of the store's files.
    pub scrubbed: Result<(), Error>,
}

/// Uses the seal where it may block: it writes files, and a passphrase takes its time.
async fn with_seal<T: Send + 'static>(
    seal: &Arc<dyn Seal>,
    work: impl FnOnce(&dyn Seal) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let seal = seal.clone();
    let done = tokio::task::spawn_blocking(move || work(seal.as_ref()));
    done.await.unwrap_or_else(|error| Err(Error::Seal(format!("using the seal failed: {error}"))))
}

/// Domain keys in memory.
struct Domains {
    held: RwLock<HashMap<Domain, Arc<CommittingAead>>>,
}

impl Domains {
    async fn get(
        &self,
        store: &Arc<dyn Store>,
        root: &RootKey,
        domain: Domain,
    ) -> Result<Option<Arc<CommittingAead>>, Error> {
        if let Some(cipher) = self.held(domain) {
            return Ok(Some(cipher));
        }
        let name = domain_key_name(domain);
        let Some(row) = store.get(&name.row_key()?).await? else { return Ok(None) };
        self.put(domain, &open(&root.cipher, &name, &row.key, &row.value)?)?;
        Ok(self.held(domain))
    }

    fn held(&self, domain: Domain) -> Option<Arc<CommittingAead>> {
        self.held.read().get(&domain).cloned()
    }

    fn put(&self, domain: Domain, key: &Secret) -> Result<(), Error> {
        let cipher = Arc::new(CommittingAead::new(Algorithm::Aes256, key)?);
        self.held.write().insert(domain, cipher);
        Ok(())
    }
}

/// All records at one revision.
#[derive(Clone)]
pub struct View {
    snapshot: Arc<dyn Snapshot>,
    domains: Arc<Domains>,
}

impl View {
    /// The revision.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision()
    }

    /// At most `limit` records of a kind, in a domain and with an id if these are given, after `after`, in order of kind,
    /// domain, id's length, id, version.
    ///
    /// # Errors
    /// [`Error::Record`] if one does not open.
    pub async fn scan(
        &self,
        kind: Kind,
        domain: Option<Domain>,
        id: Option<&[u8]>,
        after: Option<&RecordName>,
        limit: usize,
    ) -> Result<Vec<(RecordName, Record)>, Error> {
        let after = after.map(RecordName::row_key).transpose()?;
        self.open(self.snapshot.scan(&row_prefix(kind, domain, id), after.as_deref(), limit).await?)
    }

    /// Rows of a kind as the store has them, after that row.
    pub(crate) async fn rows(
        &self,
        kind: Kind,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<yaoku_store::Row>, Error> {
        Ok(self.snapshot.scan(&row_prefix(kind, None, None), after, limit).await?)
    }

    /// The records in rows.
    pub(crate) fn open(&self, rows: Vec<yaoku_store::Row>) -> Result<Vec<(RecordName, Record)>, Error> {
        let record = |row: yaoku_store::Row| {
            let name = RecordName::of_row_key(&row.key).ok_or_else(|| Error::Record("with an unknown name".into()))?;
            let cipher = self.domains.held(name.domain).ok_or_else(|| no_domain(name.domain))?;
            let bytes = open(&cipher, &name, &row.key, &row.value)?;
            Ok((name, Record { bytes, revision: row.revision }))
        };
        rows.into_iter().map(record).collect()
    }
}

/// A feed of changes.
pub struct VaultWatch {
    wanted: fn(Kind) -> bool,
    watch: Box<dyn Watch>,
    store: Arc<dyn Store>,
    domains: Arc<Domains>,
    root: Arc<RootKey>,
}

impl VaultWatch {
    /// The next change; waits for it. Domain keys are kept to the vault, so a change may be empty.
    ///
    /// # Errors
    /// [`yaoku_store::Error::Compacted`] for a watcher that is too far behind; [`Error::Record`].
    pub async fn next(&mut self) -> Result<VaultChange, Error> {
        let change = self.watch.next().await?;
        let mut opened = VaultChange { revision: change.revision, puts: Vec::new(), deletes: Vec::new() };
        let unknown = || Error::Record("with an unknown name".into());
        for (key, value) in change.puts {
            let name = RecordName::of_row_key(&key).ok_or_else(unknown)?;
            if name.kind == DOMAIN_KEY || !(self.wanted)(name.kind) {
                continue;
            }
            let cipher = self.domains.get(&self.store, &self.root, name.domain).await?;
            let bytes = open(&*cipher.ok_or_else(|| no_domain(name.domain))?, &name, &key, &value)?;
            opened.puts.push((name, bytes));
        }
        for key in change.deletes {
            let name = RecordName::of_row_key(&key).ok_or_else(unknown)?;
            if (self.wanted)(name.kind) {
                opened.deletes.push(name);
            }
        }
        Ok(opened)
    }

    /// Whether another change is known to be there, so that [`Self::next`] would not wait for one.
    pub fn is_behind(&self) -> bool {
        self.watch.is_behind()
    }
}

/// One commit, opened.
pub struct VaultChange {
    /// Its number.
    pub revision: Revision,
    /// Records written.
    pub puts: Vec<(RecordName, Secret)>,
    /// Records deleted.
    pub deletes: Vec<RecordName>,
}

pub(crate) fn domain_key_name(domain: Domain) -> RecordName {
    RecordName { kind: DOMAIN_KEY, domain, id: Vec::new(), version: Vec::new() }
}

/// The sealed value of a row.
pub(crate) fn wrap(
    cipher: &CommittingAead,
    random: &dyn Random,
    generation: u64,
    row_key: &[u8],
    bytes: &Secret,
) -> Result<Vec<u8>, Error> {
    let mut value = vec![FORMAT];
    value.extend(generation.to_be_bytes());
    cipher.seal(random, &aad(Some(generation), row_key), bytes.expose(), &mut value)?;
    Ok(value)
}

/// The content of a row.
pub(crate) fn open(cipher: &CommittingAead, name: &RecordName, row_key: &[u8], value: &[u8]) -> Result<Secret, Error> {
    let refused = || Error::Record(name.to_string());
    let (generation, sealed) = match value.split_first().ok_or_else(refused)? {
        (&FORMAT, rest) => {
            let (generation, sealed) = rest.split_first_chunk::<8>().ok_or_else(refused)?;
            (Some(u64::from_be_bytes(*generation)), sealed)
        }
        (&WITHOUT_GENERATION, sealed) => (None, sealed),
        _ => return Err(refused()),
    };
    cipher.open(&aad(generation, row_key), sealed).map_err(|_| refused())
}

/// The generation that a row's value says it is of; 0 where it says none. Only opening it tells whether that is true.
pub(crate) fn generation_of(value: &[u8]) -> u64 {
    match value.split_first() {
        Some((&FORMAT, rest)) => rest.first_chunk().map_or(0, |generation| u64::from_be_bytes(*generation)),
        _ => 0,
    }
}

/// Makes the system's domain key in an empty store, unless another process does.
async fn make_system_domain(
    store: &dyn Store,
    root: &RootKey,
    domains: &Domains,
    random: &dyn Random,
) -> Result<(), Error> {
    let key = Secret::random(KEY_LEN, random)?;
    let row_key = domain_key_name(Domain::SYSTEM).row_key()?;
    let value = wrap(&root.cipher, random, 1, &row_key, &key)?;
    let expected = vec![(row_key.clone(), None)];
    let transaction = Transaction { expected, puts: vec![(row_key, value)], ..Transaction::default() };
    if let Outcome::Committed(_) = store.commit(transaction).await? {
        domains.put(Domain::SYSTEM, &key)?;
    }
    Ok(())
}

/// A domain key under whichever root key opens it, and whether that is the newest.
fn unwrap_domain_key(roots: &[&RootKey], row_key: &[u8], value: &[u8]) -> Option<(bool, Secret)> {
    let name = RecordName::of_row_key(row_key)?;
    let opened = |(at, root): (usize, &&RootKey)| Some((at == 0, open(&root.cipher, &name, row_key, value).ok()?));
    roots.iter().enumerate().find_map(opened)
}

fn all_open(root: &RootKey, rows: &[yaoku_store::Row]) -> bool {
    rows.iter().all(|row| unwrap_domain_key(&[root], &row.key, &row.value).is_some())
}

async fn domain_rows(snapshot: &dyn Snapshot) -> Result<Vec<yaoku_store::Row>, Error> {
    let (prefix, mut rows) = (row_prefix(DOMAIN_KEY, None, None), Vec::new());
    loop {
        let after = rows.last().map(|row: &yaoku_store::Row| row.key.clone());
        let page = snapshot.scan(&prefix, after.as_deref(), PAGE).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

/// Another label than that of records, so that neither can be taken for the other.
fn token_aad(label: &[u8]) -> Vec<u8> {
    [b"yaoku token v1\0", label].concat()
}

fn no_domain(domain: Domain) -> Error {
    Error::NoDomain(domain.to_string())
}
