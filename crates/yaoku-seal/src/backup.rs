//! Backup files, as `docs/backup-format.md` specifies them: a header, then sealed chunks of rows as the store holds them.
//!
//! A fresh backup key, sealed to the root key, seals the chunks; the hash of the header and the number of the chunk are
//! authenticated with each, and the last chunk says so and counts the rows. So a file that is cut short, reordered, spliced
//! or damaged anywhere is refused.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use yaoku_crypto::aead::{Algorithm, CommittingAead, OVERHEAD};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_store::{Row, Store, Transaction, Trust};

use crate::cut::Cut;
use crate::digester::StoreDigester;
use crate::seal::Seal;
use crate::vault::{DOMAIN_KEY, KEY_LEN, PAGE, RootKey, Vault, generation_of, open, wrap};
use crate::{Domain, Error, Kind, RecordName};

const MAGIC: &[u8; 8] = b"YAOKUBK1";
/// The most bytes of what a seal adds.
const MAX_PORTABLE: usize = 64 << 10;
/// Mark of a restore.
const RESTORED: Kind = Kind(2);
/// Bytes of rows after which a chunk is closed.
const CHUNK: usize = 256 << 10;
/// The most sealed bytes of a chunk: one row of the largest size may stand beyond [`CHUNK`].
const MAX_CHUNK: usize = CHUNK + Transaction::MAX_KEY + Transaction::MAX_VALUE + 64 + OVERHEAD;
const SEALED_KEY_LEN: usize = KEY_LEN + OVERHEAD;

/// Writes a backup of everything at one revision. The store serves meanwhile.
///
/// # Errors
/// When the store can't be read, or `out` not written.
pub async fn write(vault: &Vault, out: &mut (dyn AsyncWrite + Unpin + Send)) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Backup(format!("can't write the backup: {error}"));
    let (root, portable, snapshot) = vault.for_backup().await?;
    let key = Secret::random(KEY_LEN, vault.random())?;
    let header = header(vault, &root, &portable, &key)?;
    out.write_all(&header).await.map_err(failed)?;
    let mut chunks =
        Chunks { cipher: CommittingAead::new(Algorithm::Aes256, &key)?, header: hash_of(&header), number: 0 };
    let (mut plain, mut count, mut after) = (vec![MORE], 0u64, None::<Vec<u8>>);
    loop {
        let page = snapshot.scan(&[], after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for row in &page {
            put_row(&mut plain, row);
            count += 1;
            if plain.len() >= CHUNK {
                out.write_all(&chunks.seal(vault, &plain)?).await.map_err(failed)?;
                plain.truncate(1);
            }
        }
    }
    if plain.len() > 1 {
        out.write_all(&chunks.seal(vault, &plain)?).await.map_err(failed)?;
    }
    let last = [&[LAST][..], &count.to_be_bytes()].concat();
    out.write_all(&chunks.seal(vault, &last)?).await.map_err(failed)?;
    out.flush().await.map_err(failed)
}

/// Reads a backup whole, and opens every record in it. Answers how many there are.
///
/// # Errors
/// [`Error::Backup`] whatever is wrong with it.
pub async fn verify(file: File, seal: &dyn Seal) -> Result<u64, Error> {
    let mut reader = Reader::start(BufReader::new(file), seal)?;
    let mut records = 0;
    while let Some(rows) = reader.next()? {
        records += rows.len() as u64;
    }
    Ok(records)
}

/// Writes a backup's records into an empty store. Answers how many. [`verify`] comes first.
///
/// Domain keys are wrapped under the root key that the seal holds; a seal that holds none takes the backup's. A record named
/// [`restored_name`] tells the crates above of the restore.
///
/// # Errors
/// [`Error::Backup`] if the backup can't be read whole, or the store is not empty.
pub async fn restore(file: File, seal: &dyn Seal, store: &dyn Store) -> Result<u64, Error> {
    let mut reader = Reader::start(BufReader::new(file), seal)?;
    if !store.snapshot().await?.scan(&[], None, 1).await?.is_empty() {
        return Err(Error::Backup("the store to restore into is not empty".into()));
    }
    let target = match seal.load()?.and_then(|held| held.into_iter().next()) {
        Some(newest) => RootKey::new(newest)?,
        None => {
            seal.save(&[reader.root.secret.duplicate()])?;
            RootKey::new(reader.root.secret.duplicate())?
        }
    };
    let mut records = 0;
    let mut cut = Cut::new(store.limits());
    let mut generation = 0;
    while let Some(rows) = reader.next()? {
        records += rows.len() as u64;
        for (name, key, mut value) in rows {
            generation = generation.max(generation_of(&value));
            if name.kind == DOMAIN_KEY {
                let opened = open(&reader.root.cipher, &name, &key, &value)?;
                value = wrap(&target.cipher, &SystemRandom, generation + 1, &key, &opened)?;
            }
            if let Some(full) = cut.put(Vec::new(), key, value) {
                store.commit(full).await?;
            }
        }
    }
    store.commit(cut.rest()).await?;
    let name = restored_name();
    let (system, secret) = reader.domains.get(&Domain::SYSTEM).ok_or_else(damaged)?;
    let row_key = name.row_key()?;
    let value = wrap(system, &SystemRandom, generation + 1, &row_key, &Secret::new(vec![1]))?;
    store.commit(Transaction { puts: vec![(row_key, value)], ..Transaction::default() }).await?;
    // It is another store than the one that the backup is of, and every row was authenticated as the backup's.
    let digester = StoreDigester::new(secret, system.clone(), Arc::new(SystemRandom));
    store.keep_digest(Arc::new(digester), Trust::FirstUse).await?;
    Ok(records)
}

