//! Random passwords.

use yaoku_crypto::{Random, Secret};
use yaoku_iam::{Call, Operation, OperationSpec};
use yaoku_kms::{SERVICE_USE, proceed};
use zeroize::Zeroizing;

use crate::resource::{SERVICE, secret_states};
use crate::{Error, Field, Secrets};

/// Kinds of characters, in the order of [`Characters`].
const KINDS: [&[u8]; 4] = [
    b"abcdefghijklmnopqrstuvwxyz",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"0123456789",
    b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
];
/// Random bytes that are drawn at a time.
const DRAWN: usize = 256;

/// Which kinds of characters a password has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Characters {
    /// `a` to `z`.
    pub lowercase: bool,
    /// `A` to `Z`.
    pub uppercase: bool,
    /// `0` to `9`.
    pub numbers: bool,
    /// The other printable characters of ASCII, without the space.
    pub punctuation: bool,
}

/// Draws a random password.
pub struct GetRandomPassword {
    /// Its length: 8 to 128.
    pub length: u32,
    /// What it is made of.
    pub characters: Characters,
    /// Characters that it must not have.
    pub excluded: String,
    /// Whether it must have at least one character of each kind.
    pub each_kind: bool,
}

impl Operation for GetRandomPassword {
    type Domain = Secrets;
    type Output = Secret;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetRandomPassword", &[SERVICE_USE], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Secret, Error> {
        secrets.kms.allow_service_use(call, &Self::SPEC)?;
        if !(8..=128).contains(&self.length) {
            return Err(Error::invalid(Field::PasswordLength, "it must be 8 to 128"));
        }
        let kinds = self.kinds()?;
        proceed(call)?;
        let mut drawing = Drawing { random: secrets.vault.random(), drawn: Zeroizing::new(Vec::new()) };
        Ok(password(self.length as usize, &kinds, self.each_kind, |below| drawing.below(below))?)
    }
}

impl GetRandomPassword {
    /// The characters of each kind that is wanted.
    fn kinds(&self) -> Result<Vec<Vec<u8>>, Error> {
        let Characters { lowercase, uppercase, numbers, punctuation } = self.characters;
        let wanted = KINDS.into_iter().zip([lowercase, uppercase, numbers, punctuation]);
        let kinds = wanted.filter(|(_, is_wanted)| *is_wanted).map(|(kind, _)| {
            kind.iter().copied().filter(|byte| !self.excluded.as_bytes().contains(byte)).collect::<Vec<_>>()
        });
        let kinds: Vec<_> = kinds.collect();
        if kinds.iter().all(Vec::is_empty) {
            return Err(Error::invalid(Field::PasswordCharacters, "nothing is left that a password could be made of"));
        }
        if self.each_kind && kinds.iter().any(Vec::is_empty) {
            let why = "of a kind that the password must have, every character is excluded";
            return Err(Error::invalid(Field::PasswordCharacters, why));
        }
        Ok(kinds)
    }
}

/// A password of characters that are drawn evenly. Where it must have one of each kind, those that do not are drawn anew: so all that
/// do are equally likely.
fn password(
    length: usize,
    kinds: &[Vec<u8>],
    each_kind: bool,
    mut below: impl FnMut(usize) -> Result<usize, yaoku_crypto::Error>,
) -> Result<Secret, yaoku_crypto::Error> {
    let all: Vec<u8> = kinds.concat();
    loop {
        let mut drawn = Zeroizing::new(Vec::with_capacity(length));
        for _ in 0..length {
            drawn.extend(all.get(below(all.len())?));
        }
        if !each_kind || kinds.iter().all(|kind| drawn.iter().any(|byte| kind.contains(byte))) {
            return Ok(Secret::new(std::mem::take(&mut *drawn)));
        }
    }
}

/// Draws numbers evenly.
struct Drawing<'a> {
    random: &'a dyn Random,
    drawn: Zeroizing<Vec<u8>>,
}

impl Drawing<'_> {
    /// A number below `below`, which is at most 256.
    fn below(&mut self, below: usize) -> Result<usize, yaoku_crypto::Error> {
        // What is beyond the last multiple would make some more likely than others.
        let fair = 256 - 256 % below;
        loop {
            if self.drawn.is_empty() {
                let mut bytes = Zeroizing::new(vec![0; DRAWN]);
                self.random.fill(&mut bytes)?;
                self.drawn = bytes;
            }
            let drawn = self.drawn.pop().map_or(0, usize::from);
            if drawn < fair {
                return Ok(drawn % below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaoku_crypto::SystemRandom;

    fn wanted(characters: Characters, excluded: &str, each_kind: bool) -> GetRandomPassword {
        GetRandomPassword { length: 8, characters, excluded: excluded.into(), each_kind }
    }

    const ALL: Characters = Characters { lowercase: true, uppercase: true, numbers: true, punctuation: true };

    #[test]
    fn passwords_have_what_they_must_and_nothing_else() {
        let mut drawing = Drawing { random: &SystemRandom, drawn: Zeroizing::new(Vec::new()) };
        let kinds = wanted(ALL, "abcABC012\"'", true).kinds().unwrap();
        for _ in 0..500 {
            let drawn = password(8, &kinds, true, |below| drawing.below(below)).unwrap();
            assert_eq!(drawn.len(), 8);
            assert!(kinds.iter().all(|kind| drawn.expose().iter().any(|byte| kind.contains(byte))));
            assert!(!drawn.expose().iter().any(|byte| b"abcABC012\"'".contains(byte)));
        }
        let numbers = Characters { lowercase: false, uppercase: false, punctuation: false, ..ALL };
        let kinds = wanted(numbers, "", true).kinds().unwrap();
        let drawn = password(128, &kinds, true, |below| drawing.below(below)).unwrap();
        assert!(drawn.expose().iter().all(u8::is_ascii_digit) && drawn.len() == 128);
    }

    #[test]
    fn every_character_is_equally_likely() {
        let mut drawing = Drawing { random: &SystemRandom, drawn: Zeroizing::new(Vec::new()) };
        let kinds = wanted(ALL, "", false).kinds().unwrap();
        assert_eq!(kinds.concat().len(), 94);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..1000 {
            let drawn = password(94, &kinds, false, |below| drawing.below(below)).unwrap();
            drawn.expose().iter().for_each(|byte| *counts.entry(*byte).or_insert(0) += 1);
        }
        // 1000 of each are expected, with a standard deviation of 31.
        assert!(counts.len() == 94 && counts.values().all(|count| (750..1250).contains(count)), "{counts:?}");
    }

    #[test]
    fn what_can_not_be_made_is_refused() {
        let nothing = Characters { lowercase: false, uppercase: false, numbers: false, punctuation: false };
        assert!(wanted(nothing, "", false).kinds().is_err());
        assert!(wanted(ALL, "0123456789", true).kinds().is_err());
        assert!(wanted(ALL, "0123456789", false).kinds().is_ok());
    }
}
