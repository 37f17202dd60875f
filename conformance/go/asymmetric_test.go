package conformance

// Key pairs, SM4 and imported key material. Signatures are verified, ciphertexts made and material wrapped with what
// GetPublicKey or GetParametersForImport gives, and nothing else of the server.
//
// GenerateMac and VerifyMac are not here: neither SDK has them.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"hash"
	"math/big"
	"testing"
	"time"

	"github.com/tjfoc/gmsm/sm2"
	"github.com/tjfoc/gmsm/sm3"
)

var message = []byte("签名 & message")

// userID is the signer's identifier within Z_A where none is agreed upon (GM/T 0009-2012, 10).
var userID = []byte("1234567812345678")

// pair is one version of a key pair, and its public key as a client has it.
type pair struct {
	kms
	key, version string
	der          []byte
}

func (k kms) newPair(spec, usage string) pair {
	k.Helper()
	return k.newPairIn(nil, spec, usage)
}

// newPairIn is newPair with further parameters of CreateKey.
func (k kms) newPairIn(more object, spec, usage string) pair {
	k.Helper()
	key := k.newKey(merge(more, object{"KeySpec": spec, "KeyUsage": usage}))
	shown := k.describe(key)
	k.same("KeySpec", text(shown, "KeySpec"), spec)
	k.same("KeyUsage", text(shown, "KeyUsage"), usage)
	k.same("PrimaryKeyVersion", text(shown, "PrimaryKeyVersion"), "")
	listed := k.call("ListKeyVersions", object{"KeyId": key, "PageNumber": 1, "PageSize": 10})
	versions := column(listed, "KeyVersions.KeyVersion", "KeyVersionId")
	k.same("number of versions", len(versions), 1)
	p := pair{kms: k, key: key, version: versions[0]}
	block, rest := pem.Decode([]byte(text(p.use("GetPublicKey", nil), "PublicKey")))
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) > 0 {
		k.Fatalf("the public key is not one in PEM alone: %v, %q", block, rest)
	}
	p.der = block.Bytes
	return p
}

// with adds the key and its version to parameters.
func (p pair) with(params object) object {
	return merge(object{"KeyId": p.key, "KeyVersionId": p.version}, params)
}

// use calls an action with this version, which the answer must name.
func (p pair) use(action string, params object) object {
	p.Helper()
	answer := p.call(action, p.with(params))
	p.same("KeyId", text(answer, "KeyId"), p.key)
	p.same("KeyVersionId", text(answer, "KeyVersionId"), p.version)
	return answer
}

// sign gives a signature that the server holds to be one of this digest, and of no other.
func (p pair) sign(algorithm string, digest []byte) []byte {
	p.Helper()
	signed := p.use("AsymmetricSign", object{"Algorithm": algorithm, "Digest": encode(digest)})
	signature := p.bytes(signed, "Value")
	p.same("verified", p.verify(algorithm, digest, signature), true)
	p.same("verified with another digest", p.verify(algorithm, flipped(digest), signature), false)
	p.same("verified after damage", p.verify(algorithm, digest, flipped(signature)), false)
	return signature
}

func (p pair) verify(algorithm string, digest, signature []byte) any {
	p.Helper()
	params := object{"Algorithm": algorithm, "Digest": encode(digest), "Value": encode(signature)}
	return p.use("AsymmetricVerify", params)["Value"]
}

func (p pair) open(algorithm string, ciphertext []byte) []byte {
	p.Helper()
	params := object{"Algorithm": algorithm, "CiphertextBlob": encode(ciphertext)}
	return p.bytes(p.use("AsymmetricDecrypt", params), "Plaintext")
}

// sealThere has the server encrypt with the public key.
func (p pair) sealThere(algorithm string, plaintext []byte) []byte {
	p.Helper()
	params := object{"Algorithm": algorithm, "Plaintext": encode(plaintext)}
	return p.bytes(p.use("AsymmetricEncrypt", params), "CiphertextBlob")
}

