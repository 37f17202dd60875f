package conformance

// OpenBao's client library, unchanged, against the Vault API. It sends PUT where others send POST.

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	vault "github.com/openbao/openbao/api/v2"
)

func client(t *testing.T, token string) *vault.Client {
	t.Helper()
	config := vault.DefaultConfig()
	config.Address, config.MaxRetries = os.Getenv("YAOKU_VAULT_ADDRESS"), 0
	made, err := vault.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	made.SetToken(token)
	return made
}

func write(t *testing.T, c *vault.Client, path string, data map[string]any) map[string]any {
	t.Helper()
	answer, err := c.Logical().Write(path, data)
	if err != nil {
		t.Fatal(path, err)
	}
	if answer == nil {
		return nil
	}
	return answer.Data
}

func fails(t *testing.T, err error, status int) {
	t.Helper()
	var response *vault.ResponseError
	if !errors.As(err, &response) || response.StatusCode != status {
		t.Fatalf("want %d, got %v", status, err)
	}
}

func TestTransit(t *testing.T) {
	c := client(t, os.Getenv("YAOKU_VAULT_TOKEN"))
	name := fmt.Sprintf("go-%d", time.Now().UnixNano())
	write(t, c, "transit/keys/"+name, nil)
	plaintext := base64.StdEncoding.EncodeToString([]byte("hello"))
	sealed := write(t, c, "transit/encrypt/"+name, map[string]any{"plaintext": plaintext})["ciphertext"].(string)
	if !strings.HasPrefix(sealed, "vault:v1:") {
		t.Fatal(sealed)
	}
	write(t, c, "transit/keys/"+name+"/rotate", nil)
	opened := write(t, c, "transit/decrypt/"+name, map[string]any{"ciphertext": sealed})
	if opened["plaintext"] != plaintext {
		t.Fatal(opened)
	}
	about, err := c.Logical().Read("transit/keys/" + name)
	if err != nil || fmt.Sprint(about.Data["latest_version"]) != "2" {
		t.Fatal(about, err)
	}
	listed, err := c.Logical().List("transit/keys")
	if err != nil || !strings.Contains(fmt.Sprint(listed.Data["keys"]), name) {
		t.Fatal(listed, err)
	}
	if absent, err := c.Logical().Read("transit/keys/health-check-dummy-key"); absent != nil || err != nil {
		t.Fatal(absent, err)
	}
	_, err = c.Logical().Write("transit/encrypt/none", map[string]any{"plaintext": plaintext})
	fails(t, err, 400)
	c.SetToken("wrong")
	_, err = c.Logical().Write("transit/encrypt/"+name, map[string]any{"plaintext": plaintext})
	fails(t, err, 403)
}

func TestLogin(t *testing.T) {
	c := client(t, "")
	login, err := c.Logical().Write("auth/approle/login", map[string]any{
		"role_id": os.Getenv("YAOKU_ACCESS_KEY_ID"), "secret_id": os.Getenv("YAOKU_ACCESS_KEY_SECRET"),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(login.Auth.ClientToken)
	if about, err := c.Auth().Token().LookupSelf(); err != nil || about.Data["display_name"] != "root" {
		t.Fatal(about, err)
	}
	watcher, err := c.NewLifetimeWatcher(&vault.LifetimeWatcherInput{Secret: login, Increment: 600})
	if err != nil {
		t.Fatal(err)
	}
	go watcher.Start()
	select {
	case renewed := <-watcher.RenewCh():
		if left := renewed.Secret.Auth.LeaseDuration; left != 600 {
			t.Fatal(left)
		}
	case err := <-watcher.DoneCh():
		t.Fatal("not renewed", err)
	case <-time.After(10 * time.Second):
		t.Fatal("not renewed in time")
	}
	watcher.Stop()
	if err := c.Auth().Token().RevokeSelf(""); err != nil {
		t.Fatal(err)
	}
	_, err = c.Auth().Token().LookupSelf()
	fails(t, err, 403)
}

func TestProbes(t *testing.T) {
	c := client(t, os.Getenv("YAOKU_VAULT_TOKEN"))
	health, err := c.Sys().Health()
	if err != nil || health.Sealed || !health.Initialized {
		t.Fatal(health, err)
	}
	mounts, err := c.Sys().ListMounts()
	if err != nil || mounts["transit/"].Type != "transit" {
		t.Fatal(mounts, err)
	}
	if status, err := c.Sys().SealStatus(); err != nil || status.Sealed {
		t.Fatal(status, err)
	}
	for path, want := range map[string]string{"secret/data/x": "[create delete read update]", "sys/policies/acl": "[deny]"} {
		if told, err := c.Sys().CapabilitiesSelf(path); err != nil || fmt.Sprint(told) != want {
			t.Fatal(path, told, err)
		}
	}
}