/// Name of the record that a restore leaves, until whoever has to act on it deletes it.
pub fn restored_name() -> RecordName {
    RecordName { kind: RESTORED, domain: Domain::SYSTEM, id: Vec::new(), version: Vec::new() }
}

/// What a backup says before its chunks.
#[derive(Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The seal that it was made under.
    pub seal: &'a str,
    /// What that seal adds, see [`Seal::portable`].
    pub portable: &'a [u8],
    sealed_key: &'a [u8; SEALED_KEY_LEN],
    /// All of it up to the sealed key, which is bound to it.
    head: &'a [u8],
    whole: &'a [u8],
}

/// Reads a header from the start of a backup.
///
/// # Errors
/// [`Error::Backup`] if it is none.
pub fn parse_header(bytes: &[u8]) -> Result<Header<'_>, Error> {
    let none = || Error::Backup("the file is not a yaoku backup, or its beginning is damaged".into());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(none)?;
    let (&length, rest) = rest.split_first().ok_or_else(none)?;
    let (seal, rest) = rest.split_at_checked(usize::from(length)).ok_or_else(none)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(none)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| none())?;
    if length > MAX_PORTABLE {
        return Err(none());
    }
    let (portable, rest) = rest.split_at_checked(length).ok_or_else(none)?;
    let (sealed_key, rest) = rest.split_first_chunk::<SEALED_KEY_LEN>().ok_or_else(none)?;
    let whole = &bytes[..bytes.len() - rest.len()];
    let seal = std::str::from_utf8(seal).map_err(|_| none())?;
    Ok(Header { seal, portable, sealed_key, head: &whole[..whole.len() - SEALED_KEY_LEN], whole })
}

/// Reads the rows of an opened chunk; `None` for the last one, whose count is then given.
///
/// # Errors
/// [`Error::Backup`] if it has another form.
pub fn parse_chunk(plain: &[u8]) -> Result<ChunkContent<'_>, Error> {
    let (&kind, mut rest) = plain.split_first().ok_or_else(damaged)?;
    if kind == LAST {
        return Ok(ChunkContent::Last(u64::from_be_bytes(rest.try_into().map_err(|_| damaged())?)));
    }
    if kind != MORE {
        return Err(damaged());
    }
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
        let (key, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(damaged)?;
        let (length, tail) = tail.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged())?;
        let (value, tail) = tail.split_at_checked(length).ok_or_else(damaged)?;
        rows.push((key, value));
        rest = tail;
    }
    Ok(ChunkContent::Rows(rows))
}

/// What a chunk holds.
#[derive(Debug, PartialEq, Eq)]
pub enum ChunkContent<'a> {
    /// Keys and sealed values.
    Rows(Vec<(&'a [u8], &'a [u8])>),
    /// The end, and how many rows there were.
    Last(u64),
}

/// First byte of a chunk that has rows, and of the one that ends the file.
const MORE: u8 = 0;
const LAST: u8 = 1;

fn header(vault: &Vault, root: &RootKey, portable: &[u8], key: &Secret) -> Result<Vec<u8>, Error> {
    let name = vault.seal().name();
    let mut header = MAGIC.to_vec();
    header.push(u8::try_from(name.len()).map_err(|_| damaged())?);
    header.extend_from_slice(name.as_bytes());
    header.extend_from_slice(&u32::try_from(portable.len()).map_err(|_| damaged())?.to_be_bytes());
    header.extend_from_slice(portable);
    let head = header.clone();
    root.cipher.seal(vault.random(), &key_aad(&head), key.expose(), &mut header)?;
    Ok(header)
}

/// The backup key is bound to the header that it comes with, and can't be taken for a record.
fn key_aad(head: &[u8]) -> Vec<u8> {
    [b"yaoku backup key v1\0", head].concat()
}

fn hash_of(header: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(hash(Hash::Sha256, header).as_bytes());
    digest
}

fn put_row(plain: &mut Vec<u8>, row: &Row) {
    // The store bounds both lengths far below these numbers.
    plain.extend_from_slice(&u16::try_from(row.key.len()).unwrap_or(u16::MAX).to_be_bytes());
    plain.extend_from_slice(&row.key);
    plain.extend_from_slice(&u32::try_from(row.value.len()).unwrap_or(u32::MAX).to_be_bytes());
    plain.extend_from_slice(&row.value);
}

