package conformance

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/payloads"
)

// yaoku is a command of the operator's.
func yaoku(t *testing.T, arguments ...string) {
	t.Helper()
	command := exec.Command(os.Getenv("YAOKU_BINARY"), append(arguments, "--data-dir", os.Getenv("YAOKU_DATA_DIR"))...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatal(string(output), err)
	}
}

var chosen struct {
	sync.Once
	key string
}

// chosenKey is the CMK that managed objects stand under.
func chosenKey(t *testing.T) string {
	t.Helper()
	chosen.Do(func() {
		chosen.key, _ = makeKey(t, "aes256-gcm96")
		yaoku(t, "kmip", "set-key", chosen.key)
	})
	return chosen.key
}

// api is a signed call of the KMS API.
func api(t *testing.T, action, key string) {
	t.Helper()
	query := url.Values{
		"Action": {action}, "KeyId": {key}, "Version": {"2016-01-20"}, "Format": {"JSON"},
		"AccessKeyId": {os.Getenv("YAOKU_ACCESS_KEY_ID")}, "SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"},
		"SignatureNonce": {fmt.Sprint(time.Now().UnixNano())}, "Timestamp": {time.Now().UTC().Format("2006-01-02T15:04:05Z")},
	}
	mac := hmac.New(sha1.New, []byte(os.Getenv("YAOKU_ACCESS_KEY_SECRET")+"&"))
	mac.Write([]byte("GET&%2F&" + url.QueryEscape(query.Encode())))
	query.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	response, err := http.Get("http://" + os.Getenv("YAOKU_ENDPOINT") + "/?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatal(string(body))
	}
}

func state(t *testing.T, get func(string, ...kmip.AttributeName) (*payloads.GetAttributesResponsePayload, error), key string) kmip.State {
	t.Helper()
	described, err := get(key, kmip.AttributeNameState)
	if err != nil || len(described.Attribute) != 1 {
		t.Fatal(described, err)
	}
	return described.Attribute[0].AttributeValue.(kmip.State)
}

func TestAManagedKeyLivesFromCreationToDestruction(t *testing.T) {
	chosenKey(t)
	for _, version := range []kmip.ProtocolVersion{kmip.V1_2, kmip.V1_4} {
		c := client(t, version)
		attributes := func(id string, names ...kmip.AttributeName) (*payloads.GetAttributesResponsePayload, error) {
			return c.GetAttributes(id, names...).Exec()
		}
		name := fmt.Sprintf("volume-%d", time.Now().UnixNano())
		usage := kmip.CryptographicUsageEncrypt | kmip.CryptographicUsageDecrypt
		made, err := c.Create().AES(256, usage).WithName(name).Exec()
		if err != nil {
			t.Fatal(err)
		}
		key := made.UniqueIdentifier
		located, err := c.Locate().WithName(name).Exec()
		if err != nil || !slices.Equal(located.UniqueIdentifier, []string{key}) {
			t.Fatal(located, err)
		}
		fetch := func() ([]byte, error) {
			fetched, err := c.Get(key).Exec()
			if err != nil {
				return nil, err
			}
			return fetched.Object.(*kmip.SymmetricKey).KeyMaterial()
		}
		material, err := fetch()
		if err != nil || len(material) != 32 {
			t.Fatal(material, err)
		}
		if is := state(t, attributes, key); is != kmip.StatePreActive {
			t.Fatal(is)
		}
		if _, err := c.Activate(key).Exec(); err != nil {
			t.Fatal(err)
		}
		_, err = c.Destroy(key).Exec()
		fails(t, err, "PermissionDenied")
		api(t, "DisableKey", chosenKey(t))
		_, err = fetch()
		api(t, "EnableKey", chosenKey(t))
		fails(t, err, "PermissionDenied")
		if again, err := fetch(); err != nil || !bytes.Equal(again, material) {
			t.Fatal(err)
		}
		if _, err := c.Revoke(key).WithRevocationReasonCode(kmip.RevocationReasonCodeSuperseded).Exec(); err != nil {
			t.Fatal(err)
		}
		if is := state(t, attributes, key); is != kmip.StateDeactivated {
			t.Fatal(is)
		}
		if _, err := c.Destroy(key).Exec(); err != nil {
			t.Fatal(err)
		}
		if is := state(t, attributes, key); is != kmip.StateDestroyed {
			t.Fatal(is)
		}
	}
}

