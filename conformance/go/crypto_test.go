package conformance

// Encryption with context, data keys, and errors: points 3, 4 and 9 of the conformance list.

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
)

var context = object{"部门": "财务 + 审计", "a b": "*~&=", "quote": `"'\`}

// reordered is the same context as a text that neither SDK would write: both sort by name.
const reordered = `{"部门": "财务 + 审计", "quote": "\"'\\", "a b": "*~&="}`

func in(context any) object {
	return object{"EncryptionContext": context}
}

func TestContext(t *testing.T) {
	each(t, func(k kms) {
		blob := k.encrypt(k.newKey(nil), []byte("text"), in(context))
		k.same("plaintext", string(k.decrypt(blob, in(context))), "text")
		for _, other := range []object{in(merge(context, object{"more": "1"})), in(object{"a b": "*~&="}), nil} {
			said := k.fails("InvalidParameter", 400, "Decrypt", merge(object{"CiphertextBlob": blob}, other))
			k.names(said, "CiphertextBlob")
		}
	})
}

// Only the older SDK takes the context as text, so it decrypts for both.
func TestContextInAnotherOrder(t *testing.T) {
	each(t, func(k kms) {
		blob := k.encrypt(k.newKey(nil), []byte("text"), in(context))
		reader := kms{T: k.T, connect: connectOlder}.as(root)
		k.same("plaintext", string(reader.decrypt(blob, in(reordered))), "text")
	})
}

func TestLargestPlaintext(t *testing.T) {
	each(t, func(k kms) {
		plaintext := make([]byte, 6144)
		rand.Read(plaintext)
		k.same("plaintext", k.decrypt(k.encrypt(k.newKey(nil), plaintext, nil), nil), plaintext)
	})
}

func TestReEncrypt(t *testing.T) {
	each(t, func(k kms) {
		key, other, from, to := k.newKey(nil), k.newKey(nil), object{"from": "1"}, object{"to": "2"}
		moved := k.call("ReEncrypt", object{
			"CiphertextBlob":               k.encrypt(key, []byte("text"), in(from)),
			"SourceEncryptionContext":      from,
			"DestinationKeyId":             other,
			"DestinationEncryptionContext": to,
		})
		k.same("KeyId", text(moved, "KeyId"), other)
		k.same("plaintext", string(k.decrypt(text(moved, "CiphertextBlob"), in(to))), "text")
	})
}

func TestDataKeys(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		for _, wish := range []struct {
			params object
			length int
		}{
			{nil, 32},
			{object{"KeySpec": "AES_256"}, 32},
			{object{"KeySpec": "AES_128"}, 16},
			{object{"NumberOfBytes": 1024}, 1024},
		} {
			made := k.call("GenerateDataKey", merge(object{"KeyId": key}, in(context), wish.params))
			plaintext := k.bytes(made, "Plaintext")
			k.same("length", len(plaintext), wish.length)
			k.same("data key", k.decrypt(text(made, "CiphertextBlob"), in(context)), plaintext)
		}
	})
}

func TestDataKeyWithoutPlaintext(t *testing.T) {
	each(t, func(k kms) {
		made := k.call("GenerateDataKeyWithoutPlaintext", object{"KeyId": k.newKey(nil)})
		k.same("length", len(k.decrypt(text(made, "CiphertextBlob"), nil)), 32)
	})
}

func TestExportedDataKeys(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	target := object{
		"PublicKeyBlob":     base64.StdEncoding.EncodeToString(der),
		"WrappingKeySpec":   "RSA_2048",
		"WrappingAlgorithm": "RSAES_OAEP_SHA_256",
	}
	each(t, func(k kms) {
		made := k.call("GenerateAndExportDataKey", merge(object{"KeyId": k.newKey(nil)}, target))
		blob := object{"CiphertextBlob": text(made, "CiphertextBlob")}
		exported := k.call("ExportDataKey", merge(blob, target))
		plaintext := k.decrypt(text(made, "CiphertextBlob"), nil)
		for _, answer := range []object{made, exported} {
			unwrapped, err := rsa.DecryptOAEP(sha256.New(), nil, private, k.bytes(answer, "ExportedDataKey"), nil)
			if err != nil {
				k.Fatal(err)
			}
			k.same("data key", unwrapped, plaintext)
		}
	})
}

// names says that a failure's message names a parameter.
func (k kms) names(said failure, parameter string) {
	k.Helper()
	if !strings.Contains(said.message, parameter) {
		k.Fatalf("%q does not name %s", said.message, parameter)
	}
}

func TestErrors(t *testing.T) {
	each(t, func(k kms) {
		for _, c := range k.errorCases() {
			k.part(c.name, func(k kms) { k.names(k.fails(c.code, c.status, c.action, c.params), c.names) })
		}
	})
}

// errorCase is a call that fails; names is what the message must mention, if anything.
type errorCase struct {
	name, code string
	status     int
	action     string
	params     object
	names      string
}

func (k kms) errorCases() []errorCase {
	key, nobody, alias := k.newKey(nil), mark(), "alias/"+mark()
	byAlias := object{"AliasName": alias, "KeyId": key}
	k.call("CreateAlias", byAlias)
	disabled := k.newKey(nil)
	k.call("DisableKey", object{"KeyId": disabled})
	deletion := object{"KeyId": k.newKey(nil), "PendingWindowInDays": 7}
	k.call("ScheduleKeyDeletion", deletion)

	of := func(key string) object { return object{"KeyId": key} }
	hi := func(key any) object { return object{"KeyId": key, "Plaintext": "aGk="} }
	dryRun := func(key string) object { return merge(hi(key), object{"DryRun": "true"}) }
	version := object{"KeyId": key, "KeyVersionId": nobody}
	damaged := object{"CiphertextBlob": k.damage(k.encrypt(key, []byte("hi"), nil))}
	large := object{"KeyId": key, "Plaintext": base64.StdEncoding.EncodeToString(make([]byte, 6145))}
	window := object{"KeyId": key, "PendingWindowInDays": 6}
	secret := object{"SecretName": "s", "VersionId": "1", "SecretData": "d", "SecretType": "Rds"}
	return []errorCase{
		{"unknown key", "Forbidden.KeyNotFound", 404, "DescribeKey", of(nobody), ""},
		{"unknown alias", "Forbidden.AliasNotFound", 404, "Encrypt", hi("alias/" + nobody), ""},
		{"unknown version", "Forbidden.KeyVersionNotFound", 404, "DescribeKeyVersion", version, ""},
		{"disabled key", "Rejected.Disabled", 409, "Encrypt", hi(disabled), ""},
		{"pending deletion", "Rejected.PendingDeletion", 409, "Encrypt", hi(deletion["KeyId"]), ""},
		{"second deletion", "Rejected.StateModifiedFailed", 409, "ScheduleKeyDeletion", deletion, ""},
		{"duplicate alias", "AliasAlreadyExists", 400, "CreateAlias", byAlias, ""},
		{"alias instead of id", "Unsupported.Alias", 400, "DisableKey", of(alias), ""},
		{"damaged ciphertext", "InvalidParameter", 400, "Decrypt", damaged, "CiphertextBlob"},
		{"oversized plaintext", "InvalidParameter", 400, "Encrypt", large, "Plaintext"},
		{"short window", "InvalidParameter", 400, "ScheduleKeyDeletion", window, "PendingWindowInDays"},
		{"HSM", "Unsupported.ProtectionLevel", 400, "CreateKey", object{"ProtectionLevel": "HSM", "KeySpec": "EC_SM2"}, ""},
		{"type of secret of another product", "UnsupportedOperation", 400, "CreateSecret", secret, ""},
		{"dry run that would pass", "DryRunOperationError", 412, "Encrypt", dryRun(key), ""},
		{"dry run that would fail", "ValidationError", 400, "Encrypt", dryRun(nobody), ""},
	}
}

// damage changes the last byte of a ciphertext.
func (k kms) damage(blob string) string {
	raw := k.bytes(object{"blob": blob}, "blob")
	raw[len(raw)-1] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}

func TestUnknownAccessKey(t *testing.T) {
	each(t, func(k kms) {
		k.as(credential{keyID: "nobody", secret: root.secret}).fails("InvalidAccessKeyId.NotFound", 404, "DescribeAccountKmsStatus", nil)
	})
}

func TestWrongSecret(t *testing.T) {
	each(t, func(k kms) {
		k.as(credential{keyID: root.keyID, secret: "wrong"}).fails("SignatureDoesNotMatch", 400, "DescribeAccountKmsStatus", nil)
	})
}
