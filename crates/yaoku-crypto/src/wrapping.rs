//! Encryption to a public key, by which a data key leaves: RSAES-OAEP (RFC 8017, 7.1) and SM2 (GB/T 32918.4-2016, with the
//! ciphertext in the DER of GM/T 0009-2012, 7.2).
//!
//! An RSAES-OAEP ciphertext has an empty label and the same hash in MGF1 as for the label; it is as long as the modulus. An
//! SM2 ciphertext is SEQUENCE { x INTEGER, y INTEGER, C3 OCTET STRING, C2 OCTET STRING }: the ephemeral point, the SM3 hash
//! of 32 bytes, and the encrypted bytes, as many as the plaintext's.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use sm2::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use sm2::pkcs8::SubjectPublicKeyInfoRef;
use sm2::pke::EncryptingKey;

use crate::algorithms::{EC_PUBLIC_KEY, RSA_ENCRYPTION, SM2_CURVE};
pub use crate::algorithms::{WrappingAlgorithm, WrappingKeySpec};
use crate::{Error, Random};

/// The most bytes that can be encrypted to an SM2 key here: then C1 ‖ C3 ‖ C2 without DER is 6 KiB.
pub(crate) const MAX_SM2_PLAINTEXT: usize = 6047;

/// A public key to encrypt to.
pub struct WrappingPublicKey(Key);

enum Key {
    Rsa(OaepPublicEncryptingKey),
    Sm2(EncryptingKey),
}

impl WrappingPublicKey {
    /// Reads a SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7), with nothing behind it.
    ///
    /// Of RSA keys, public exponents that are even, 1, or longer than 33 bits are refused. Points on the SM2 curve may be
    /// compressed (SEC 1, 2.3.3).
    ///
    /// # Errors
    /// [`Error::PublicKey`] if it is none, or not of `spec`.
    pub fn from_spki_der(spec: WrappingKeySpec, der: &[u8]) -> Result<Self, Error> {
        let info = SubjectPublicKeyInfoRef::try_from(der)
            .map_err(|_| Error::PublicKey("it is not a SubjectPublicKeyInfo in DER"))?;
        match spec {
            WrappingKeySpec::Rsa2048 => Self::rsa(2048, &info, der),
            WrappingKeySpec::Rsa3072 => Self::rsa(3072, &info, der),
            WrappingKeySpec::Rsa4096 => Self::rsa(4096, &info, der),
            WrappingKeySpec::EcSm2 => Self::sm2(info),
        }
    }

    /// Encrypts. Randomness for RSAES-OAEP is AWS-LC's own, since it takes no other.
    ///
    /// # Errors
    /// [`Error::PublicKey`] for an algorithm that is not the key's; [`Error::PlaintextTooLong`] beyond 190, 318 or 446 bytes
    /// with SHA-256, 214, 342 or 470 with SHA-1 (by modulus), or 6047 for SM2; [`Error::PlaintextEmpty`] for SM2;
    /// [`Error::Random`].
    pub fn encrypt(
        &self,
        algorithm: WrappingAlgorithm,
        random: &dyn Random,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        use WrappingAlgorithm::{RsaesOaepSha1, RsaesOaepSha256, Sm2Pke};
        match (&self.0, algorithm) {
            (Key::Rsa(key), RsaesOaepSha256) => oaep(key, &OAEP_SHA256_MGF1SHA256, plaintext),
            (Key::Rsa(key), RsaesOaepSha1) => oaep(key, &OAEP_SHA1_MGF1SHA1, plaintext),
            (Key::Sm2(key), Sm2Pke) => sm2pke(key, random, plaintext),
            (Key::Rsa(_), Sm2Pke) => Err(Error::PublicKey("it is an RSA key, but the algorithm is for SM2 keys")),
            (Key::Sm2(_), RsaesOaepSha256 | RsaesOaepSha1) => {
                Err(Error::PublicKey("it is an SM2 key, but the algorithm is for RSA keys"))
            }
        }
    }

