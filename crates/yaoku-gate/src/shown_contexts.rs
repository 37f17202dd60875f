//! What records show of encryption contexts, where the operator wants them shown: of the names that they chose the values, of
//! others a keyed hash. Equal values have equal hashes, and who reads the log can't try values, since the key stays here.
//!
//! The chosen names of all contexts come first and always fit, so that nobody can have them left out by what else a call names. What is
//! cut has a hash of the whole beside it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_crypto::mac::{Hash, HmacKey};
use yaoku_seal::{Changes, Domain, Kind, Outcome, RecordName, Vault};

use crate::record::{MAX_NAME, MAX_VALUE, shortened};

/// An encryption context as a call names it.
type EncryptionContext = Arc<BTreeMap<String, String>>;

/// Bytes of the hash that stands beside a name that was cut.
const HASH_OF_NAME: usize = "hmac-sha256:".len() + 16;
/// The key of the hashes: one an installation.
const CONTEXT_KEY: Kind = Kind(41);
/// How often it is tried to make one, against other processes.
const ATTEMPTS: usize = 8;

/// Names that can be chosen: of so many, the values in all contexts of a call fit into its record.
const MOST_NAMES: usize = 4;
/// Bytes that a chosen name may have.
const MAX_CHOSEN: usize = 100;

/// What is wrong with the names to be shown.
///
/// # Errors
/// With a sentence.
pub fn check_shown_contexts(names: &[String]) -> Result<(), String> {
    match names {
        _ if names.len() > MOST_NAMES => Err(format!("at most {MOST_NAMES} names can be shown")),
        _ if names.iter().any(|name| name.is_empty() || name.len() > MAX_CHOSEN) => {
            Err(format!("a name has 1 to {MAX_CHOSEN} bytes"))
        }
        _ => Ok(()),
    }
}

/// What is shown.
pub(crate) struct ShownContexts {
    names: BTreeSet<String>,
    key: HmacKey,
}

impl ShownContexts {
    pub(crate) async fn open(vault: &Vault, names: Vec<String>) -> Result<Self, yaoku_seal::Error> {
        let name = RecordName { kind: CONTEXT_KEY, domain: Domain::SYSTEM, id: b"key".to_vec(), version: Vec::new() };
        for _ in 0..ATTEMPTS {
            if let Some(stored) = vault.get(&name).await? {
                let key = HmacKey::new(Hash::Sha256, stored.bytes.expose());
                return Ok(Self { names: names.into_iter().collect(), key });
            }
            let puts = vec![(name.clone(), Secret::random(32, vault.random())?)];
            let made = Changes { expected: vec![(name.clone(), None)], puts, deletes: Vec::new() };
            match vault.commit(made).await? {
                // Whoever was first, what is there now is read.
                Outcome::Committed(_) | Outcome::Conflict { .. } => {}
            }
        }
        Err(yaoku_seal::Error::Record("of the key of encryption contexts can't be made".into()))
    }

    /// Shows the chosen entries of some numbered contexts, by a name that says in which they stand unless it is the first. No entry,
    /// whatever its name, is shown as that of another context.
    pub(crate) fn show_chosen(&self, contexts: &[(usize, EncryptionContext)], show: &mut dyn FnMut(&str, &str)) {
        for (number, context) in contexts {
            for name in &self.names {
                let Some(value) = context.get(name) else { continue };
                let shown_name = numbered(*number, name);
                match shortened(value, MAX_VALUE) {
                    Cow::Borrowed(whole) => show(&shown_name, whole),
                    Cow::Owned(_) => {
                        let hash = self.hash(name, value);
                        show(&shown_name, &format!("{} {hash}", shortened(value, MAX_VALUE - hash.len() - 1)));
                    }
                }
            }
        }
    }

