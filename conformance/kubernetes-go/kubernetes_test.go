package conformance

// The API server's own code, unchanged, against the plugin: its gRPC client, what it requires of answers, and its envelopes.

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	"k8s.io/kms/pkg/service"
)

// An action of the KMS API, by the account's root.
func call(t *testing.T, action string, parameters map[string]string) map[string]any {
	t.Helper()
	nonce := make([]byte, 16)
	rand.Read(nonce)
	form := url.Values{
		"Action": {action}, "Version": {"2016-01-20"}, "Format": {"JSON"}, "AccessKeyId": {os.Getenv("YAOKU_ACCESS_KEY_ID")},
		"SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"}, "SignatureNonce": {fmt.Sprintf("%x", nonce)},
		"Timestamp": {time.Now().UTC().Format("2006-01-02T15:04:05Z")},
	}
	for name, value := range parameters {
		form.Set(name, value)
	}
	query := strings.ReplaceAll(form.Encode(), "+", "%20")
	mac := hmac.New(sha1.New, []byte(os.Getenv("YAOKU_ACCESS_KEY_SECRET")+"&"))
	fmt.Fprintf(mac, "POST&%%2F&%s", strings.ReplaceAll(url.QueryEscape(query), "+", "%20"))
	form.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	answer, err := http.PostForm("http://"+os.Getenv("YAOKU_ENDPOINT")+"/", form)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	var read map[string]any
	if json.Unmarshal(body, &read) != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %d %s", action, answer.StatusCode, body)
	}
	return read
}

func createKey(t *testing.T) string {
	t.Helper()
	return call(t, "CreateKey", nil)["KeyMetadata"].(map[string]any)["KeyId"].(string)
}

// A plugin for a key, in a process of its own.
type plugin struct {
	process *exec.Cmd
	socket  string
	key     string
}