    fn rsa(bits: usize, info: &SubjectPublicKeyInfoRef<'_>, der: &[u8]) -> Result<Self, Error> {
        if info.algorithm.oid != RSA_ENCRYPTION {
            return Err(Error::PublicKey("it is not an RSA key for encryption"));
        }
        let key = PublicEncryptingKey::from_der(der)
            .map_err(|_| Error::PublicKey("its RSA modulus or public exponent is malformed or unsafe"))?;
        if key.key_size_bits() != bits {
            return Err(Error::PublicKey("its RSA modulus does not have the length of the key spec"));
        }
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| Error::Library("OAEP does not take the RSA key"))?;
        Ok(Self(Key::Rsa(key)))
    }

    fn sm2(info: SubjectPublicKeyInfoRef<'_>) -> Result<Self, Error> {
        if info.algorithm.oid != EC_PUBLIC_KEY || info.algorithm.parameters_oid() != Ok(SM2_CURVE) {
            return Err(Error::PublicKey("it is not a key on the SM2 curve"));
        }
        let key = sm2::PublicKey::try_from(info)
            .map_err(|_| Error::PublicKey("its point is malformed or not on the SM2 curve"))?;
        Ok(Self(Key::Sm2(EncryptingKey::new(key))))
    }
}

fn oaep(key: &OaepPublicEncryptingKey, algorithm: &'static OaepAlgorithm, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    let limit = key.max_plaintext_size(algorithm);
    if plaintext.len() > limit {
        return Err(Error::PlaintextTooLong { limit, actual: plaintext.len() });
    }
    let mut out = vec![0; key.ciphertext_size()];
    let encrypted = key.encrypt(algorithm, plaintext, &mut out, None);
    let length = encrypted.map_err(|_| Error::Library("RSA encryption fails"))?.len();
    out.truncate(length);
    Ok(out)
}

fn sm2pke(key: &EncryptingKey, random: &dyn Random, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    if plaintext.is_empty() {
        return Err(Error::PlaintextEmpty);
    }
    if plaintext.len() > MAX_SM2_PLAINTEXT {
        return Err(Error::PlaintextTooLong { limit: MAX_SM2_PLAINTEXT, actual: plaintext.len() });
    }
    let mut adapter = Adapter { random, failed: false };
    let encrypted = key.encrypt_der(&mut adapter, plaintext);
    let why = if adapter.failed { Error::Random } else { Error::Library("SM2 encryption fails") };
    encrypted.map_err(|_| why)
}

/// Our source of randomness, as the SM2 crate asks for it; that crate does not pass its errors on.
pub(crate) struct Adapter<'a> {
    pub(crate) random: &'a dyn Random,
    pub(crate) failed: bool,
}

impl TryRng for Adapter<'_> {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32, Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.random.fill(out).inspect_err(|_| self.failed = true)
    }
}