// reEncrypted moves a ciphertext of this version to a new symmetric key, and decrypts it there.
func (p pair) reEncrypted(algorithm string, ciphertext []byte) []byte {
	p.Helper()
	other, to := p.newKey(nil), object{"to": "2"}
	moved := p.call("ReEncrypt", object{
		"CiphertextBlob":               encode(ciphertext),
		"SourceKeyId":                  p.key,
		"SourceKeyVersionId":           p.version,
		"SourceEncryptionAlgorithm":    algorithm,
		"DestinationKeyId":             other,
		"DestinationEncryptionContext": to,
	})
	p.same("KeyId", text(moved, "KeyId"), other)
	return p.decrypt(text(moved, "CiphertextBlob"), in(to))
}

func encode(raw []byte) string {
	return base64.StdEncoding.EncodeToString(raw)
}

// flipped changes the last bit.
func flipped(raw []byte) []byte {
	other := append([]byte{}, raw...)
	other[len(other)-1] ^= 1
	return other
}

// must is for what the client computes by itself.
func must[T any](k kms, value T, err error) T {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
	return value
}

// parsed reads a SubjectPublicKeyInfo in DER, which must be of the key type K.
func parsed[K any](k kms, der []byte) K {
	k.Helper()
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := must(k, parsed, err).(K)
	k.same("public key of the type", ok, true)
	return key
}

// sm2Key reads a SubjectPublicKeyInfo in DER, which the standard library does not for this curve.
func (k kms) sm2Key(der []byte) *sm2.PublicKey {
	k.Helper()
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &info)
	k.same("bytes behind the public key", len(must(k, rest, err)), 0)
	k.same("kind of key", info.Algorithm.Algorithm.String(), "1.2.840.10045.2.1")
	var curve asn1.ObjectIdentifier
	rest, err = asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve)
	k.same("bytes behind the curve", len(must(k, rest, err)), 0)
	k.same("curve", curve.String(), "1.2.156.10197.1.301")
	point := info.Key.RightAlign()
	k.same("uncompressed point", len(point) == 65 && point[0] == 4, true)
	x, y := new(big.Int).SetBytes(point[1:33]), new(big.Int).SetBytes(point[33:])
	k.same("on the curve", sm2.P256Sm2().IsOnCurve(x, y), true)
	return &sm2.PublicKey{Curve: sm2.P256Sm2(), X: x, Y: y}
}

func TestRSASignatures(t *testing.T) {
	each(t, func(k kms) {
		p, digest := k.newPair("RSA_2048", "SIGN/VERIFY"), sha256.Sum256(message)
		public := parsed[*rsa.PublicKey](k, p.der)
		k.same("bits", public.N.BitLen(), 2048)

		signature := p.sign("RSA_PSS_SHA_256", digest[:])
		salt := &rsa.PSSOptions{SaltLength: 32}
		if err := rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, salt); err != nil {
			k.Fatal(err)
		}
		k.same("PSS as PKCS #1", p.verify("RSA_PKCS1_SHA_256", digest[:], signature), false)

		signature = p.sign("RSA_PKCS1_SHA_256", digest[:])
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
			k.Fatal(err)
		}
		k.same("PKCS #1 as PSS", p.verify("RSA_PSS_SHA_256", digest[:], signature), false)
	})
}

func TestECDSASignatures(t *testing.T) {
	each(t, func(k kms) {
		p, digest := k.newPair("EC_P256", "SIGN/VERIFY"), sha256.Sum256(message)
		public := parsed[*ecdsa.PublicKey](k, p.der)
		k.same("curve", public.Params().Name, "P-256")
		k.same("verified here", ecdsa.VerifyASN1(public, digest[:], p.sign("ECDSA_SHA_256", digest[:])), true)
	})
}

func TestSM2Signatures(t *testing.T) {
	each(t, func(k kms) {
		p := k.newPair("EC_SM2", "SIGN/VERIFY")
		public := k.sm2Key(p.der)
		// The digest is SM3(Z_A || M). The library's Sm3Digest would lose zeros at its beginning.
		za, err := sm2.ZA(public, userID)
		signature := p.sign("SM2DSA", sm3.Sm3Sum(append(must(k, za, err), message...)))
		k.same("verified here", public.Verify(message, signature), true)
		k.same("verified here with another message", public.Verify(flipped(message), signature), false)
	})
}

