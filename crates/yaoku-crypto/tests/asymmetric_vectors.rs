//! Key pairs against published vectors, and signatures at the edges of what is one.
#![allow(clippy::unwrap_used, reason = "a test, though not all of it is in #[test] functions")]

use yaoku_crypto::asymmetric::{KeyAlgorithm, PrivateKey, PublicKey, SigningAlgorithm};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_crypto::{Error, Secret, SystemRandom};

#[test]
fn vectors_of_wycheproof() {
    let (mut private, mut public) = (None, None);
    let mut counts = [0; 3];
    for line in include_str!("vectors/wycheproof_asymmetric.txt").lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["public", algorithm, der] => {
                public = Some(PublicKey::from_spki_der(key_algorithm(algorithm), &unhex(der)).unwrap());
            }
            ["private", algorithm, material] => {
                let key = PrivateKey::new(key_algorithm(algorithm), &Secret::new(unhex(material))).unwrap();
                public = Some(PublicKey::from_spki_der(key.algorithm(), key.public_key_der()).unwrap());
                private = Some(key);
            }
            ["verify", algorithm, number, result, message, signature] => {
                let algorithm = signing_algorithm(algorithm);
                let message = unhex(message);
                let digest = match algorithm {
                    SigningAlgorithm::MlDsa => message,
                    _ => hash(Hash::Sha256, &message).as_bytes().to_vec(),
                };
                let verified = public.as_ref().unwrap().verify(algorithm, &digest, &unhex(signature)).unwrap();
                assert_eq!(verified, result == "valid", "{algorithm:?}, {number}");
                counts[0] += 1;
            }
            ["decrypt", "RsaesPkcs1V15", number, result, message, ciphertext] => {
                let (message, ciphertext) = (unhex(message), unhex(ciphertext));
                let private = private.as_ref().unwrap();
                if result == "valid" {
                    assert!(private.decrypt_pkcs1_v15(&ciphertext, message.len()).unwrap().ct_eq(&message), "{number}");
                    let other = private.decrypt_pkcs1_v15(&ciphertext, message.len() + 1);
                    assert!(matches!(other, Err(Error::Open)), "{number}");
                } else {
                    for len in [0, 16, 24, 32] {
                        let decrypted = private.decrypt_pkcs1_v15(&ciphertext, len);
                        assert!(matches!(decrypted, Err(Error::Open)), "{number}");
                    }
                }
                counts[1] += 1;
            }
            ["decrypt", algorithm, number, result, message, ciphertext] => {
                let algorithm = match algorithm {
                    "RsaesOaepSha256" => WrappingAlgorithm::RsaesOaepSha256,
                    "RsaesOaepSha1" => WrappingAlgorithm::RsaesOaepSha1,
                    other => panic!("{other}"),
                };
                match private.as_ref().unwrap().decrypt(algorithm, &unhex(ciphertext)) {
                    Ok(plaintext) => assert!(result == "valid" && plaintext.ct_eq(&unhex(message)), "{number}"),
                    Err(error) => assert!(result == "invalid" && matches!(error, Error::Open), "{number}"),
                }
                counts[2] += 1;
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
        }
    }
    assert_eq!(counts, [298, 24, 46]);
}

fn key_algorithm(name: &str) -> KeyAlgorithm {
    KeyAlgorithm::ALL.into_iter().find(|algorithm| format!("{algorithm:?}") == name).unwrap()
}

fn signing_algorithm(name: &str) -> SigningAlgorithm {
    SigningAlgorithm::ALL.into_iter().find(|algorithm| format!("{algorithm:?}") == name).unwrap()
}

/// GB/T 32918.5-2017, annexes A and C: one key pair for both.
mod sm2 {
    use super::*;

    const PRIVATE: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const X: &str = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020";
    const Y: &str = "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    /// a ‖ b ‖ x_G ‖ y_G of the curve.
    const CURVE: [&str; 4] = [
        "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc",
        "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
        "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
        "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0",
    ];
    const N: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
    const Z_A: &str = "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3";
    const E: &str = "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640";
    const R: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3";
    const S: &str = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

    /// PKCS#8 around ECPrivateKey without a public key.
    fn material(scalar: &str) -> Secret {
        let key = der(0x30, &[&[2, 1, 1], &der(4, &[&unhex(scalar)])]);
        Secret::new(der(0x30, &[&[2, 1, 0], &algorithm(), &der(4, &[&key])]))
    }

