//! Secret bytes as a type.

use zeroize::Zeroize;

use crate::{Error, Random};

/// Bytes that are wiped from memory when dropped.
///
/// It can't be printed, serialised or cloned, and compares in constant time only. The bytes are reached by
/// [`Secret::expose`] alone, so that every place that does can be found by that name.
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes bytes over; if the vector has spare capacity, they move to a box of exact size and the vector is wiped.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        if bytes.capacity() == bytes.len() {
            return Self(bytes.into_boxed_slice());
        }
        let exact = Box::from(bytes.as_slice());
        bytes.zeroize();
        Self(exact)
    }

    /// Draws `len` random bytes.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn random(len: usize, random: &dyn Random) -> Result<Self, Error> {
        let mut secret = Self(vec![0; len].into_boxed_slice());
        random.fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the bytes are those, in time that depends on the lengths only.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        crate::mac::ct_eq(&self.0, other)
    }

    /// A copy; the one way to make one, named so that every place that does can be found.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn bytes_go_in_and_come_out() {
        let mut spare = Vec::with_capacity(64);
        spare.extend_from_slice(b"material");
        for bytes in [b"material".to_vec(), spare] {
            let secret = Secret::new(bytes);
            assert_eq!((secret.expose(), secret.len()), (&b"material"[..], 8));
            assert!(secret.ct_eq(b"material") && secret.duplicate().ct_eq(b"material"));
            assert!(!secret.ct_eq(b"materiaL") && !secret.ct_eq(b"materia"));
        }
        assert!(Secret::new(Vec::new()).is_empty());
    }

    /// Fails to compile if a type that holds a secret can be printed or cloned: `claim` is then ambiguous.
    #[test]
    fn secrets_can_not_be_printed_or_cloned() {
        trait Claim<Which> {
            fn claim() {}
        }
        struct Print;
        struct Clone_;
        impl<T> Claim<()> for T {}
        impl<T: std::fmt::Debug> Claim<Print> for T {}
        impl<T: Clone> Claim<Clone_> for T {}
        <Secret as Claim<_>>::claim();
        <crate::aead::CommittingAead as Claim<_>>::claim();
        <crate::mac::HmacKey as Claim<_>>::claim();
        <crate::mac::SigningSecret as Claim<_>>::claim();
    }

    #[test]
    fn no_secret_without_randomness() {
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), Error> {
                Err(Error::Random)
            }
        }
        assert!(matches!(Secret::random(32, &Broken), Err(Error::Random)));
    }

    #[test]
    fn random_secrets_differ() {
        let [a, b] = [(); 2].map(|()| Secret::random(32, &SystemRandom).unwrap());
        assert!(!a.ct_eq(b.expose()));
    }
}
