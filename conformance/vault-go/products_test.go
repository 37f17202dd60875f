package conformance

// Products that keep their keys with a server of the Vault API, by their own code for it: SOPS's `hc_vault_transit_uri`, and the seal
// `transit`, by which HashiCorp's Vault and OpenBao unseal themselves.

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getsops/sops/v3/hcvault"
	"github.com/hashicorp/go-kms-wrapping/wrappers/transit/v2"
)

func TestSops(t *testing.T) {
	address, token := os.Getenv("YAOKU_VAULT_ADDRESS"), os.Getenv("YAOKU_VAULT_TOKEN")
	name := fmt.Sprintf("sops-%d", time.Now().UnixNano())
	c := client(t, token)
	write(t, c, "transit/keys/"+name, nil)
	key, err := hcvault.NewMasterKeyFromURI(address + "/v1/transit/keys/" + name)
	if err != nil {
		t.Fatal(err)
	}
	hcvault.Token(token).ApplyToMasterKey(key)
	dataKey := []byte(strings.Repeat("k", 32))
	if err := key.Encrypt(dataKey); err != nil {
		t.Fatal(err)
	}
	// `sops rotate` gives files a new data key; what was encrypted before goes on opening.
	write(t, c, "transit/keys/"+name+"/rotate", nil)
	opened, err := key.Decrypt()
	if err != nil || string(opened) != string(dataKey) {
		t.Fatal(opened, err)
	}
	hcvault.Token("wrong").ApplyToMasterKey(key)
	if _, err := key.Decrypt(); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Fatal(err)
	}
}

func TestAutoUnseal(t *testing.T) {
	address, token := os.Getenv("YAOKU_VAULT_ADDRESS"), os.Getenv("YAOKU_VAULT_TOKEN")
	name := fmt.Sprintf("unseal-%d", time.Now().UnixNano())
	c := client(t, token)
	write(t, c, "transit/keys/"+name, nil)
	ctx := context.Background()
	login, err := client(t, "").Logical().Write("auth/approle/login", map[string]any{
		"role_id": os.Getenv("YAOKU_ACCESS_KEY_ID"), "secret_id": os.Getenv("YAOKU_ACCESS_KEY_SECRET"),
	})
	if err != nil {
		t.Fatal(err)
	}
	seal := transit.NewWrapper()
	// What the stanza `seal "transit"` of a configuration says. It renews its token at once.
	config, err := seal.SetConfig(ctx, transit.WithAddress(address), transit.WithToken(login.Auth.ClientToken), transit.WithMountPath("transit/"),
		transit.WithKeyName(name))
	if err != nil || config.Metadata["key_name"] != name {
		t.Fatal(config, err)
	}
	sealed, err := seal.Encrypt(ctx, []byte("the root key of another server"))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := seal.KeyId(ctx); err != nil || id != "v1" {
		t.Fatal(id, err)
	}
	write(t, c, "transit/keys/"+name+"/rotate", nil)
	opened, err := seal.Decrypt(ctx, sealed)
	if err != nil || string(opened) != "the root key of another server" {
		t.Fatal(opened, err)
	}
	again, err := seal.Encrypt(ctx, opened)
	if id, _ := seal.KeyId(ctx); err != nil || id != "v2" || !strings.HasPrefix(string(again.Ciphertext), "vault:v2:") {
		t.Fatal(id, again, err)
	}
	// Once the key can't be used, a server stays sealed.
	write(t, c, "transit/keys/"+name+"/config", map[string]any{"deletion_allowed": true})
	if _, err := c.Logical().Delete("transit/keys/" + name); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Decrypt(ctx, again); err == nil || !strings.Contains(err.Error(), "403") {
		t.Fatal(err)
	}
}
