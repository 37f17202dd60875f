package conformance

// Secrets: point 16 of the conformance list.

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

func (k kms) newSecret(more object) string {
	k.Helper()
	name := "conformance/" + mark()
	k.call("CreateSecret", merge(object{"SecretName": name, "VersionId": "v1", "SecretData": "first"}, more))
	return name
}

func (k kms) secretData(name string, more object) string {
	k.Helper()
	return text(k.call("GetSecretValue", merge(object{"SecretName": name}, more)), "SecretData")
}

func TestSecretLife(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		name := k.newSecret(object{
			"Description": "描述 & description", "EncryptionKeyId": key, "Tags": tags("team", "red"),
		})
		secret := object{"SecretName": name}
		shown := k.call("DescribeSecret", object{"SecretName": name, "FetchTags": "true"})
		for field, expected := range map[string]string{
			"Arn":               arn("secret/" + name),
			"SecretType":        "Generic",
			"Description":       "描述 & description",
			"EncryptionKeyId":   key,
			"AutomaticRotation": "Disabled",
		} {
			k.same(field, text(shown, field), expected)
		}
		k.same("tags", column(shown, "Tags.Tag", "TagValue"), []string{"red"})
		k.call("UpdateSecret", object{"SecretName": name, "Description": "new"})
		k.same("Description", text(k.call("DescribeSecret", secret), "Description"), "new")
		filters, _ := json.Marshal([]object{{"Key": "SecretName", "Values": []string{name}}})
		listed := k.call("ListSecrets", object{"Filters": string(filters)})
		k.same("listed", column(listed, "SecretList.Secret", "SecretName"), []string{name})
		k.call("DisableKey", object{"KeyId": key})
		k.fails("Rejected.Disabled", 409, "GetSecretValue", secret)
		k.call("EnableKey", object{"KeyId": key})
		k.call("DeleteSecret", object{"SecretName": name, "RecoveryWindowInDays": "7"})
		k.fails("Rejected.ResourceInDeleteWindow", 409, "GetSecretValue", secret)
		k.call("RestoreSecret", secret)
		k.same("value", k.secretData(name, nil), "first")
		k.call("DeleteSecret", object{"SecretName": name, "ForceDeleteWithoutRecovery": "true"})
		k.fails("Forbidden.ResourceNotFound", 404, "GetSecretValue", secret)
	})
}

func TestSecretVersionsAndStages(t *testing.T) {
	each(t, func(k kms) {
		name := k.newSecret(object{"SecretData": "值 +&=*~'\" first"})
		k.fails("Rejected.ResourceExist", 409, "CreateSecret",
			object{"SecretName": name, "VersionId": "v1", "SecretData": "x"})
		k.call("PutSecretValue", object{"SecretName": name, "VersionId": "v2", "SecretData": "second"})
		k.call("PutSecretValue",
			object{"SecretName": name, "VersionId": "v3", "SecretData": "third", "VersionStages": `["blue"]`})
		for stage, expected := range map[string]string{
			"ACSCurrent": "second", "ACSPrevious": "值 +&=*~'\" first", "blue": "third",
		} {
			k.same(stage, k.secretData(name, object{"VersionStage": stage}), expected)
		}
		k.call("UpdateSecretVersionStage",
			object{"SecretName": name, "VersionStage": "ACSCurrent", "MoveToVersion": "v3"})
		k.same("ACSCurrent", k.secretData(name, nil), "third")
		k.same("v2", k.secretData(name, object{"VersionId": "v2"}), "second")
		k.call("UpdateSecretVersionStage",
			object{"SecretName": name, "VersionStage": "blue", "RemoveFromVersion": "v3"})
		k.fails("Forbidden.ResourceNotFound", 404, "GetSecretValue", object{"SecretName": name, "VersionStage": "blue"})
		listed := k.call("ListSecretVersionIds", object{"SecretName": name, "IncludeDeprecated": "true"})
		k.same("versions", column(listed, "VersionIds.VersionId", "VersionId"), []string{"v1", "v2", "v3"})
	})
}

func TestSecretBytesAndPasswords(t *testing.T) {
	each(t, func(k kms) {
		bytes := make([]byte, 30_720)
		for i := range bytes {
			bytes[i] = byte(i)
		}
		encoded := base64.StdEncoding.EncodeToString(bytes)
		name := k.newSecret(object{"SecretData": encoded, "SecretDataType": "binary"})
		k.same("bytes", k.secretData(name, nil), encoded)
		password := k.call("GetRandomPassword", object{"PasswordLength": "48", "ExcludePunctuation": "true"})
		k.same("length", len(text(password, "RandomPassword")), 48)
	})
}

// The older SDK has no such actions.
func TestSeveralSecretValuesAndAPolicy(t *testing.T) {
	each(t, func(k kms) {
		if _, isOlder := k.sdk.(olderSDK); isOlder {
			k.Skip("the older SDK has no such actions")
		}
		name := k.newSecret(nil)
		policy := `{"Version":"1","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`
		k.call("SetSecretPolicy", object{"SecretName": name, "Policy": policy})
		k.same("Policy", text(k.call("GetSecretPolicy", object{"SecretName": name}), "Policy"), policy)
	})
}
