//! Keys of a McCallum-Relyea exchange on P-521, and the signatures over what is advertised of them (ES512).
//!
//! The client of such an exchange blinds its point, the server multiplies it by its private scalar, and the client takes the blinding
//! away again. Unlike ECDH, the server's answer is a whole point. Multiplication is p521's, in constant time; aws-lc-rs has none that
//! gives both coordinates. Signatures are those of aws-lc-rs.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::rand::SystemRandom as AwsRandom;
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use p521::elliptic_curve::{PublicKey, SecretKey};
use p521::{NistP521, ProjectivePoint};
use zeroize::Zeroizing;

use crate::{Error, Random, Secret};

/// Bytes of a coordinate, and of a private key.
pub const COORDINATE: usize = 66;
/// Bytes of a signature: r, then s.
pub const SIGNATURE: usize = 2 * COORDINATE;

/// A point of P-521 that is not the neutral element, and is on the curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// As SEC 1 has it (2.3.3): 4, then both coordinates.
    sec1: [u8; 1 + 2 * COORDINATE],
}

impl Point {
    /// Takes a point by its coordinates, big-endian, of full length.
    ///
    /// # Errors
    /// [`Error::PublicKey`] unless it is a point of the curve.
    pub fn new(x: &[u8], y: &[u8]) -> Result<Self, Error> {
        if x.len() != COORDINATE || y.len() != COORDINATE {
            return Err(Error::PublicKey("a coordinate of P-521 has 66 bytes"));
        }
        let mut sec1 = [4; 1 + 2 * COORDINATE];
        sec1[1..=COORDINATE].copy_from_slice(x);
        sec1[1 + COORDINATE..].copy_from_slice(y);
        let point = Self { sec1 };
        point.read().map(|_| point)
    }

    /// The first coordinate.
    pub fn x(&self) -> &[u8] {
        &self.sec1[1..=COORDINATE]
    }

    /// The second coordinate.
    pub fn y(&self) -> &[u8] {
        &self.sec1[1 + COORDINATE..]
    }

    fn read(&self) -> Result<PublicKey<NistP521>, Error> {
        PublicKey::from_sec1_bytes(&self.sec1).map_err(|_| Error::PublicKey("the point is not on P-521"))
    }

    fn of(key: &PublicKey<NistP521>) -> Result<Self, Error> {
        Self::of_sec1(&key.to_sec1_bytes())
    }