    /// Shows the hashes of the other entries, as [`Self::show_chosen`] does.
    pub(crate) fn show_others(&self, contexts: &[(usize, EncryptionContext)], show: &mut dyn FnMut(&str, &str)) {
        for (number, context) in contexts {
            for (name, value) in context.iter().filter(|(name, _)| !self.names.contains(*name)) {
                let whole = numbered(*number, name);
                let shown_name = match shortened(&whole, MAX_NAME) {
                    Cow::Borrowed(whole) => whole.to_owned(),
                    Cow::Owned(_) => {
                        let hash: String = self.hash("", name).chars().take(HASH_OF_NAME).collect();
                        format!("{} {hash}", shortened(&whole, MAX_NAME - HASH_OF_NAME - 1))
                    }
                };
                show(&shown_name, &self.hash(name, value));
            }
        }
    }

    /// The hash of a value under its name: no other name's value has the same.
    fn hash(&self, name: &str, value: &str) -> String {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
        let text = [&length[..], name.as_bytes(), value.as_bytes()].concat();
        let hash = self.key.sign(&text);
        let hex: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("hmac-sha256:{hex}")
    }
}

/// The name of an entry of a context by its number.
fn numbered(number: usize, name: &str) -> String {
    match number {
        1 => format!("EncryptionContext.{name}"),
        _ => format!("EncryptionContext[{number}].{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(contexts: &[&[(&str, &str)]]) -> Vec<(String, String)> {
        let names = BTreeSet::from(["bucket".to_owned()]);
        let shown = ShownContexts { names, key: HmacKey::new(Hash::Sha256, b"key") };
        let map = |entries: &&[(&str, &str)]| {
            Arc::new(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let contexts: Vec<_> = (1..).zip(contexts.iter().map(map)).collect();
        let mut all = Vec::new();
        shown.show_chosen(&contexts, &mut |name, value| all.push((name.to_owned(), value.to_owned())));
        shown.show_others(&contexts, &mut |name, value| all.push((name.to_owned(), value.to_owned())));
        all
    }

    #[test]
    fn chosen_names_come_first_and_what_is_cut_has_a_hash_of_the_whole() {
        let (long, other) = ("b".repeat(600), format!("{}!", "b".repeat(600)));
        let all = shown(&[&[("a", "x"), ("bucket", &long)], &[("bucket", &other)]]);
        assert_eq!(
            (&*all[0].0, &*all[1].0, &*all[2].0),
            ("EncryptionContext.bucket", "EncryptionContext[2].bucket", "EncryptionContext.a")
        );
        assert!(all[0].1.len() <= MAX_VALUE && all[0].1.contains("… hmac-sha256:"));
        assert_ne!(all[0].1, all[1].1, "told apart by what was cut off");
        let (one, two) = (format!("{}1", "n".repeat(300)), format!("{}2", "n".repeat(300)));
        let all = shown(&[&[(&one, "x"), (&two, "x")]]);
        assert!(all[0].0 != all[1].0 && all.iter().all(|(name, _)| name.len() <= MAX_NAME), "{all:?}");
        assert!(
            check_shown_contexts(&vec!["x".into(); 4]).is_ok() && check_shown_contexts(&vec!["x".into(); 5]).is_err()
        );
        assert!(check_shown_contexts(&["x".repeat(101)]).is_err() && check_shown_contexts(&[String::new()]).is_err());
    }

    #[test]
    fn values_of_other_names_are_told_apart_and_not_shown() {
        let all = shown(&[&[("bucket", "b1"), ("owner", "b1")], &[("bucket", "b2"), ("owner", "b1"), ("other", "b1")]]);
        let value = |name: &str| &*all.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!((value("EncryptionContext.bucket"), value("EncryptionContext[2].bucket")), ("b1", "b2"));
        assert_eq!(value("EncryptionContext.owner"), value("EncryptionContext[2].owner"));
        assert_ne!(value("EncryptionContext.owner"), value("EncryptionContext[2].other"));
        assert!(value("EncryptionContext.owner").starts_with("hmac-sha256:"));
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn no_name_takes_the_place_of_another_contexts() {
        let all = shown(&[&[("2.bucket", "x"), ("[2].bucket", "x"), ("", "x")], &[("bucket", "y")]]);
        let names: BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
        assert_eq!((all.len(), names.len()), (4, 4));
        assert!(all.contains(&("EncryptionContext[2].bucket".to_owned(), "y".to_owned())));
    }
}