// ML-DSA signs the message itself.
func TestMLDSASignatures(t *testing.T) {
	each(t, func(k kms) {
		p := k.newPair("ML_DSA_65", "SIGN/VERIFY")
		k.same("length of the signature", len(p.sign("ML_DSA", message)), 3309)
		k.same("length with a large message", len(p.sign("ML_DSA", make([]byte, 1024))), 3309)
	})
}

func TestRSAEncryption(t *testing.T) {
	each(t, func(k kms) {
		p := k.newPair("RSA_2048", "ENCRYPT/DECRYPT")
		public := parsed[*rsa.PublicKey](k, p.der)
		for algorithm, newHash := range map[string]func() hash.Hash{
			"RSAES_OAEP_SHA_256": sha256.New,
			"RSAES_OAEP_SHA_1":   sha1.New,
		} {
			k.part(algorithm, func(k kms) {
				p := pair{k, p.key, p.version, p.der}
				ciphertext, err := rsa.EncryptOAEP(newHash(), rand.Reader, public, message, nil)
				k.same("plaintext", p.open(algorithm, must(k, ciphertext, err)), message)
				k.same("plaintext after ReEncrypt", p.reEncrypted(algorithm, ciphertext), message)
				k.same("plaintext of AsymmetricEncrypt", p.open(algorithm, p.sealThere(algorithm, message)), message)
			})
		}
	})
}

func TestSM2Encryption(t *testing.T) {
	each(t, func(k kms) {
		p := k.newPair("EC_SM2", "ENCRYPT/DECRYPT")
		ciphertext, err := sm2.EncryptAsn1(k.sm2Key(p.der), message, rand.Reader)
		k.same("plaintext", p.open("SM2PKE", must(k, ciphertext, err)), message)
		k.same("plaintext after ReEncrypt", p.reEncrypted("SM2PKE", ciphertext), message)
		k.same("plaintext of AsymmetricEncrypt", p.open("SM2PKE", p.sealThere("SM2PKE", message)), message)
	})
}

// One number in 256 is a byte shorter than the others: many rounds meet such ones too.
func TestManyRoundsOfSM2(t *testing.T) {
	each(t, func(k kms) {
		signer, cipher := k.newPair("EC_SM2", "SIGN/VERIFY"), k.newPair("EC_SM2", "ENCRYPT/DECRYPT")
		verifying, sealing := k.sm2Key(signer.der), k.sm2Key(cipher.der)
		za, err := sm2.ZA(verifying, userID)
		digest := sm3.Sm3Sum(append(must(k, za, err), message...))
		for range 200 {
			k.same("verified here", verifying.Verify(message, signer.sign("SM2DSA", digest)), true)
			ciphertext, err := sm2.EncryptAsn1(sealing, message, rand.Reader)
			k.same("plaintext", cipher.open("SM2PKE", must(k, ciphertext, err)), message)
		}
	})
}

func TestSM4(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(object{"KeySpec": "Aliyun_SM4"})
		k.same("KeySpec", text(k.describe(key), "KeySpec"), "Aliyun_SM4")
		blob := k.encrypt(key, message, in(context))
		k.same("plaintext", k.decrypt(blob, in(context)), message)
		k.names(k.fails("InvalidParameter", 400, "Decrypt", object{"CiphertextBlob": blob}), "CiphertextBlob")
	})
}

// wrapping is a way to wrap key material with a public key in DER.
type wrapping struct {
	spec, algorithm string
	wrap            func(k kms, der, material []byte) ([]byte, error)
}

var wrappings = []wrapping{
	{"RSA_2048", "RSAES_OAEP_SHA_256", func(k kms, der, material []byte) ([]byte, error) {
		return rsa.EncryptOAEP(sha256.New(), rand.Reader, parsed[*rsa.PublicKey](k, der), material, nil)
	}},
	{"RSA_2048", "RSAES_PKCS1_V1_5", func(k kms, der, material []byte) ([]byte, error) {
		return rsa.EncryptPKCS1v15(rand.Reader, parsed[*rsa.PublicKey](k, der), material)
	}},
	{"EC_SM2", "SM2PKE", func(k kms, der, material []byte) ([]byte, error) {
		return sm2.EncryptAsn1(k.sm2Key(der), material, rand.Reader)
	}},
}