    fn of_sec1(bytes: &[u8]) -> Result<Self, Error> {
        let whole = Error::Library("a point of P-521 is not uncompressed");
        let sec1 = <[u8; 1 + 2 * COORDINATE]>::try_from(bytes).map_err(|_| whole)?;
        Ok(Self { sec1 })
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Point(")?;
        self.x().iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// The private scalar of an exchange.
pub struct ExchangeKey(SecretKey<NistP521>);

impl ExchangeKey {
    /// Draws a key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; COORDINATE]);
        // The order is a little less than 2^521, so that nearly every draw of 521 bits is below it.
        for _ in 0..64 {
            random.fill(&mut *bytes)?;
            bytes[0] &= 1;
            if let Ok(key) = SecretKey::from_slice(&*bytes) {
                return Ok(Self(key));
            }
        }
        Err(Error::Random)
    }

    /// Takes the bytes of a key, big-endian.
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::Material`] unless the scalar is of the group.
    pub fn of_material(material: &Secret) -> Result<Self, Error> {
        if material.len() != COORDINATE {
            return Err(Error::KeyLength { expected: COORDINATE, actual: material.len() });
        }
        SecretKey::from_slice(material.expose()).map(Self).map_err(|_| Error::Material)
    }

    /// The bytes of the key.
    pub fn material(&self) -> Secret {
        let bytes = Zeroizing::new(<[u8; COORDINATE]>::from(self.0.to_bytes()));
        Secret::new(bytes.to_vec())
    }

    /// The public key.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn public(&self) -> Result<Point, Error> {
        Point::of(&self.0.public_key())
    }

    /// The scalar times a point, in constant time.
    ///
    /// # Errors
    /// [`Error::PublicKey`]; [`Error::Library`].
    pub fn multiply(&self, point: &Point) -> Result<Point, Error> {
        let scalar = Zeroizing::new(*self.0.to_nonzero_scalar());
        let product: ProjectivePoint = point.read()?.to_projective() * *scalar;
        // The group is of prime order: neither factor is zero, so that the product isn't either.
        let product = PublicKey::from_affine(product.to_affine());
        Point::of(&product.map_err(|_| Error::Library("a product of P-521 is the neutral element"))?)
    }
}

/// A key that signs with ECDSA on P-521 and SHA-512: ES512 (RFC 7518, 3.4).
pub struct Es512Key {
    pair: EcdsaKeyPair,
    public: Point,
}

impl Es512Key {
    /// Draws a key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        Self::of_material(&ExchangeKey::generate(random)?.material())
    }

    /// Takes the bytes of a key, big-endian.
    ///
    /// # Errors
    /// As [`ExchangeKey::of_material`].
    pub fn of_material(material: &Secret) -> Result<Self, Error> {
        let public = ExchangeKey::of_material(material)?.public()?;
        let algorithm = &ECDSA_P521_SHA512_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, material.expose(), &public.sec1);
        Ok(Self { pair: pair.map_err(|_| Error::Material)?, public })
    }

    /// The bytes of the key.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn material(&self) -> Result<Secret, Error> {
        let bytes = self.pair.private_key().as_be_bytes().map_err(|_| Error::Library("a private key has no bytes"))?;
        let mut whole = Zeroizing::new(vec![0; COORDINATE.saturating_sub(bytes.as_ref().len())]);
        whole.extend_from_slice(bytes.as_ref());
        Ok(Secret::new(std::mem::take(&mut *whole)))
    }

    /// The public key.
    pub const fn public(&self) -> &Point {
        &self.public
    }

    /// Signs a message; [`SIGNATURE`] bytes.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        debug_assert_eq!(self.pair.public_key().as_ref(), &self.public.sec1[..]);
        let signature = self.pair.sign(&AwsRandom::new(), message).map_err(|_| Error::Library("ES512"))?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
    use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey as VerifyingKey};

    use super::*;
    use crate::SystemRandom;

    fn key() -> ExchangeKey {
        ExchangeKey::generate(&SystemRandom).unwrap()
    }

    /// Another library agrees, as far as it can tell: ECDH gives the first coordinate.
    #[test]
    fn products_are_those_of_another_library() {
        for _ in 0..8 {
            let (one, other) = (key(), key().public().unwrap());
            let product = one.multiply(&other).unwrap();
            let material = one.material();
            let private = PrivateKey::from_private_key(&agreement::ECDH_P521, material.expose()).unwrap();
            assert_eq!(private.compute_public_key().unwrap().as_ref(), &one.public().unwrap().sec1[..]);
            let peer = UnparsedPublicKey::new(&agreement::ECDH_P521, &other.sec1);
            agreement::agree(&private, peer, (), |shared| {
                assert_eq!(shared, product.x());
                Ok(())
            })
            .unwrap();
        }
    }

    /// The exchange itself: client secret c, blinding e, server secret s: (cG + eG)s - e(sG) = c(sG).
    #[test]
    fn blinding_comes_off() {
        let (server, client, blinding) = (key(), key(), key());
        let sum = |one: &Point, other: ProjectivePoint| {
            let sum = one.read().unwrap().to_projective() + other;
            Point::of(&PublicKey::from_affine(sum.to_affine()).unwrap()).unwrap()
        };
        let projective = |point: Point| point.read().unwrap().to_projective();
        let asked = sum(&client.public().unwrap(), projective(blinding.public().unwrap()));
        let answered = server.multiply(&asked).unwrap();
        let public = server.public().unwrap();
        let opened = sum(&answered, -projective(blinding.multiply(&public).unwrap()));
        assert_eq!(opened, client.multiply(&public).unwrap());
    }

    #[test]
    fn material_comes_back_and_only_scalars_of_the_group_are_keys() {
        let key = key();
        let again = ExchangeKey::of_material(&key.material()).unwrap();
        assert_eq!(again.public().unwrap(), key.public().unwrap());
        for wrong in [vec![0; COORDINATE], vec![255; COORDINATE], vec![1; COORDINATE - 1], vec![1; COORDINATE + 1]] {
            assert!(ExchangeKey::of_material(&Secret::new(wrong.clone())).is_err());
            assert!(Es512Key::of_material(&Secret::new(wrong)).is_err());
        }
    }

    #[test]
    fn what_is_not_on_the_curve_is_no_point() {
        let point = key().public().unwrap();
        assert_eq!(Point::new(point.x(), point.y()).unwrap(), point);
        let mut off = point.y().to_vec();
        off[COORDINATE - 1] ^= 1;
        assert!(Point::new(point.x(), &off).is_err());
        assert!(Point::new(point.y(), point.x()).is_err());
        assert!(Point::new(&[0; COORDINATE], &[0; COORDINATE]).is_err());
        assert!(Point::new(&[255; COORDINATE], &[255; COORDINATE]).is_err());
        assert!(Point::new(&point.x()[1..], point.y()).is_err());
        assert!(Point::new(&[], &[]).is_err());
    }

    #[test]
    fn signatures_verify() {
        let key = Es512Key::generate(&SystemRandom).unwrap();
        let again = Es512Key::of_material(&key.material().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
        let signature = again.sign(b"advertised").unwrap();
        assert_eq!(signature.len(), SIGNATURE);
        let verifying = VerifyingKey::new(&ECDSA_P521_SHA512_FIXED, key.public().sec1);
        assert!(verifying.verify(b"advertised", &signature).is_ok());
        assert!(verifying.verify(b"advertisee", &signature).is_err());
    }
}
