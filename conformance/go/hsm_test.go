package conformance

// Keys of protection level HSM. The server has a token of SoftHSM2.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"os"
	"testing"
)

var inHSM = object{"ProtectionLevel": "HSM"}

func eachWithHSM(t *testing.T, test func(k kms)) {
	if os.Getenv("YAOKU_HSM") == "" {
		t.Skip("SoftHSM2 is not installed")
	}
	each(t, test)
}

func TestHSMEncryption(t *testing.T) {
	eachWithHSM(t, func(k kms) {
		for _, spec := range []string{"Aliyun_AES_256", "Aliyun_AES_192", "Aliyun_AES_128"} {
			key := k.newKey(merge(inHSM, object{"KeySpec": spec}))
			k.same("ProtectionLevel", text(k.describe(key), "ProtectionLevel"), "HSM")
			blob := k.encrypt(key, message, in(context))
			k.call("CreateKeyVersion", object{"KeyId": key})
			k.same("plaintext", k.decrypt(blob, in(context)), message)
			k.same("plaintext of the new version", k.decrypt(k.encrypt(key, message, nil), nil), message)
			k.names(k.fails("InvalidParameter", 400, "Decrypt", object{"CiphertextBlob": blob}), "CiphertextBlob")
			made := k.call("GenerateDataKey", object{"KeyId": key})
			k.same("data key", k.decrypt(text(made, "CiphertextBlob"), nil), k.bytes(made, "Plaintext"))
		}
	})
}

func TestHSMSignatures(t *testing.T) {
	eachWithHSM(t, func(k kms) {
		digest := sha256.Sum256(message)
		p := k.newPairIn(inHSM, "RSA_2048", "SIGN/VERIFY")
		public := parsed[*rsa.PublicKey](k, p.der)
		salt := &rsa.PSSOptions{SaltLength: 32}
		if err := rsa.VerifyPSS(public, crypto.SHA256, digest[:], p.sign("RSA_PSS_SHA_256", digest[:]), salt); err != nil {
			k.Fatal(err)
		}
		signature := p.sign("RSA_PKCS1_SHA_256", digest[:])
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
			k.Fatal(err)
		}
		p = k.newPairIn(inHSM, "EC_P256", "SIGN/VERIFY")
		signature = p.sign("ECDSA_SHA_256", digest[:])
		k.same("verified here", ecdsa.VerifyASN1(parsed[*ecdsa.PublicKey](k, p.der), digest[:], signature), true)
	})
}

func TestHSMDecryption(t *testing.T) {
	eachWithHSM(t, func(k kms) {
		p := k.newPairIn(inHSM, "RSA_2048", "ENCRYPT/DECRYPT")
		public := parsed[*rsa.PublicKey](k, p.der)
		// The one hash of RSAES-OAEP that every version of SoftHSM2 knows.
		ciphertext, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, message, nil)
		k.same("OAEP with SHA-1", p.open("RSAES_OAEP_SHA_1", must(k, ciphertext, err)), message)
		k.same("plaintext after ReEncrypt", p.reEncrypted("RSAES_OAEP_SHA_1", ciphertext), message)
	})
}

func TestHSMImport(t *testing.T) {
	eachWithHSM(t, func(k kms) {
		for _, w := range []wrapping{
			{"RSA_2048", "RSAES_OAEP_SHA_1", func(k kms, der, material []byte) ([]byte, error) {
				return rsa.EncryptOAEP(sha1.New(), rand.Reader, parsed[*rsa.PublicKey](k, der), material, nil)
			}},
			{"RSA_2048", "RSAES_PKCS1_V1_5", func(k kms, der, material []byte) ([]byte, error) {
				return rsa.EncryptPKCS1v15(rand.Reader, parsed[*rsa.PublicKey](k, der), material)
			}},
		} {
			key, material := k.newKey(merge(inHSM, object{"Origin": "EXTERNAL"})), randomBytes(32)
			imports := w.imports(k, key)
			k.call("ImportKeyMaterial", imports(material))
			blob := k.encrypt(key, message, nil)
			k.call("DeleteKeyMaterial", object{"KeyId": key})
			k.fails("Rejected.PendingImport", 409, "Decrypt", object{"CiphertextBlob": blob})
			k.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", imports(randomBytes(32)))
			k.call("ImportKeyMaterial", imports(material))
			k.same("plaintext", k.decrypt(blob, nil), message)
		}
	})
}

func TestHSMWithoutTheSpec(t *testing.T) {
	eachWithHSM(t, func(k kms) {
		for _, spec := range []string{"EC_SM2", "Aliyun_SM4", "HMAC_SM3", "ML_DSA_44"} {
			k.fails("Unsupported.ProtectionLevel", 400, "CreateKey", merge(inHSM, object{"KeySpec": spec}))
		}
	})
}