/// Seals and opens chunks in their order.
struct Chunks {
    cipher: CommittingAead,
    header: [u8; 32],
    number: u64,
}

impl Chunks {
    fn aad(&mut self) -> [u8; 40] {
        let mut aad = [0; 40];
        aad[..32].copy_from_slice(&self.header);
        aad[32..].copy_from_slice(&self.number.to_be_bytes());
        self.number += 1;
        aad
    }

    /// Length and sealed bytes.
    fn seal(&mut self, vault: &Vault, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = u32::try_from(plain.len() + OVERHEAD).map_err(|_| damaged())?.to_be_bytes().to_vec();
        let aad = self.aad();
        self.cipher.seal(vault.random(), &aad, plain, &mut out)?;
        Ok(out)
    }

    fn open(&mut self, sealed: &[u8]) -> Result<Secret, Error> {
        let aad = self.aad();
        self.cipher.open(&aad, sealed).map_err(|_| damaged())
    }
}

/// Reads a backup from its start to its end, and lets nothing through that does not open.
struct Reader<R> {
    input: R,
    root: RootKey,
    chunks: Chunks,
    domains: HashMap<Domain, (Arc<CommittingAead>, Secret)>,
    rows: u64,
    ended: bool,
}

type Opened = (RecordName, Vec<u8>, Vec<u8>);

impl<R: Read> Reader<R> {
    fn start(mut input: R, seal: &dyn Seal) -> Result<Self, Error> {
        let bytes = read_header(&mut input)?;
        let header = parse_header(&bytes)?;
        let held = seal.load()?.unwrap_or_default();
        let carried = seal.open_portable(header.portable)?.unwrap_or_default();
        for secret in held.into_iter().chain(carried) {
            let root = RootKey::new(secret)?;
            let Ok(key) = root.cipher.open(&key_aad(header.head), header.sealed_key) else { continue };
            let cipher = CommittingAead::new(Algorithm::Aes256, &key)?;
            let chunks = Chunks { cipher, header: hash_of(header.whole), number: 0 };
            return Ok(Self { input, root, chunks, domains: HashMap::new(), rows: 0, ended: false });
        }
        Err(Error::Backup(format!(
            "the seal does not open this backup, which was made under a seal of kind {}; name that seal with --seal, \
             or give its passphrase (or the backup is damaged at its start)",
            header.seal
        )))
    }

    /// The rows of the next chunk, each of which opens under its name; none at the proper end.
    fn next(&mut self) -> Result<Option<Vec<Opened>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.input.read_exact(&mut length).map_err(|_| damaged())?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| damaged())?;
        if !(OVERHEAD..=MAX_CHUNK).contains(&length) {
            return Err(damaged());
        }
        let mut sealed = vec![0; length];
        self.input.read_exact(&mut sealed).map_err(|_| damaged())?;
        let plain = self.chunks.open(&sealed)?;
        match parse_chunk(plain.expose())? {
            ChunkContent::Last(count) => {
                let more = self.input.read(&mut [0]).map_err(|_| damaged())?;
                if count != self.rows || more != 0 {
                    return Err(damaged());
                }
                self.ended = true;
                Ok(None)
            }
            ChunkContent::Rows(rows) => {
                self.rows += rows.len() as u64;
                rows.into_iter().map(|(key, value)| self.check(key, value)).collect::<Result<_, _>>().map(Some)
            }
        }
    }

    fn check(&mut self, key: &[u8], value: &[u8]) -> Result<Opened, Error> {
        let name = RecordName::of_row_key(key).ok_or_else(damaged)?;
        if name.kind == DOMAIN_KEY {
            // Kinds come in order, so that a domain's key stands before its records.
            let domain_key = open(&self.root.cipher, &name, key, value)?;
            let cipher = Arc::new(CommittingAead::new(Algorithm::Aes256, &domain_key)?);
            self.domains.insert(name.domain, (cipher, domain_key));
        } else {
            let (cipher, _) = self.domains.get(&name.domain).ok_or_else(damaged)?;
            open(cipher, &name, key, value)?;
        }
        Ok((name, key.to_vec(), value.to_vec()))
    }
}

/// Reads as many bytes as the header has, and no more.
fn read_header(input: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut take = |bytes: &mut Vec<u8>, more: usize| {
        let start = bytes.len();
        bytes.resize(start + more, 0);
        input
            .read_exact(&mut bytes[start..])
            .map_err(|_| Error::Backup("the file is not a yaoku backup, or it is truncated".into()))
    };
    take(&mut bytes, MAGIC.len() + 1)?;
    let name = usize::from(bytes[MAGIC.len()]);
    take(&mut bytes, name + 4)?;
    let length = bytes.last_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    if length > MAX_PORTABLE {
        return Err(damaged());
    }
    take(&mut bytes, length + SEALED_KEY_LEN)?;
    Ok(bytes)
}

fn damaged() -> Error {
    Error::Backup("the backup is damaged or truncated; nothing was changed".into())
}