    /// id-ecPublicKey and the curve's identifier.
    fn algorithm() -> Vec<u8> {
        der(0x30, &[&der(6, &[&unhex("2a8648ce3d0201")]), &der(6, &[&unhex("2a811ccf5501822d")])])
    }

    fn public() -> PublicKey {
        let point = unhex(&format!("0004{X}{Y}"));
        let spki = der(0x30, &[&algorithm(), &der(3, &[&point])]);
        PublicKey::from_spki_der(KeyAlgorithm::EcSm2, &spki).unwrap()
    }

    fn verifies(signature: &[u8]) -> bool {
        public().verify(SigningAlgorithm::Sm2Dsa, &unhex(E), signature).unwrap()
    }

    /// Annex A.2: "message digest" and the identifier "1234567812345678".
    #[test]
    fn the_signature_of_the_standard() {
        let z_a = unhex(&format!("0080{}{}{X}{Y}", "31323334353637383132333435363738", CURVE.concat()));
        let z_a = hash(Hash::Sm3, &z_a);
        assert_eq!(z_a.as_bytes(), unhex(Z_A));
        let e = hash(Hash::Sm3, &[z_a.as_bytes(), b"message digest"].concat());
        assert_eq!(e.as_bytes(), unhex(E));
        assert!(verifies(&signature(R, S)));
    }

    #[test]
    fn the_key_of_the_standard_signs() {
        let private = PrivateKey::new(KeyAlgorithm::EcSm2, &material(PRIVATE)).unwrap();
        assert!(private.public_key_der().ends_with(&unhex(&format!("{X}{Y}"))));
        let signature = private.sign(SigningAlgorithm::Sm2Dsa, &SystemRandom, &unhex(E)).unwrap();
        assert!(verifies(&signature));
    }

    /// Annex C.2.
    #[test]
    fn the_ciphertext_of_the_standard() {
        let private = PrivateKey::new(KeyAlgorithm::EcSm2, &material(PRIVATE)).unwrap();
        let ciphertext = [
            der(2, &[&unhex("04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73")]),
            der(2, &[&unhex("00e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0")]),
            der(4, &[&unhex("59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766")]),
            der(4, &[&unhex("21886ca989ca9c7d58087307ca93092d651efa")]),
        ];
        let decrypt = |ciphertext: &[u8]| private.decrypt(WrappingAlgorithm::Sm2Pke, ciphertext);
        let whole = der(0x30, &[&ciphertext.concat()]);
        assert!(decrypt(&whole).unwrap().ct_eq(b"encryption standard"));
        let old_order = [0, 1, 3, 2].map(|part| ciphertext[part].as_slice()).concat();
        let empty = der(0x30, &[&ciphertext[..3].concat(), &der(4, &[])]);
        let negated = der(2, &[&unhex("17a70626e1abcf5a84c92554706af5c39b1911949cf6b267d7c5008981edb20f")]);
        let negated = der(0x30, &[&ciphertext[0], &negated, &ciphertext[2], &ciphertext[3]]);
        for wrong in [der(0x30, &[&old_order]), empty, negated, [&whole[..], &[0]].concat(), Vec::new()] {
            assert!(matches!(decrypt(&wrong), Err(Error::Open)));
        }
    }

    #[test]
    fn signatures_out_of_range_do_not_verify() {
        let zero = "00";
        let next = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54124";
        let minus_r = "0a5fc4f8b72d3b9cf1153aec1e447e5e18bf0532f9f04dea100f755c4aee2070";
        let minus_s = "4e4955d520ded02789ce7d43f2bde35db673a66e0246c256cfb08a44b4197f79";
        for (r, s) in [(zero, S), (R, zero), (zero, zero), (N, S), (R, N), (N, N), (next, S), (R, next), ("01", "01")] {
            assert!(!verifies(&signature(r, s)), "{r}, {s}");
        }
        // r + s = n, both parts negated, and exchanged.
        for (r, s) in [(R, minus_r), (R, minus_s), (minus_r, minus_s), (S, R)] {
            assert!(!verifies(&signature(r, s)), "{r}, {s}");
        }
        // The same numbers, with n added.
        let more = der(2, &[&unhex("01f5a03b0548d2c4630eeac513e1bb81a0cb48b9a3499bbc6c976872b628bc61d6")]);
        let s = der(2, &[&[0], &unhex(S)]);
        assert!(!verifies(&der(0x30, &[&more, &s])));
    }