impl TryCryptoRng for Adapter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use proptest::prelude::*;
    use sm2::elliptic_curve::sec1::ToSec1Point;
    use sm2::pkcs8::ObjectIdentifier;
    use sm2::pke::DecryptingKey;

    const RSA: [(WrappingKeySpec, KeySize); 3] = [
        (WrappingKeySpec::Rsa2048, KeySize::Rsa2048),
        (WrappingKeySpec::Rsa3072, KeySize::Rsa3072),
        (WrappingKeySpec::Rsa4096, KeySize::Rsa4096),
    ];

    /// The key pair of GB/T 32918.5-2017, annex C.
    const SM2_PRIVATE: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const SM2_POINT: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                             ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// A DER element; lengths below 64 KiB.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        let length = match content.len() {
            0..128 => vec![low],
            128..256 => vec![0x81, low],
            _ => vec![0x82, high, low],
        };
        [&[tag][..], &length, &content].concat()
    }

    fn spki(algorithm: ObjectIdentifier, parameters: &[u8], key: &[u8]) -> Vec<u8> {
        let algorithm = der(0x30, &[&der(6, &[algorithm.as_bytes()]), parameters]);
        der(0x30, &[&algorithm, &der(3, &[&[0], key])])
    }

    fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        let key = der(0x30, &[&der(2, &[&[0], modulus]), &der(2, &[exponent])]);
        spki(RSA_ENCRYPTION, &[5, 0], &key)
    }

    fn sm2_spki(point: &[u8]) -> Vec<u8> {
        spki(EC_PUBLIC_KEY, &der(6, &[SM2_CURVE.as_bytes()]), point)
    }

    fn refusal(spec: WrappingKeySpec, der: &[u8]) -> &'static str {
        match WrappingPublicKey::from_spki_der(spec, der) {
            Err(Error::PublicKey(why)) => why,
            Err(other) => panic!("{other}"),
            Ok(_) => "",
        }
    }

    #[test]
    fn rsa_round_trips_up_to_the_limit() {
        for (spec, size) in RSA {
            let private = PrivateDecryptingKey::generate(size).unwrap();
            let der = private.public_key().as_der().unwrap();
            let public = WrappingPublicKey::from_spki_der(spec, der.as_ref()).unwrap();
            let modulus = private.key_size_bytes();
            let private = OaepPrivateDecryptingKey::new(private).unwrap();
            for (algorithm, hash, oaep) in [
                (WrappingAlgorithm::RsaesOaepSha256, 32, &OAEP_SHA256_MGF1SHA256),
                (WrappingAlgorithm::RsaesOaepSha1, 20, &OAEP_SHA1_MGF1SHA1),
            ] {
                let most = modulus - 2 * hash - 2;
                for len in [0, 1, 16, 32, most] {
                    let plaintext = vec![7; len];
                    let encrypted = public.encrypt(algorithm, &SystemRandom, &plaintext).unwrap();
                    assert_eq!(encrypted.len(), modulus);
                    let mut out = vec![0; modulus];
                    assert_eq!(private.decrypt(oaep, &encrypted, &mut out, None).unwrap(), plaintext);
                }
                let result = public.encrypt(algorithm, &SystemRandom, &vec![7; most + 1]);
                assert!(
                    matches!(result, Err(Error::PlaintextTooLong { limit, actual }) if limit == most && actual == most + 1)
                );
            }
            let result = public.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, b"data key");
            assert!(matches!(result, Err(Error::PublicKey(_))));
            for (other, _) in RSA.into_iter().filter(|(other, _)| *other != spec) {
                assert_eq!(refusal(other, der.as_ref()), "its RSA modulus does not have the length of the key spec");
            }
            assert_eq!(refusal(WrappingKeySpec::EcSm2, der.as_ref()), "it is not a key on the SM2 curve");
        }
    }

    #[test]
    fn unsafe_rsa_keys_are_refused() {
        let modulus = [&[0x80][..], &[1; 255]].concat();
        let spec = WrappingKeySpec::Rsa2048;
        assert_eq!(refusal(spec, &rsa_spki(&modulus, &[1, 0, 1])), "");
        let malformed = "its RSA modulus or public exponent is malformed or unsafe";
        for exponent in [&[0][..], &[1], &[2], &[4], &[1, 0, 0], &[0xff], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1], &[]] {
            assert_eq!(refusal(spec, &rsa_spki(&modulus, exponent)), malformed, "{exponent:?}");
        }
        assert_eq!(refusal(spec, &rsa_spki(&modulus[..128], &[1, 0, 1])), malformed);
        assert_eq!(refusal(spec, &rsa_spki(&[&[0x80][..], &[1; 4095]].concat(), &[1, 0, 1])), malformed);
        let even = [&modulus[..255], &[2]].concat();
        assert_eq!(refusal(spec, &rsa_spki(&even, &[1, 0, 1])), malformed);
        let shorter = [&[0x40][..], &modulus[1..]].concat();
        let key = der(0x30, &[&der(2, &[&shorter]), &der(2, &[&[1, 0, 1]])]);
        assert_eq!(refusal(spec, &spki(RSA_ENCRYPTION, &[5, 0], &key)), malformed);
    }

    /// id-RSASSA-PSS without parameters, which AWS-LC would read.
    #[test]
    fn an_rsa_key_for_signatures_is_refused() {
        let pss = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
        let modulus = [&[0x80][..], &[1; 255]].concat();
        let key = der(0x30, &[&der(2, &[&[0], &modulus]), &der(2, &[&[1, 0, 1]])]);
        assert_eq!(refusal(WrappingKeySpec::Rsa2048, &spki(pss, &[], &key)), "it is not an RSA key for encryption");
    }

    #[test]
    fn only_whole_der_is_read() {
        let rsa = rsa_spki(&[&[0x80][..], &[1; 255]].concat(), &[1, 0, 1]);
        for (spec, mut der) in [(WrappingKeySpec::Rsa2048, rsa), (WrappingKeySpec::EcSm2, sm2_spki(&unhex(SM2_POINT)))]
        {
            assert_eq!(refusal(spec, &der), "");
            for len in 0..der.len() {
                assert_ne!(refusal(spec, &der[..len]), "", "{spec:?} of {len} bytes");
            }
            der.push(0);
            assert_eq!(refusal(spec, &der), "it is not a SubjectPublicKeyInfo in DER");
        }
    }

    #[test]
    fn sm2_points_off_the_curve_are_refused() {
        let point = unhex(SM2_POINT);
        let spec = WrappingKeySpec::EcSm2;
        let off = "its point is malformed or not on the SM2 curve";
        let mut wrong = point.clone();
        wrong[64] ^= 1;
        for point in [&wrong[..], &[0], &[], &point[..64], &point[1..], &[4; 65], &[&[4][..], &[0xff; 64]].concat()] {
            assert_eq!(refusal(spec, &sm2_spki(point)), off);
        }
        let p256 = der(6, &[ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7").as_bytes()]);
        for parameters in [&p256[..], &[5, 0], &[]] {
            assert_eq!(refusal(spec, &spki(EC_PUBLIC_KEY, parameters, &point)), "it is not a key on the SM2 curve");
        }
        let sm2_spki = sm2_spki(&point);
        assert_eq!(refusal(WrappingKeySpec::Rsa2048, &sm2_spki), "it is not an RSA key for encryption");
    }

    fn sm2_keys() -> (DecryptingKey, WrappingPublicKey) {
        let public = WrappingPublicKey::from_spki_der(WrappingKeySpec::EcSm2, &sm2_spki(&unhex(SM2_POINT))).unwrap();
        (DecryptingKey::from_slice(&unhex(SM2_PRIVATE)).unwrap(), public)
    }

    /// GB/T 32918.5-2017, annex C, with its random number.
    #[test]
    fn the_vector_of_the_sm2_standard() {
        struct Fixed;
        impl Random for Fixed {
            fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
                out.copy_from_slice(&unhex("59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21"));
                Ok(())
            }
        }
        let (_, public) = sm2_keys();
        let encrypted = public.encrypt(WrappingAlgorithm::Sm2Pke, &Fixed, b"encryption standard").unwrap();
        let parts = [
            (2, "04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"),
            (2, "00e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"),
            (4, "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"),
            (4, "21886ca989ca9c7d58087307ca93092d651efa"),
        ]
        .map(|(tag, hex)| der(tag, &[&unhex(hex)]));
        assert_eq!(encrypted, der(0x30, &[&parts.concat()]));
    }

    #[test]
    fn sm2_round_trips_up_to_the_limit() {
        let (private, public) = sm2_keys();
        for len in [1, 2, 16, 31, 32, 33, 1024, MAX_SM2_PLAINTEXT] {
            let plaintext = vec![7; len];
            let encrypted = public.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, &plaintext).unwrap();
            assert_eq!(private.decrypt_der(&encrypted).unwrap(), plaintext);
        }
        let refused = |len| public.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, &vec![7; len]);
        assert!(matches!(refused(0), Err(Error::PlaintextEmpty)));
        assert!(matches!(refused(6048), Err(Error::PlaintextTooLong { limit: 6047, actual: 6048 })));
        let result = public.encrypt(WrappingAlgorithm::RsaesOaepSha256, &SystemRandom, b"data key");
        assert!(matches!(result, Err(Error::PublicKey(_))));
    }

    #[test]
    fn a_compressed_point_is_the_same_key() {
        let (private, _) = sm2_keys();
        let compressed = private.encrypting_key().as_affine().to_sec1_point(true);
        let public =
            WrappingPublicKey::from_spki_der(WrappingKeySpec::EcSm2, &sm2_spki(compressed.as_bytes())).unwrap();
        let encrypted = public.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, b"data key").unwrap();
        assert_eq!(private.decrypt_der(&encrypted).unwrap(), b"data key");
    }

    #[test]
    fn sm2_does_not_encrypt_without_randomness() {
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), Error> {
                Err(Error::Random)
            }
        }
        let result = sm2_keys().1.encrypt(WrappingAlgorithm::Sm2Pke, &Broken, b"data key");
        assert!(matches!(result, Err(Error::Random)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            for spec in RSA.map(|(spec, _)| spec).into_iter().chain([WrappingKeySpec::EcSm2]) {
                prop_assert_ne!(refusal(spec, &bytes), "");
            }
        }

        /// One byte changed: whatever is still read as a key can be encrypted to, or says why not.
        #[test]
        fn damaged_keys_do_no_harm(place in any::<prop::sample::Index>(), byte: u8) {
            let rsa = rsa_spki(&[&[0x80][..], &[1; 255]].concat(), &[1, 0, 1]);
            for (spec, mut der, algorithm) in [
                (WrappingKeySpec::Rsa2048, rsa, WrappingAlgorithm::RsaesOaepSha256),
                (WrappingKeySpec::EcSm2, sm2_spki(&unhex(SM2_POINT)), WrappingAlgorithm::Sm2Pke),
            ] {
                let place = place.index(der.len());
                der[place] = byte;
                match WrappingPublicKey::from_spki_der(spec, &der) {
                    Ok(key) => prop_assert!(key.encrypt(algorithm, &SystemRandom, b"data key").is_ok()),
                    Err(error) => prop_assert!(matches!(error, Error::PublicKey(_))),
                }
            }
        }
    }
}