// imports gives what imports material into a key, by one token.
func (w wrapping) imports(k kms, key string) func(material []byte) object {
	k.Helper()
	given := k.call("GetParametersForImport", object{
		"KeyId": key, "WrappingKeySpec": w.spec, "WrappingAlgorithm": w.algorithm,
	})
	k.same("KeyId", text(given, "KeyId"), key)
	expires, err := time.Parse(time.RFC3339, text(given, "TokenExpireTime"))
	k.same("token valid", time.Until(must(k, expires, err)) > 23*time.Hour, true)
	return func(material []byte) object {
		k.Helper()
		wrapped, err := w.wrap(k, k.bytes(given, "PublicKey"), material)
		return object{
			"KeyId":                key,
			"ImportToken":          text(given, "ImportToken"),
			"EncryptedKeyMaterial": encode(must(k, wrapped, err)),
		}
	}
}

func randomBytes(length int) []byte {
	b := make([]byte, length)
	rand.Read(b)
	return b
}

func TestImport(t *testing.T) {
	each(t, func(k kms) {
		for _, w := range wrappings {
			k.part(w.algorithm, func(k kms) { k.importLife(w) })
		}
	})
}

func (k kms) importLife(w wrapping) {
	key, material := k.newKey(object{"Origin": "EXTERNAL"}), randomBytes(32)
	k.same("Origin", text(k.describe(key), "Origin"), "EXTERNAL")
	k.state(key, "PendingImport")
	k.fails("Rejected.PendingImport", 409, "Encrypt", object{"KeyId": key, "Plaintext": "aGk="})

	imports := w.imports(k, key)
	k.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", imports(material[:31]))
	k.state(key, "PendingImport")
	expires := time.Now().Add(24 * time.Hour)
	k.call("ImportKeyMaterial", merge(imports(material), object{"KeyMaterialExpireUnix": expires.Unix()}))
	k.state(key, "Enabled")
	shown := expires.UTC().Format("2006-01-02T15:04:05Z")
	k.same("MaterialExpireTime", text(k.describe(key), "MaterialExpireTime"), shown)
	blob := k.encrypt(key, message, in(context))
	k.same("plaintext", k.decrypt(blob, in(context)), message)

	k.call("DeleteKeyMaterial", object{"KeyId": key})
	k.state(key, "PendingImport")
	lost := merge(object{"CiphertextBlob": blob}, in(context))
	k.fails("Rejected.PendingImport", 409, "Decrypt", lost)
	imports = w.imports(k, key)
	k.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", imports(randomBytes(32)))
	k.state(key, "PendingImport")
	k.call("ImportKeyMaterial", imports(material))
	k.state(key, "Enabled")
	k.same("MaterialExpireTime", text(k.describe(key), "MaterialExpireTime"), "")
	k.same("old plaintext", k.decrypt(blob, in(context)), message)
}

func (k kms) state(key, expected string) {
	k.Helper()
	k.same("KeyState", text(k.describe(key), "KeyState"), expected)
}

func TestImportOfSM4Material(t *testing.T) {
	each(t, func(k kms) {
		for _, w := range wrappings {
			key := k.newKey(object{"Origin": "EXTERNAL", "KeySpec": "Aliyun_SM4"})
			imports := w.imports(k, key)
			k.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", imports(randomBytes(32)))
			k.call("ImportKeyMaterial", imports(randomBytes(16)))
			k.same("plaintext", k.decrypt(k.encrypt(key, message, nil), nil), message)
		}
	})
}

func TestAsymmetricErrors(t *testing.T) {
	each(t, func(k kms) {
		for _, c := range k.asymmetricErrorCases() {
			k.part(c.name, func(k kms) { k.names(k.fails(c.code, c.status, c.action, c.params), c.names) })
		}
	})
}

