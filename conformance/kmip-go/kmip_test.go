package conformance

// kmip-go, unchanged, against KMIP: customer master keys that are used and never fetched, and managed objects that are made and fetched.

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipclient"
	"github.com/ovh/kmip-go/payloads"
)

// client is authenticated by its certificate.
func client(t *testing.T, versions ...kmip.ProtocolVersion) *kmipclient.Client {
	t.Helper()
	options := []kmipclient.Option{
		kmipclient.WithRootCAFile(os.Getenv("YAOKU_KMIP_CA")),
		kmipclient.WithClientCertFiles(os.Getenv("YAOKU_KMIP_CERTIFICATE"), os.Getenv("YAOKU_KMIP_PRIVATE_KEY")),
	}
	if len(versions) > 0 {
		options = append(options, kmipclient.WithKmipVersions(versions...))
	}
	made, err := kmipclient.Dial(os.Getenv("YAOKU_KMIP_ADDRESS"), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	return made
}

// makeKey makes a CMK by the Vault API: its id, and the name that its alias is.
func makeKey(t *testing.T, kind string) (string, string) {
	t.Helper()
	name := fmt.Sprintf("kmip-%d", time.Now().UnixNano())
	body, _ := json.Marshal(map[string]string{"type": kind})
	url := os.Getenv("YAOKU_VAULT_ADDRESS") + "/v1/transit/keys/" + name
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", os.Getenv("YAOKU_VAULT_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var made struct {
		Data struct {
			KeyID string `json:"key_id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&made); err != nil || made.Data.KeyID == "" {
		t.Fatal(response.Status, err)
	}
	return made.Data.KeyID, name
}

func fails(t *testing.T, err error, reason string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Fatalf("want %s, got %v", reason, err)
	}
}

func TestTheNewestVersionThatBothKnowIsAgreedOn(t *testing.T) {
	if version := client(t).Version(); version != kmip.V1_4 {
		t.Fatal(version)
	}
	if version := client(t, kmip.V1_2).Version(); version != kmip.V1_2 {
		t.Fatal(version)
	}
}

func TestKeysEncryptAndDecrypt(t *testing.T) {
	c := client(t)
	key, _ := makeKey(t, "aes256-gcm96")
	gcm := kmip.CryptographicParameters{
		CryptographicAlgorithm: kmip.CryptographicAlgorithmAES,
		BlockCipherMode:        kmip.BlockCipherModeGCM,
	}
	plaintext, bound := []byte("Hello World!"), []byte("volume-1")
	sealed, err := c.Encrypt(key).WithAAD(bound).WithCryptographicParameters(gcm).Data(plaintext).Exec()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := c.Decrypt(key).WithAAD(bound).WithCryptographicParameters(gcm).Data(sealed.Data).Exec()
	if err != nil || !bytes.Equal(opened.Data, plaintext) {
		t.Fatal(opened, err)
	}
	_, err = c.Decrypt(key).WithAAD([]byte("volume-2")).Data(sealed.Data).Exec()
	fails(t, err, "CryptographicFailure")
	// What can't be honoured is refused, not passed over.
	_, err = c.Encrypt(key).WithIvCounterNonce([]byte("abcdefghijkl")).Data(plaintext).Exec()
	fails(t, err, "FeatureNotSupported")
}

func TestSignatures(t *testing.T) {
	c := client(t)
	for _, kind := range []string{"rsa-2048", "ecdsa-p256"} {
		pair, _ := makeKey(t, kind)
		message := []byte("message")
		signed, err := c.Sign(pair).Data(message).Exec()
		if err != nil {
			t.Fatal(kind, err)
		}
		digest := sha256.Sum256(message)
		for _, data := range [][]byte{digest[:], make([]byte, 32)} {
			verified, err := c.SignatureVerify(pair).DigestedData(data).Signature(signed.SignatureData).Exec()
			if err != nil {
				t.Fatal(kind, err)
			}
			if valid := verified.ValidityIndicator == kmip.ValidityIndicatorValid; valid != bytes.Equal(data, digest[:]) {
				t.Fatal(kind, verified)
			}
		}
	}
}

func TestKeysAreLocatedAndDescribedAndNeverFetched(t *testing.T) {
	c := client(t)
	key, name := makeKey(t, "aes256-gcm96")
	located, err := c.Locate().WithName(name).Exec()
	if err != nil || !slices.Equal(located.UniqueIdentifier, []string{key}) {
		t.Fatal(located, err)
	}
	described, err := c.GetAttributes(key, kmip.AttributeNameState, kmip.AttributeNameCryptographicLength).Exec()
	if err != nil || len(described.Attribute) != 2 {
		t.Fatal(described, err)
	}
	for _, attribute := range described.Attribute {
		switch attribute.AttributeName {
		case kmip.AttributeNameState:
			if attribute.AttributeValue != kmip.StateActive {
				t.Fatal(attribute)
			}
		case kmip.AttributeNameCryptographicLength:
			if attribute.AttributeValue != int32(256) {
				t.Fatal(attribute)
			}
		}
	}
	_, err = c.Get(key).Exec()
	fails(t, err, "NotExtractable")
	_, err = c.Destroy(key).Exec()
	fails(t, err, "IllegalOperation")
	_, err = c.Rekey(key).Exec()
	fails(t, err, "IllegalOperation")
}

func TestABatchIsAnsweredItemByItem(t *testing.T) {
	c := client(t)
	key, name := makeKey(t, "aes256-gcm96")
	attribute := kmip.Attribute{
		AttributeName:  kmip.AttributeNameName,
		AttributeValue: kmip.Name{NameValue: name, NameType: kmip.NameTypeUninterpretedTextString},
	}
	answers, err := c.Batch(t.Context(),
		&payloads.LocateRequestPayload{Attribute: []kmip.Attribute{attribute}},
		// The one that was located.
		&payloads.EncryptRequestPayload{Data: []byte("plaintext")},
		&payloads.GetRequestPayload{},
	)
	if err != nil || len(answers) != 3 {
		t.Fatal(answers, err)
	}
	if answers[1].ResponsePayload.(*payloads.EncryptResponsePayload).UniqueIdentifier != key {
		t.Fatal(answers[1])
	}
	fails(t, answers[2].Err(), "NotExtractable")
}