func TestObjectsAreRegisteredAndComeBack(t *testing.T) {
	chosenKey(t)
	c := client(t)
	name := fmt.Sprintf("registered-%d", time.Now().UnixNano())
	value := bytes.Repeat([]byte{7}, 16)
	made, err := c.Register().SymmetricKey(kmip.CryptographicAlgorithmAES, kmip.CryptographicUsageEncrypt, value).WithName(name).Exec()
	if err != nil {
		t.Fatal(err)
	}
	fetched, err := c.Get(made.UniqueIdentifier).Exec()
	if err != nil {
		t.Fatal(err)
	}
	if material, err := fetched.Object.(*kmip.SymmetricKey).KeyMaterial(); err != nil || !bytes.Equal(material, value) {
		t.Fatal(material, err)
	}
	secret, err := c.Register().SecretString(kmip.SecretDataTypePassword, "a password").Exec()
	if err != nil {
		t.Fatal(err)
	}
	fetched, err = c.Get(secret.UniqueIdentifier).Exec()
	if err != nil {
		t.Fatal(err)
	}
	if data, err := fetched.Object.(*kmip.SecretData).Data(); err != nil || string(data) != "a password" {
		t.Fatal(data, err)
	}
	// A name is one object's.
	_, err = c.Create().AES(256, kmip.CryptographicUsageEncrypt).WithName(name).Exec()
	if err == nil || !strings.Contains(err.Error(), "Name") {
		t.Fatal(err)
	}
}

func TestAttributesAreChanged(t *testing.T) {
	chosenKey(t)
	c := client(t)
	made, err := c.Create().AES(256, kmip.CryptographicUsageEncrypt).Exec()
	if err != nil {
		t.Fatal(err)
	}
	key := made.UniqueIdentifier
	if _, err := c.AddAttribute(key, kmip.AttributeNameObjectGroup, "one").Exec(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ModifyAttribute(key, kmip.AttributeNameObjectGroup, "two").Exec(); err != nil {
		t.Fatal(err)
	}
	located, err := c.Locate().WithAttribute(kmip.AttributeNameObjectGroup, "two").Exec()
	if err != nil || !slices.Equal(located.UniqueIdentifier, []string{key}) {
		t.Fatal(located, err)
	}
	if _, err := c.DeleteAttribute(key, kmip.AttributeNameObjectGroup).Exec(); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteAttribute(key, kmip.AttributeNameState).Exec()
	fails(t, err, "PermissionDenied")
}

func TestKeyPairsAreMadeAndKeysReplaced(t *testing.T) {
	chosenKey(t)
	c := client(t)
	pair, err := c.CreateKeyPair().RSA(2048, kmip.CryptographicUsageSign, kmip.CryptographicUsageVerify).Exec()
	if err != nil {
		t.Fatal(err)
	}
	private, err := c.Get(pair.PrivateKeyUniqueIdentifier).Exec()
	if err != nil {
		t.Fatal(err)
	}
	rsa, err := private.Object.(*kmip.PrivateKey).RSA()
	if err != nil || rsa.N.BitLen() != 2048 {
		t.Fatal(rsa, err)
	}
	public, err := c.Get(pair.PublicKeyUniqueIdentifier).Exec()
	if err != nil {
		t.Fatal(err)
	}
	if key, err := public.Object.(*kmip.PublicKey).RSA(); err != nil || key.N.Cmp(rsa.N) != 0 {
		t.Fatal(key, err)
	}
	old, err := c.Create().AES(256, kmip.CryptographicUsageEncrypt).WithName(fmt.Sprintf("old-%d", time.Now().UnixNano())).Exec()
	if err != nil {
		t.Fatal(err)
	}
	if replaced, err := c.Rekey(old.UniqueIdentifier).Exec(); err != nil || replaced.UniqueIdentifier == old.UniqueIdentifier {
		t.Fatal(replaced, err)
	}
}