func (k kms) asymmetricErrorCases() []errorCase {
	signer, cipher := k.newPair("EC_P256", "SIGN/VERIFY"), k.newPair("RSA_2048", "ENCRYPT/DECRYPT")
	symmetric := k.newKey(nil)
	aes := pair{kms: k, key: symmetric, version: text(k.describe(symmetric), "PrimaryKeyVersion")}
	aesKey := object{"KeyId": symmetric}
	sign := func(p pair, algorithm string, length int) object {
		return p.with(object{"Algorithm": algorithm, "Digest": encode(make([]byte, length))})
	}
	verify := merge(sign(signer, "ECDSA_SHA_256", 31), object{"Value": "aGk="})
	seal := func(p pair, algorithm string, length int) object {
		return p.with(object{"Algorithm": algorithm, "Plaintext": encode(make([]byte, length))})
	}
	oaep := object{"Algorithm": "RSAES_OAEP_SHA_256"}
	damaged := object{"CiphertextBlob": encode(flipped(cipher.sealThere("RSAES_OAEP_SHA_256", message)))}
	noVersion := object{"KeyId": signer.key, "KeyVersionId": mark()}
	hi := object{"KeyId": cipher.key, "Plaintext": "aGk="}
	external := object{"Origin": "EXTERNAL"}
	foreign := wrappings[0].imports(k, k.newKey(external))(randomBytes(32))
	foreign["KeyId"] = k.newKey(external)
	past := merge(foreign, object{"KeyMaterialExpireUnix": time.Now().Add(-time.Hour).Unix()})
	mixed := object{"KeyId": foreign["KeyId"], "WrappingKeySpec": "RSA_2048", "WrappingAlgorithm": "SM2PKE"}
	generated := merge(mixed, object{"KeyId": symmetric, "WrappingAlgorithm": "RSAES_PKCS1_V1_5"})
	const invalid, unsupported = "InvalidParameter", "UnsupportedOperation"
	return []errorCase{
		{"short digest", invalid, 400, "AsymmetricSign", sign(signer, "ECDSA_SHA_256", 31), "Digest"},
		{"long digest", invalid, 400, "AsymmetricSign", sign(signer, "ECDSA_SHA_256", 33), "Digest"},
		{"short digest to verify", invalid, 400, "AsymmetricVerify", verify, "Digest"},
		{"signature of another spec", invalid, 400, "AsymmetricSign", sign(signer, "SM2DSA", 32), "Algorithm"},
		{"encryption of another spec", invalid, 400, "AsymmetricEncrypt", seal(cipher, "SM2PKE", 1), "Algorithm"},
		{"no such algorithm", invalid, 400, "AsymmetricSign", sign(signer, "NONE", 32), "Algorithm"},
		{"too long for OAEP", invalid, 400, "AsymmetricEncrypt", seal(cipher, "RSAES_OAEP_SHA_256", 191), "Plaintext"},
		{"damaged", invalid, 400, "AsymmetricDecrypt", cipher.with(merge(oaep, damaged)), "CiphertextBlob"},
		{"unknown version", "Forbidden.KeyVersionNotFound", 404, "GetPublicKey", noVersion, ""},
		{"Encrypt with RSA", unsupported, 400, "Encrypt", hi, ""},
		{"GenerateDataKey with RSA", unsupported, 400, "GenerateDataKey", object{"KeyId": cipher.key}, ""},
		{"AsymmetricSign with AES", unsupported, 400, "AsymmetricSign", sign(aes, "RSA_PSS_SHA_256", 32), ""},
		{"GetPublicKey with AES", unsupported, 400, "GetPublicKey", aes.with(nil), ""},
		{"signature of another usage", unsupported, 400, "AsymmetricSign", sign(cipher, "RSA_PSS_SHA_256", 32), ""},
		{"encryption of another usage", unsupported, 400, "AsymmetricEncrypt", seal(signer, "SM2PKE", 1), ""},
		{"token of another key", "InvalidImportToken", 400, "ImportKeyMaterial", foreign, "ImportToken"},
		{"material of the past", invalid, 400, "ImportKeyMaterial", past, "KeyMaterialExpireUnix"},
		{"wrapping of another spec", invalid, 400, "GetParametersForImport", mixed, "WrappingAlgorithm"},
		{"import into a generated key", "Unsupported.Origin", 400, "GetParametersForImport", generated, ""},
		{"deletion of generated material", "Unsupported.Origin", 400, "DeleteKeyMaterial", aesKey, ""},
	}
}
