//! SM4 (GB/T 32907-2016) and SM4-GCM (RFC 8998, GB/T 36624-2018), by RustCrypto.
//!
//! The library's GCM is generic, and named after AES only; NIST SP 800-38D defines GCM over block ciphers of 128 bits.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use sm4::cipher::{BlockCipherEncrypt, KeyInit};

use super::{BLOCK, BlockCipher, Gcm, GcmNonce, TAG_LEN};
use crate::Error;

/// SM4 under a key.
pub(super) struct Sm4(sm4::Sm4);

impl Sm4 {
    pub(super) fn new(key: &[u8]) -> Result<Self, Error> {
        let key = sm4::Sm4::new_from_slice(key);
        key.map(Self).map_err(|_| Error::Library("the block cipher does not take the key"))
    }
}

impl BlockCipher for Sm4 {
    type Gcm = Sm4Gcm;

    fn encrypt_blocks(&self, blocks: &mut [u8]) -> Result<(), Error> {
        let (blocks, rest) = blocks.as_chunks_mut::<BLOCK>();
        debug_assert!(rest.is_empty(), "only whole blocks");
        blocks.iter_mut().for_each(|block| self.0.encrypt_block(block.into()));
        Ok(())
    }

    fn gcm(&self, subkey: &[u8]) -> Result<Sm4Gcm, Error> {
        let key = aes_gcm::AesGcm::new_from_slice(&subkey[..KEY_LEN]);
        key.map(Sm4Gcm).map_err(|_| Error::Library("SM4-GCM does not take the subkey"))
    }
}

/// SM4-GCM under a key.
pub(super) struct Sm4Gcm(aes_gcm::AesGcm<sm4::Sm4, U12>);

impl Gcm for Sm4Gcm {
    fn seal(&self, nonce: &GcmNonce, aad: &[u8], bytes: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        let tag = self.0.encrypt_inout_detached(nonce.into(), aad, bytes.into());
        tag.map(Into::into).map_err(|_| Error::Library("SM4-GCM does not take the plaintext"))
    }

    fn open(
        &self,
        nonce: &GcmNonce,
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        plaintext: &mut [u8],
    ) -> Result<(), Error> {
        let buffers = InOutBuf::new(ciphertext, plaintext).map_err(|_| Error::Open)?;
        self.0.decrypt_inout_detached(nonce.into(), aad, buffers, tag.into()).map_err(|_| Error::Open)
    }
}

const KEY_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::ZeroizeOnDrop;

    /// GB/T 32907-2016, appendix A, where key and plaintext are the same.
    const KEY: u128 = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;

    fn encrypted(times: usize) -> u128 {
        let sm4 = Sm4::new(&KEY.to_be_bytes()).unwrap();
        let mut block = KEY.to_be_bytes();
        (0..times).for_each(|_| sm4.encrypt_blocks(&mut block).unwrap());
        u128::from_be_bytes(block)
    }

    /// GB/T 32907-2016, appendix A, example 1.
    #[test]
    fn one_block_of_the_standard() {
        assert_eq!(encrypted(1), 0x681e_df34_d206_965e_86b3_e94f_536e_4246);
    }

    /// As above, example 2.
    #[test]
    fn a_million_encryptions_of_the_standard() {
        assert_eq!(encrypted(1_000_000), 0x5952_98c7_c6fd_271f_0402_f804_c33d_3f66);
    }

    #[test]
    fn blocks_are_encrypted_each_by_itself() {
        let sm4 = Sm4::new(&KEY.to_be_bytes()).unwrap();
        let mut blocks = [KEY.to_be_bytes(); 3];
        sm4.encrypt_blocks(blocks.as_flattened_mut()).unwrap();
        assert_eq!(blocks, [encrypted(1).to_be_bytes(); 3]);
    }

    /// RFC 8998, A.1.
    #[test]
    fn gcm_of_the_rfc() {
        let unhex = |digits: &str| -> Vec<u8> {
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            (0..digits.len()).step_by(2).map(byte).collect()
        };
        let nonce = unhex("00001234567800000000abcd").try_into().unwrap();
        let aad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plaintext = unhex(concat!(
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd",
            "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        ));
        let ciphertext = unhex(concat!(
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735",
            "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
        ));
        let mut tag = unhex("83de3541e4c2b58177e065a9bf7b62ec").try_into().unwrap();
        // The key may be longer, as the construction's is.
        let subkey = [KEY.to_be_bytes(), [0xff; BLOCK]];
        let gcm = Sm4::new(&[0; KEY_LEN]).unwrap().gcm(subkey.as_flattened()).unwrap();

        let mut bytes = plaintext.clone();
        assert_eq!(gcm.seal(&nonce, &aad, &mut bytes).unwrap(), tag);
        assert_eq!(bytes, ciphertext);
        bytes.fill(0);
        gcm.open(&nonce, &aad, &ciphertext, &tag, &mut bytes).unwrap();
        assert_eq!(bytes, plaintext);

        // Nothing of the plaintext shows unless the tag is right.
        bytes.fill(0);
        tag[15] ^= 1;
        assert!(matches!(gcm.open(&nonce, &aad, &ciphertext, &tag, &mut bytes), Err(Error::Open)));
        assert!(bytes.iter().all(|&byte| byte == 0));
    }

    /// Fails to compile if the libraries' features no longer say so.
    #[test]
    fn keys_are_wiped_on_drop() {
        fn claim<T: ZeroizeOnDrop>() {}
        claim::<sm4::Sm4>();
        claim::<aes_gcm::AesGcm<sm4::Sm4, U12>>();
    }
}