    #[test]
    fn signatures_in_another_encoding_do_not_verify() {
        let (r, s) = ([&[0][..], &unhex(R)].concat(), [&[0][..], &unhex(S)].concat());
        let (r, s) = (r.as_slice(), s.as_slice());
        let right = der(0x30, &[&der(2, &[r]), &der(2, &[s])]);
        assert!(verifies(&right));
        let content = &right[2..];
        let long_length = [&[0x02, 0x81, 33][..], r].concat();
        for wrong in [
            [&right[..], &[0]].concat(),
            [&[0x30, 0x81, 70][..], content].concat(),
            [&[0x30, 0x82, 0, 70][..], content].concat(),
            [&[0x30, 0x80][..], content, &[0, 0]].concat(),
            der(0x31, &[content]),
            der(0x30, &[content, &[5, 0]]),
            der(0x30, &[&long_length, &der(2, &[s])]),
            der(0x30, &[&der(2, &[&[0], r]), &der(2, &[s])]),
            der(0x30, &[&der(2, &[&r[1..]]), &der(2, &[s])]),
            der(0x30, &[&der(4, &[r]), &der(2, &[s])]),
            der(0x30, &[&der(2, &[]), &der(2, &[s])]),
            der(0x30, &[&der(2, &[r])]),
            unhex(&format!("{R}{S}")),
            vec![0; 72],
            vec![0; 100_000],
            Vec::new(),
        ] {
            assert!(!verifies(&wrong));
        }
        for len in 0..right.len() {
            assert!(!verifies(&right[..len]), "{len}");
        }
    }

    /// Keys are from 1 to n - 2.
    #[test]
    fn private_keys_out_of_range_are_refused() {
        let last = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54121";
        let minus_one = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122";
        let prime = "fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff";
        let prime_minus_one = "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffe";
        let [zero, one] = ["00", "01"].map(|end| format!("{}{end}", "00".repeat(31)));
        for scalar in [&one, last] {
            let private = PrivateKey::new(KeyAlgorithm::EcSm2, &material(scalar)).unwrap();
            let public = PublicKey::from_spki_der(KeyAlgorithm::EcSm2, private.public_key_der()).unwrap();
            let signature = private.sign(SigningAlgorithm::Sm2Dsa, &SystemRandom, &unhex(E)).unwrap();
            assert!(public.verify(SigningAlgorithm::Sm2Dsa, &unhex(E), &signature).unwrap());
        }
        for scalar in [&zero, minus_one, N, prime, prime_minus_one, &"ff".repeat(32), &"01".repeat(33)] {
            assert!(
                matches!(PrivateKey::new(KeyAlgorithm::EcSm2, &material(scalar)), Err(Error::Material)),
                "{scalar}"
            );
        }
    }
}

/// Keys at the edges of what is one, on the curves of ECDSA.
mod ec {
    use super::*;

    struct Curve {
        algorithm: KeyAlgorithm,
        identifier: &'static str,
        generator: [&'static str; 2],
        order: &'static str,
        prime: &'static str,
    }

    const CURVES: [Curve; 2] = [
        // NIST SP 800-186, 3.2.1.3.
        Curve {
            algorithm: KeyAlgorithm::EcP256,
            identifier: "2a8648ce3d030107",
            generator: [
                "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
                "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
            ],
            order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
            prime: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        },
        // SEC 2, 2.4.1.
        Curve {
            algorithm: KeyAlgorithm::EcP256K,
            identifier: "2b8104000a",
            generator: [
                "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
                "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
            ],
            order: "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            prime: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
        },
    ];

    impl Curve {
        fn algorithm_identifier(&self) -> Vec<u8> {
            der(0x30, &[&der(6, &[&unhex("2a8648ce3d0201")]), &der(6, &[&unhex(self.identifier)])])
        }

        fn public(&self, point: &[u8]) -> Result<PublicKey, Error> {
            let spki = der(0x30, &[&self.algorithm_identifier(), &der(3, &[&[0], point])]);
            PublicKey::from_spki_der(self.algorithm, &spki)
        }

