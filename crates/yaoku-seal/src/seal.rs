//! Seals: what holds the root key when yaoku does not run.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use yaoku_crypto::aead::{Algorithm, CommittingAead};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::passphrase::{Cost, derive};
use yaoku_crypto::{Secret, SystemRandom};
use zeroize::Zeroizing;

use crate::Error;
use crate::vault::KEY_LEN;

/// Holds the root key. All of it blocks; it is used at start, on rotation, and on restore.
pub trait Seal: Send + Sync {
    /// One word for messages and backups.
    fn name(&self) -> &'static str;

    /// The root keys, newest first: two of them only while a rotation is under way. None if the seal was never set up.
    ///
    /// # Errors
    /// [`Error::Seal`] if it can't be read or opened.
    fn load(&self) -> Result<Option<Vec<Secret>>, Error>;

    /// Holds these root keys from now on, durably, in place of those before.
    ///
    /// # Errors
    /// [`Error::Seal`] if it can't be written; then it holds what it held.
    fn save(&self, root_keys: &[Secret]) -> Result<(), Error>;

    /// What a backup carries so that [`Seal::open_portable`] can open it elsewhere; may be empty.
    ///
    /// # Errors
    /// [`Error::Seal`] if it can't be read.
    fn portable(&self) -> Result<Vec<u8>, Error>;

    /// The root keys in what a backup carries; none if there are none in it for this seal.
    ///
    /// # Errors
    /// [`Error::Seal`] if it is damaged or does not open.
    fn open_portable(&self, portable: &[u8]) -> Result<Option<Vec<Secret>>, Error>;
}

/// The root key in a file of mode 0600. Who can read the file can open the store.
pub struct FileSeal {
    /// The file.
    pub path: PathBuf,
}

/// First line of a file seal.
const FILE_TITLE: &str = "yaoku root key, version 1: keep it secret, and a copy of it apart from the data";
/// No seal is longer than this.
const MAX_SEAL: u64 = 64 << 10;

impl Seal for FileSeal {
    fn name(&self) -> &'static str {
        "file"
    }

    fn load(&self) -> Result<Option<Vec<Secret>>, Error> {
        let Some(text) = read_private(&self.path)? else { return Ok(None) };
        let damaged = || Error::Seal(format!("{} is damaged; replace it with a copy", self.path.display()));
        let text = std::str::from_utf8(text.expose()).map_err(|_| damaged())?;
        let mut lines = text.lines();
        if lines.next() != Some(FILE_TITLE) {
            return Err(damaged());
        }
        let keys = lines.map(|line| read_line(line).ok_or_else(damaged)).collect::<Result<Vec<_>, _>>()?;
        if !(1..=2).contains(&keys.len()) {
            return Err(damaged());
        }
        Ok(Some(keys))
    }

    fn save(&self, root_keys: &[Secret]) -> Result<(), Error> {
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_TITLE.len() + 1 + root_keys.len() * 128));
        text.extend_from_slice(FILE_TITLE.as_bytes());
        text.push(b'\n');
        for key in root_keys {
            for byte in key.expose().iter().chain(checksum(key.expose()).iter()) {
                text.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
            text.push(b'\n');
        }
        write_private(&self.path, &text)
    }

    fn portable(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn open_portable(&self, _: &[u8]) -> Result<Option<Vec<Secret>>, Error> {
        Ok(None)
    }
}

/// The root key in a file, sealed under a key that Argon2id makes of a passphrase.
pub struct PassphraseSeal {
    /// The file.
    pub path: PathBuf,
    /// The passphrase.
    pub passphrase: Secret,
    /// What deriving the key costs when the file is written; the file says what it cost when it is read.
    pub cost: Cost,
}

/// First bytes of a passphrase seal; then memory, passes and lanes (4 bytes each, big-endian), salt (16), sealed root keys.
const PASSPHRASE_MAGIC: &[u8; 8] = b"YAOKUPS1";
const PASSPHRASE_HEAD: usize = 8 + 12 + 16;

