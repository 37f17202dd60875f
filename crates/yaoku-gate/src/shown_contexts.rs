//! What records show of encryption contexts, where the operator wants them shown: of the names that they chose the values, of
//! others a keyed hash. Equal values have equal hashes, and who reads the log can't try values, since the key stays here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_crypto::mac::{Hash, HmacKey};
use yaoku_seal::{Changes, Domain, Kind, Outcome, RecordName, Vault};

/// The key of the hashes: one an installation.
const CONTEXT_KEY: Kind = Kind(41);
/// How often it is tried to make one, against other processes.
const ATTEMPTS: usize = 8;

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

    /// Shows each entry of some contexts, by a name that says in which it stands if there are several. No entry, whatever its name,
    /// is shown as that of another context.
    pub(crate) fn show(&self, contexts: &[Arc<BTreeMap<String, String>>], show: &mut dyn FnMut(&str, &str)) {
        for (number, context) in (1..).zip(contexts) {
            for (name, value) in context.iter() {
                let shown_name = match number {
                    1 => format!("EncryptionContext.{name}"),
                    _ => format!("EncryptionContext[{number}].{name}"),
                };
                match self.names.contains(name) {
                    true => show(&shown_name, value),
                    false => show(&shown_name, &self.hash(name, value)),
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(contexts: &[&[(&str, &str)]]) -> Vec<(String, String)> {
        let names = BTreeSet::from(["bucket".to_owned()]);
        let shown = ShownContexts { names, key: HmacKey::new(Hash::Sha256, b"key") };
        let map = |entries: &&[(&str, &str)]| {
            Arc::new(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let contexts: Vec<_> = contexts.iter().map(map).collect();
        let mut all = Vec::new();
        shown.show(&contexts, &mut |name, value| all.push((name.to_owned(), value.to_owned())));
        all
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