        /// PKCS#8 around ECPrivateKey with a public key.
        fn private(&self, scalar: &[u8], point: &[u8]) -> Result<PrivateKey, Error> {
            let point = der(0xa1, &[&der(3, &[&[0], point])]);
            let key = der(0x30, &[&[2, 1, 1], &der(4, &[scalar]), &point]);
            let pkcs8 = der(0x30, &[&[2, 1, 0], &self.algorithm_identifier(), &der(4, &[&key])]);
            PrivateKey::new(self.algorithm, &Secret::new(pkcs8))
        }

        /// As many bytes as the number `text` less `less`.
        fn minus(text: &str, less: u8) -> Vec<u8> {
            let mut bytes = unhex(text);
            bytes[31] -= less;
            bytes
        }

        fn generator(&self, form: u8) -> Vec<u8> {
            [&[form][..], &unhex(&self.generator.concat())].concat()
        }
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        for (curve, other) in [(&CURVES[0], &CURVES[1]), (&CURVES[1], &CURVES[0])] {
            let right = curve.generator(4);
            assert!(curve.public(&right).is_ok());
            let parity = right[64] & 1;
            let compressed = [&[2 + parity][..], &right[1..33]].concat();
            assert!(curve.public(&compressed).is_ok());
            let hybrid = curve.generator(6 + parity);
            let prime = unhex(curve.prime);
            let mut moved = right.clone();
            moved[64] ^= 1;
            for wrong in [
                other.generator(4),
                moved,
                hybrid,
                vec![0],
                vec![0; 65],
                Vec::new(),
                right[..64].to_vec(),
                right[1..].to_vec(),
                [&right[..], &[0]].concat(),
                [&[4][..], &prime, &right[33..]].concat(),
                [&[4][..], &[0; 64]].concat(),
                [&[4][..], &[0xff; 64]].concat(),
            ] {
                assert!(matches!(curve.public(&wrong), Err(Error::PublicKey(_))), "{wrong:02x?}");
            }
        }
    }

    #[test]
    fn private_keys_out_of_range_are_refused() {
        for curve in &CURVES {
            let one = [&[0; 31][..], &[1]].concat();
            let generator = curve.generator(4);
            let mut negated = generator.clone();
            // -G has the y of p - y; n - 1 is its key.
            let mut borrow = false;
            for (i, byte) in unhex(curve.prime).into_iter().enumerate().rev() {
                let (difference, under) = byte.overflowing_sub(generator[33 + i]);
                let (difference, again) = difference.overflowing_sub(u8::from(borrow));
                negated[33 + i] = difference;
                borrow = under || again;
            }
            let last = Curve::minus(curve.order, 1);
            for (scalar, point) in [(&one, &generator), (&last, &negated)] {
                let private = curve.private(scalar, point).unwrap();
                assert!(private.public_key_der().ends_with(point));
                let signature = private.sign(SigningAlgorithm::EcdsaSha256, &SystemRandom, &[0; 32]).unwrap();
                let public = curve.public(point).unwrap();
                assert!(public.verify(SigningAlgorithm::EcdsaSha256, &[0; 32], &signature).unwrap());
            }
            for scalar in [vec![0; 32], unhex(curve.order), Curve::minus(curve.prime, 1), vec![0xff; 32], vec![1; 33]] {
                let refused = curve.private(&scalar, &generator);
                assert!(matches!(refused, Err(Error::Material)), "{scalar:02x?}");
            }
            // The public key of another.
            assert!(matches!(curve.private(&one, &negated), Err(Error::Material)));
        }
    }
}

/// A signature of two numbers of 32 bytes or fewer.
fn signature(r: &str, s: &str) -> Vec<u8> {
    let [r, s] = [r, s].map(|number| {
        let bytes = unhex(number);
        let sign: &[u8] = if bytes[0] & 0x80 != 0 { &[0] } else { &[] };
        der(2, &[sign, &bytes])
    });
    der(0x30, &[&r, &s])
}

/// A DER element; lengths below 256.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = u8::try_from(content.len()).unwrap();
    let length = if len < 128 { vec![len] } else { vec![0x81, len] };
    [&[tag][..], &length, &content].concat()
}

fn unhex(text: &str) -> Vec<u8> {
    let text = text.trim_start_matches('-');
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