impl PassphraseSeal {
    fn open(&self, bytes: &[u8]) -> Result<Vec<Secret>, Error> {
        let damaged = || Error::Seal("the passphrase seal is damaged; replace it with a copy".into());
        let (head, sealed) = bytes.split_first_chunk::<PASSPHRASE_HEAD>().ok_or_else(damaged)?;
        let (magic, rest) = head.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (numbers, salt) = rest.split_first_chunk::<12>().ok_or_else(damaged)?;
        if magic != PASSPHRASE_MAGIC {
            return Err(damaged());
        }
        let number = |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        let cost = Cost { memory_kib: number(0), passes: number(4), lanes: number(8) };
        let salt = salt.try_into().map_err(|_| damaged())?;
        let key = derive(&self.passphrase, &salt, cost)?;
        let cipher = CommittingAead::new(Algorithm::Aes256, &key)?;
        let opened = cipher.open(head, sealed).map_err(|_| {
            Error::Seal(
                "the passphrase does not open the seal; use the passphrase with which the seal was created".into(),
            )
        })?;
        split_root_keys(&opened).ok_or_else(damaged)
    }
}

impl Seal for PassphraseSeal {
    fn name(&self) -> &'static str {
        "passphrase"
    }

    fn load(&self) -> Result<Option<Vec<Secret>>, Error> {
        let Some(bytes) = read_private(&self.path)? else { return Ok(None) };
        self.open(bytes.expose()).map(Some)
    }

    fn save(&self, root_keys: &[Secret]) -> Result<(), Error> {
        let salt = Secret::random(16, &SystemRandom)?;
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(PASSPHRASE_MAGIC);
        for number in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(salt.expose());
        let salt = salt.expose().try_into().map_err(|_| Error::Seal("the salt has another length".into()))?;
        let key = derive(&self.passphrase, &salt, self.cost)?;
        let mut keys = Zeroizing::new(Vec::with_capacity(2 * KEY_LEN));
        root_keys.iter().for_each(|key| keys.extend_from_slice(key.expose()));
        let head = bytes.clone();
        CommittingAead::new(Algorithm::Aes256, &key)?.seal(&SystemRandom, &head, &keys, &mut bytes)?;
        write_private(&self.path, &bytes)
    }

    fn portable(&self) -> Result<Vec<u8>, Error> {
        Ok(read_private(&self.path)?.map(|bytes| bytes.expose().to_vec()).unwrap_or_default())
    }

    fn open_portable(&self, portable: &[u8]) -> Result<Option<Vec<Secret>>, Error> {
        if portable.starts_with(PASSPHRASE_MAGIC) { self.open(portable).map(Some) } else { Ok(None) }
    }
}

/// One root key, or two behind each other.
pub(crate) fn split_root_keys(bytes: &Secret) -> Option<Vec<Secret>> {
    let (keys, rest) = bytes.expose().as_chunks::<KEY_LEN>();
    let whole = (1..=2).contains(&keys.len()) && rest.is_empty();
    whole.then(|| keys.iter().map(|key| Secret::new(key.to_vec())).collect())
}

/// A file that nobody else can read; none if it is not there.
pub(crate) fn read_private(path: &Path) -> Result<Option<Secret>, Error> {
    let failed = |error: io::Error| Error::Seal(format!("{} can't be read: {error}", path.display()));
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o077 != 0 {
        let path = path.display();
        return Err(Error::Seal(format!(
            "{path} can be read by other users; run chmod 600 {path}, and consider who may have read it"
        )));
    }
    if metadata.len() > MAX_SEAL {
        return Err(Error::Seal(format!("{} is not a seal: the file is too long", path.display())));
    }
    let mut bytes = vec![0; usize::try_from(metadata.len()).unwrap_or_default()];
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(Some(Secret::new(bytes)))
}

/// Replaces a file in one step, durably; nobody else can read it at any moment. A symbolic link stays one.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || {
        let path = match std::fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            other => other?,
        };
        // The whole name and more, which no seal has.
        let mut aside = path.clone().into_os_string();
        aside.push(".yaoku-new");
        let aside = PathBuf::from(aside);
        match std::fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&aside, &path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| Error::Seal(format!("{} can't be written: {error}", path.display())))
}

