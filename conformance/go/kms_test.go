package conformance

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
)

// kms is one SDK within one test, and what the scenarios need beyond single calls.
type kms struct {
	*testing.T
	sdk     face
	connect connect
}

// each runs a scenario under each SDK.
func each(t *testing.T, scenario func(k kms)) {
	for _, sdk := range sdks {
		t.Run(sdk.name, func(t *testing.T) {
			scenario(kms{T: t, connect: sdk.connect}.as(root))
		})
	}
}

// as is the same SDK with other credentials.
func (k kms) as(who credential) kms {
	k.Helper()
	sdk, err := k.connect(who)
	if err != nil {
		k.Fatal(err)
	}
	return kms{k.T, sdk, k.connect}
}

// part runs a piece of a scenario as a test of its own.
func (k kms) part(name string, scenario func(k kms)) {
	k.Run(name, func(t *testing.T) { scenario(kms{t, k.sdk, k.connect}) })
}

func (k kms) call(action string, params object) object {
	k.Helper()
	answer, err := k.sdk.call(action, params)
	if err != nil {
		k.Fatalf("%s: %v", action, err)
	}
	k.same("length of the RequestId", len(text(answer, "RequestId")), 36)
	return answer
}

func (k kms) fails(code string, status int, action string, params object) failure {
	k.Helper()
	_, err := k.sdk.call(action, params)
	if err == nil {
		k.Fatalf("%s: no error, expected %s", action, code)
	}
	said, ok := k.sdk.explain(err)
	if !ok {
		k.Fatalf("%s: not an error of the server: %v", action, err)
	}
	if said.code != code || said.status != status {
		k.Fatalf("%s: %s, HTTP %d (%s), expected %s, HTTP %d",
			action, said.code, said.status, said.message, code, status)
	}
	if said.message == "" || len(said.requestID) != 36 {
		k.Fatalf("%s: message %q, request id %q", action, said.message, said.requestID)
	}
	return said
}

// same compares what was found with what was expected.
func (k kms) same(what string, found, expected any) {
	k.Helper()
	if !reflect.DeepEqual(found, expected) {
		k.Fatalf("%s: %v, expected %v", what, found, expected)
	}
}

func (k kms) newKey(params object) string {
	k.Helper()
	return text(k.call("CreateKey", params), "KeyMetadata.KeyId")
}

func (k kms) describe(key string) object {
	k.Helper()
	return at(k.call("DescribeKey", object{"KeyId": key}), "KeyMetadata").(object)
}

func (k kms) encrypt(key string, plaintext []byte, more object) string {
	k.Helper()
	params := object{"KeyId": key, "Plaintext": base64.StdEncoding.EncodeToString(plaintext)}
	return text(k.call("Encrypt", merge(params, more)), "CiphertextBlob")
}

func (k kms) decrypt(blob string, more object) []byte {
	k.Helper()
	return k.bytes(k.call("Decrypt", merge(object{"CiphertextBlob": blob}, more)), "Plaintext")
}

// bytes decodes a field that holds base64.
func (k kms) bytes(answer object, field string) []byte {
	k.Helper()
	decoded, err := base64.StdEncoding.DecodeString(text(answer, field))
	if err != nil {
		k.Fatalf("%s: %v", field, err)
	}
	return decoded
}

// merge joins parameters; later ones win.
func merge(parts ...object) object {
	all := object{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// at follows a dotted path into a response; nil means that something on the way is absent.
func at(answer object, path string) any {
	var here any = answer
	for name := range strings.SplitSeq(path, ".") {
		inner, _ := here.(object)
		here = inner[name]
	}
	return here
}

func text(answer object, path string) string {
	found, _ := at(answer, path).(string)
	return found
}

func number(answer object, path string) int {
	found, _ := at(answer, path).(float64)
	return int(found)
}

// list gives the objects of a list, none if the SDK leaves an empty list out.
func list(answer object, path string) []object {
	items, _ := at(answer, path).([]any)
	objects := []object{}
	for _, item := range items {
		objects = append(objects, item.(object))
	}
	return objects
}

// column gives one field of each object of a list.
func column(answer object, path, field string) []string {
	values := []string{}
	for _, item := range list(answer, path) {
		values = append(values, text(item, field))
	}
	return values
}

// jsonText is for parameters that are JSON within a string in both SDKs.
func jsonText(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func tags(key, value string) string {
	return jsonText([]object{{"TagKey": key, "TagValue": value}})
}
