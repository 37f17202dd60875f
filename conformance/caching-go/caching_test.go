// Package caching drives the server with the official caching client for Go.
package caching

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	caching "github.com/aliyun/aliyun-secretsmanager-client-go/sdk"
)

// owner makes and changes what the caching client reads.
func owner(t *testing.T) *kms.Client {
	client, err := kms.NewClientWithAccessKey(os.Getenv("YAOKU_REGION"), os.Getenv("YAOKU_ACCESS_KEY_ID"),
		os.Getenv("YAOKU_ACCESS_KEY_SECRET"))
	if err != nil {
		t.Fatal(err)
	}
	client.Domain = os.Getenv("YAOKU_ENDPOINT")
	client.GetConfig().Scheme = requests.HTTPS
	return client
}

func TestASecretIsReadOnceAndAgainWhenItIsRefreshed(t *testing.T) {
	owner := owner(t)
	name := fmt.Sprintf("caching/%d", time.Now().UnixNano())
	create := kms.CreateCreateSecretRequest()
	create.SecretName, create.VersionId, create.SecretData = name, "v1", `{"password":"first","ttl":3600000}`
	if _, err := owner.CreateSecret(create); err != nil {
		t.Fatal(err)
	}
	// As its documentation has it: from the environment.
	client, err := caching.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	password := func() string {
		t.Helper()
		text, err := client.GetStringValue(name)
		if err != nil {
			t.Fatal(err)
		}
		var value struct{ Password string }
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		return value.Password
	}
	if found := password(); found != "first" {
		t.Fatal(found)
	}
	put := kms.CreatePutSecretValueRequest()
	put.SecretName, put.VersionId, put.SecretData = name, "v2", `{"password":"second","ttl":3600000}`
	if _, err := owner.PutSecretValue(put); err != nil {
		t.Fatal(err)
	}
	if found := password(); found != "first" {
		t.Fatalf("not from the cache: %s", found)
	}
	if refreshed, err := client.RefreshNow(name); !refreshed || err != nil {
		t.Fatal(refreshed, err)
	}
	if found := password(); found != "second" {
		t.Fatal(found)
	}
	info, err := client.GetSecretInfo(name)
	if err != nil || info.VersionId != "v2" || info.SecretType != "Generic" {
		t.Fatalf("%+v %v", info, err)
	}
}

func TestASecretThatIsNotThereIsAnError(t *testing.T) {
	client, err := caching.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if info, err := client.GetSecretInfo("caching/none"); err == nil {
		t.Fatalf("%+v", info)
	}
}