/// A root key and its checksum in hexadecimal.
fn read_line(line: &str) -> Option<Secret> {
    let digits = line.as_bytes();
    if digits.len() != 2 * (KEY_LEN + 4) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LEN + 4));
    for pair in digits.chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    let (key, sum) = bytes.split_at(KEY_LEN);
    (checksum(key) == *sum).then(|| Secret::new(key.to_vec()))
}

/// Four bytes of SHA-256: a root key that was mistyped is told from one of another store.
fn checksum(key: &[u8]) -> [u8; 4] {
    let digest = hash(Hash::Sha256, key);
    let bytes = digest.as_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

const fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[nibble as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const CHEAP: Cost = Cost { memory_kib: 8 << 10, passes: 1, lanes: 1 };

    fn passphrase(path: &Path, passphrase: &str) -> PassphraseSeal {
        PassphraseSeal { path: path.to_owned(), passphrase: Secret::new(passphrase.into()), cost: CHEAP }
    }

    #[test]
    fn seals_give_back_what_they_hold() {
        let dir = tempfile::tempdir().unwrap();
        let seals: [Box<dyn Seal>; 2] = [
            Box::new(FileSeal { path: dir.path().join("file") }),
            Box::new(passphrase(&dir.path().join("pass"), "open")),
        ];
        for seal in seals {
            assert!(seal.load().unwrap().is_none());
            for count in [1, 2, 1] {
                let keys: Vec<_> = (0..count).map(|n| Secret::new(vec![n; 32])).collect();
                seal.save(&keys).unwrap();
                let held = seal.load().unwrap().unwrap();
                assert!(held.len() == keys.len() && held.iter().zip(&keys).all(|(a, b)| a.ct_eq(b.expose())));
            }
        }
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_wrong_passphrase_is_told() {
        let path = tempfile::tempdir().unwrap().keep().join("seal");
        passphrase(&path, "right").save(&[Secret::new(vec![1; 32])]).unwrap();
        let error = passphrase(&path, "wrong").load().err().unwrap().to_string();
        assert!(error.contains("does not open the seal"), "{error}");
        let bytes = std::fs::read(&path).unwrap();
        assert!(passphrase(&path, "right").open_portable(&bytes).unwrap().is_some());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn damaged_seals_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let seals: [(&str, Box<dyn Seal>); 2] = [
            ("file", Box::new(FileSeal { path: dir.path().join("file") })),
            ("pass", Box::new(passphrase(&dir.path().join("pass"), "p"))),
        ];
        for (name, seal) in seals {
            seal.save(&[Secret::new(vec![1; 32])]).unwrap();
            let (path, whole) = (dir.path().join(name), std::fs::read(dir.path().join(name)).unwrap());
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 1;
                std::fs::write(&path, &damaged).unwrap();
                let Ok(held) = seal.load() else { continue };
                // The case of a hexadecimal digit and the last line's end carry nothing.
                assert!(held.unwrap()[0].ct_eq(&[1; 32]), "byte {at} of {name}");
            }
        }
    }

    /// A name that an earlier scheme for the file aside would have taken for its own, and a link to another place.
    #[test]
    fn saving_touches_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let (seal, other) = (FileSeal { path: dir.path().join("root.new") }, dir.path().join("root.key"));
        std::fs::write(&other, "somebody else's").unwrap();
        seal.save(&[Secret::new(vec![1; 32])]).unwrap();
        seal.save(&[Secret::new(vec![2; 32])]).unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), b"somebody else's");
        let link = FileSeal { path: dir.path().join("link") };
        std::os::unix::fs::symlink(&seal.path, &link.path).unwrap();
        link.save(&[Secret::new(vec![3; 32])]).unwrap();
        assert!(std::fs::symlink_metadata(&link.path).unwrap().is_symlink());
        assert!(seal.load().unwrap().unwrap()[0].ct_eq(&[3; 32]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_seal_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let seal = FileSeal { path: dir.path().join("seal") };
        seal.save(&[Secret::new(vec![1; 32])]).unwrap();
        std::fs::set_permissions(&seal.path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(seal.load().err().unwrap().to_string().contains("chmod 600"));
    }
}