func startPlugin(t *testing.T, socket, key string) *plugin {
	t.Helper()
	process := exec.Command(os.Getenv("YAOKU_BINARY"), "kubernetes-kms", "--socket", socket, "--key", key,
		"--server", "http://"+os.Getenv("YAOKU_ENDPOINT"), "--access-key-id", os.Getenv("YAOKU_PLUGIN_ACCESS_KEY_ID"))
	process.Env = append(os.Environ(), "YAOKU_ACCESS_KEY_SECRET="+os.Getenv("YAOKU_PLUGIN_ACCESS_KEY_SECRET"))
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	started := &plugin{process, socket, key}
	t.Cleanup(started.stop)
	for range 600 {
		if _, err := os.Stat(socket); err == nil {
			return started
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the plugin did not open its socket")
	return nil
}

func (p *plugin) stop() {
	if p.process.ProcessState == nil {
		p.process.Process.Signal(os.Interrupt)
		p.process.Wait()
	}
}

// The client that the API server has of a plugin.
func client(t *testing.T, socket string) service.Service {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	made, err := kmsv2.NewGRPCService(ctx, "unix://"+socket, "yaoku", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func begin(t *testing.T) (*plugin, service.Service) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "kms.sock")
	return startPlugin(t, socket, createKey(t)), client(t, socket)
}

// What the API server does at its start, and whenever Status gives another key id.
func envelope(t *testing.T, kms service.Service) (value.Transformer, kmsv2.State) {
	t.Helper()
	ctx := context.Background()
	about, err := kms.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if about.Version != "v2" || about.Healthz != "ok" {
		t.Fatal(about)
	}
	if _, err := kmsv2.ValidateKeyID(about.KeyID); err != nil {
		t.Fatal(err)
	}
	transformer, object, cacheKey, err := kmsv2.GenerateTransformer(ctx, "uid", kms, true)
	if err != nil {
		t.Fatal(err)
	}
	if object.KeyID != about.KeyID {
		t.Fatalf("Status says %q, Encrypt %q", about.KeyID, object.KeyID)
	}
	state := kmsv2.State{
		Transformer: transformer, EncryptedObjectKeyID: object.KeyID, EncryptedObjectEncryptedDEKSource: object.EncryptedDEKSource,
		EncryptedObjectAnnotations: object.Annotations, EncryptedObjectEncryptedDEKSourceType: object.EncryptedDEKSourceType,
		ExpirationTimestamp: time.Now().Add(time.Hour), CacheKey: cacheKey, KMSProviderName: "yaoku",
	}
	// A transformer without memory, as after a restart of the API server.
	return kmsv2.NewEnvelopeTransformer(kms, "yaoku", func() (kmsv2.State, error) { return state, nil }, "id"), state
}

var place = value.DefaultContext("/registry/secrets/default/s")

func read(t *testing.T, transformer value.Transformer, stored []byte) (bool, error) {
	t.Helper()
	plain, stale, err := transformer.TransformFromStorage(context.Background(), stored, place)
	if err == nil && string(plain) != "the secret" {
		t.Fatalf("decrypted to %q", plain)
	}
	return stale, err
}

func write(t *testing.T, transformer value.Transformer) []byte {
	t.Helper()
	stored, err := transformer.TransformToStorage(context.Background(), []byte("the secret"), place)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(stored, []byte("the secret")) {
		t.Fatal("stored in the clear")
	}
	return stored
}

func fails(t *testing.T, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Fatalf("want %s, got %v", code, err)
	}
}

func TestEnvelopes(t *testing.T) {
	_, kms := begin(t)
	transformer, state := envelope(t, kms)
	stored := write(t, transformer)
	again, _ := envelope(t, kms)
	if _, err := read(t, again, stored); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(state.EncryptedObjectKeyID, "acs:kms:cn-hangzhou:1234567890123456:key/") {
		t.Fatal(state.EncryptedObjectKeyID)
	}
}

func TestARotationChangesTheKeyID(t *testing.T) {
	plugin, kms := begin(t)
	before, first := envelope(t, kms)
	stored := write(t, before)
	call(t, "CreateKeyVersion", map[string]string{"KeyId": plugin.key})
	after, second := envelope(t, kms)
	if first.EncryptedObjectKeyID == second.EncryptedObjectKeyID {
		t.Fatal("the key id is the same after a rotation")
	}
	if stale, err := read(t, after, stored); err != nil || !stale {
		t.Fatal("what was written before the rotation must be readable, and stale:", stale, err)
	}
	if stale, err := read(t, after, write(t, after)); err != nil || stale {
		t.Fatal("what was written after the rotation must be readable, and not stale:", stale, err)
	}
}

func TestADisabledKeyIsAnErrorOfEveryMethod(t *testing.T) {
	plugin, kms := begin(t)
	transformer, _ := envelope(t, kms)
	stored := write(t, transformer)
	call(t, "DisableKey", map[string]string{"KeyId": plugin.key})
	_, err := kms.Status(context.Background())
	fails(t, err, codes.FailedPrecondition)
	_, err = kms.Encrypt(context.Background(), "uid", make([]byte, 32))
	fails(t, err, codes.FailedPrecondition)
	// The writer has the seed in memory; one that has just been started does not.
	if _, err = read(t, kmsv2.NewEnvelopeTransformer(kms, "yaoku", func() (kmsv2.State, error) { return kmsv2.State{}, nil }, "id"), stored); err == nil {
		t.Fatal("read although the key is disabled")
	}
	call(t, "EnableKey", map[string]string{"KeyId": plugin.key})
	again, _ := envelope(t, kms)
	if _, err := read(t, again, stored); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasAlteredIsRefused(t *testing.T) {
	plugin, kms := begin(t)
	ctx := context.Background()
	seed := bytes.Repeat([]byte{7}, 32)
	encrypted, err := kms.Encrypt(ctx, "uid", seed)
	if err != nil {
		t.Fatal(err)
	}
	decrypt := func(change func(*service.DecryptRequest)) ([]byte, error) {
		annotations := map[string][]byte{}
		for name, value := range encrypted.Annotations {
			annotations[name] = value
		}
		request := &service.DecryptRequest{Ciphertext: bytes.Clone(encrypted.Ciphertext), KeyID: encrypted.KeyID, Annotations: annotations}
		change(request)
		return kms.Decrypt(ctx, "uid", request)
	}
	if opened, err := decrypt(func(*service.DecryptRequest) {}); err != nil || !bytes.Equal(opened, seed) {
		t.Fatal(opened, err)
	}
	call(t, "CreateKeyVersion", map[string]string{"KeyId": plugin.key})
	rotated, err := kms.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*service.DecryptRequest){
		"the key id of another version": func(r *service.DecryptRequest) { r.KeyID = rotated.KeyID },
		"the key id of another region":  func(r *service.DecryptRequest) { r.KeyID = strings.Replace(r.KeyID, "cn-hangzhou", "cn-beijing", 1) },
		"no key id":                     func(r *service.DecryptRequest) { r.KeyID = "" },
		"no annotations":                func(r *service.DecryptRequest) { r.Annotations = nil },
		"another annotation":            func(r *service.DecryptRequest) { r.Annotations["a.b"] = []byte("c") },
		"another cluster":               func(r *service.DecryptRequest) { r.Annotations["cluster.yaoku"] = []byte("other") },
		"another ciphertext":            func(r *service.DecryptRequest) { r.Ciphertext[len(r.Ciphertext)-1] ^= 1 },
		"no ciphertext":                 func(r *service.DecryptRequest) { r.Ciphertext = nil },
		"a large ciphertext":            func(r *service.DecryptRequest) { r.Ciphertext = make([]byte, 1025) },
	} {
		if _, err := decrypt(change); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := kms.Encrypt(ctx, "uid", make([]byte, 100_000)); status.Code(err) != codes.OutOfRange {
		t.Error("a message that is too large:", err)
	}
}

func TestThePluginIsStartedAgain(t *testing.T) {
	first, kms := begin(t)
	transformer, _ := envelope(t, kms)
	stored := write(t, transformer)
	// Killed, it leaves its socket.
	first.process.Process.Kill()
	first.process.Wait()
	startPlugin(t, first.socket, first.key)
	// The client, the same as before, connects again.
	again, _ := envelope(t, kms)
	if _, err := read(t, again, stored); err != nil {
		t.Fatal(err)
	}
	second := exec.Command(os.Getenv("YAOKU_BINARY"), "kubernetes-kms", "--socket", first.socket, "--key", first.key,
		"--server", "http://"+os.Getenv("YAOKU_ENDPOINT"), "--access-key-id", "a")
	second.Env = append(os.Environ(), "YAOKU_ACCESS_KEY_SECRET=s")
	if said, err := second.CombinedOutput(); err == nil || !strings.Contains(string(said), "another process is listening") {
		t.Fatalf("a second plugin on the same socket: %v %s", err, said)
	}
}
