package conformance

// Key life, versions, aliases, tags, paging and the account: points 1, 2, 5, 6, 7 and 8 of the conformance list.

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func arn(resource string) string {
	return fmt.Sprintf("acs:kms:%s:%s:%s", region, account, resource)
}

// mark is a name that nothing else has, in the form of a key id.
func mark() string {
	b := make([]byte, 16)
	rand.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func TestKeyLife(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(object{
			"Description":             "描述 & description",
			"Tags":                    tags("team", "red"),
			"EnableAutomaticRotation": true,
			"RotationInterval":        "365d",
		})
		shown := k.describe(key)
		for field, expected := range map[string]string{
			"KeyState":           "Enabled",
			"KeyUsage":           "ENCRYPT/DECRYPT",
			"KeySpec":            "Aliyun_AES_256",
			"ProtectionLevel":    "SOFTWARE",
			"Origin":             "Aliyun_KMS",
			"RotationInterval":   "31536000s",
			"AutomaticRotation":  "Enabled",
			"Description":        "描述 & description",
			"Arn":                arn("key/" + key),
			"Creator":            account,
			"DeletionProtection": "Disabled",
		} {
			k.same(field, text(shown, field), expected)
		}
		k.same("length of the version's id", len(text(shown, "PrimaryKeyVersion")), 36)
		k.same("NextRotationDate in UTC", strings.HasSuffix(text(shown, "NextRotationDate"), "Z"), true)
		tagged := column(k.call("ListResourceTags", object{"KeyId": key}), "Tags.Tag", "TagValue")
		k.same("tags", tagged, []string{"red"})

		k.call("UpdateKeyDescription", object{"KeyId": key, "Description": "new"})
		k.same("Description", text(k.describe(key), "Description"), "new")

		k.call("DisableKey", object{"KeyId": key})
		k.same("AutomaticRotation", text(k.describe(key), "AutomaticRotation"), "Suspended")
		k.fails("Rejected.Disabled", 409, "Encrypt", object{"KeyId": key, "Plaintext": "aGk="})
		k.call("EnableKey", object{"KeyId": key})
		k.encrypt(key, []byte("hi"), nil)
	})
}

func TestDeletion(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		deletion := object{"KeyId": key, "PendingWindowInDays": 7}
		protect := func(on bool) {
			k.Helper()
			k.call("SetDeletionProtection", object{
				"ProtectedResourceArn": arn("key/" + key), "EnableDeletionProtection": on,
			})
		}

		protect(true)
		k.same("DeletionProtection", text(k.describe(key), "DeletionProtection"), "Enabled")
		k.fails("Rejected.StateModifiedFailed", 409, "ScheduleKeyDeletion", deletion)
		protect(false)
		k.same("DeletionProtection", text(k.describe(key), "DeletionProtection"), "Disabled")

		k.call("ScheduleKeyDeletion", deletion)
		shown := k.describe(key)
		k.same("KeyState", text(shown, "KeyState"), "PendingDeletion")
		k.same("DeleteDate in UTC", strings.HasSuffix(text(shown, "DeleteDate"), "Z"), true)
		k.call("CancelKeyDeletion", object{"KeyId": key})
		k.same("KeyState", text(k.describe(key), "KeyState"), "Enabled")
	})
}

func TestKeySpecsAndOrigin(t *testing.T) {
	each(t, func(k kms) {
		for _, spec := range []string{"Aliyun_AES_192", "Aliyun_AES_128"} {
			key := k.newKey(object{"KeySpec": spec})
			k.same("KeySpec", text(k.describe(key), "KeySpec"), spec)
			k.same(spec, string(k.decrypt(k.encrypt(key, []byte("hi"), nil), nil)), "hi")
		}
		external := k.newKey(object{"Origin": "EXTERNAL"})
		k.same("KeyState", text(k.describe(external), "KeyState"), "PendingImport")
	})
}

func TestVersions(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		first := text(k.describe(key), "PrimaryKeyVersion")
		old := k.encrypt(key, []byte("old"), nil)
		second := text(k.call("CreateKeyVersion", object{"KeyId": key}), "KeyVersion.KeyVersionId")
		k.same("a new version", second != first, true)
		k.same("PrimaryKeyVersion", text(k.describe(key), "PrimaryKeyVersion"), second)
		k.same("old plaintext", string(k.decrypt(old, nil)), "old")

		listed := k.call("ListKeyVersions", object{"KeyId": key, "PageNumber": 1, "PageSize": 10})
		k.same("versions", column(listed, "KeyVersions.KeyVersion", "KeyVersionId"), []string{first, second})
		k.same("TotalCount", number(listed, "TotalCount"), 2)
		for _, version := range []string{first, second} {
			described := k.call("DescribeKeyVersion", object{"KeyId": key, "KeyVersionId": version})
			k.same("KeyId", text(described, "KeyVersion.KeyId"), key)
			k.same("KeyVersionId", text(described, "KeyVersion.KeyVersionId"), version)
		}
	})
}

func TestRotationPolicy(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		k.call("UpdateRotationPolicy", object{
			"KeyId": key, "EnableAutomaticRotation": true, "RotationInterval": "30d",
		})
		shown := k.describe(key)
		k.same("AutomaticRotation", text(shown, "AutomaticRotation"), "Enabled")
		k.same("RotationInterval", text(shown, "RotationInterval"), "2592000s")
		k.call("UpdateRotationPolicy", object{"KeyId": key, "EnableAutomaticRotation": false})
		k.same("AutomaticRotation", text(k.describe(key), "AutomaticRotation"), "Disabled")
	})
}

func TestAliases(t *testing.T) {
	each(t, func(k kms) {
		key, other, alias := k.newKey(nil), k.newKey(nil), "alias/"+mark()
		k.call("CreateAlias", object{"AliasName": alias, "KeyId": key})
		for _, name := range []string{alias, arn(alias)} {
			k.same("plaintext by "+name, string(k.decrypt(k.encrypt(name, []byte("hi"), nil), nil)), "hi")
			k.same("KeyId by "+name, text(k.describe(name), "KeyId"), key)
		}
		listed := k.call("ListAliasesByKeyId", object{"KeyId": key, "PageNumber": 1, "PageSize": 10})
		expected := object{"AliasName": alias, "AliasArn": arn(alias), "KeyId": key}
		k.same("aliases of the key", list(listed, "Aliases.Alias"), []object{expected})

		k.call("UpdateAlias", object{"AliasName": alias, "KeyId": other})
		k.same("KeyId after UpdateAlias", text(k.describe(alias), "KeyId"), other)
		k.call("DeleteAlias", object{"AliasName": alias})
		k.fails("Forbidden.AliasNotFound", 404, "DescribeKey", object{"KeyId": alias})
	})
}

func TestTagsOfOneKey(t *testing.T) {
	each(t, func(k kms) {
		key, value := k.newKey(nil), mark()
		k.call("TagResource", object{"KeyId": key, "Tags": tags("mark", value)})
		shown := k.call("ListResourceTags", object{"KeyId": key})
		k.same("tags", list(shown, "Tags.Tag"), []object{{"KeyId": key, "TagKey": "mark", "TagValue": value}})
		k.call("UntagResource", object{"KeyId": key, "TagKeys": jsonText([]string{"mark"})})
		k.same("tags", list(k.call("ListResourceTags", object{"KeyId": key}), "Tags.Tag"), []object{})
	})
}

func TestTagsOfManyKeys(t *testing.T) {
	each(t, func(k kms) {
		key, other, value := k.newKey(nil), k.newKey(nil), mark()
		both := object{"RegionId": region, "ResourceType": "key", "ResourceId": []string{key, other}}
		k.call("TagResources", merge(both, object{"Tag": []object{{"Key": "项目", "Value": value}}}))
		k.same("tagged", sortedColumn(k.call("ListTagResources", both), "TagResources.TagResource", "ResourceId"),
			sorted(key, other))

		byTag := []object{
			{"Key": "TagKey", "Values": []string{"项目"}},
			{"Key": "TagValue", "Values": []string{value}},
		}
		found := k.call("ListKeys", object{"Filters": jsonText(byTag)})
		k.same("keys by tag", sortedColumn(found, "Keys.Key", "KeyId"), sorted(key, other))
		k.call("DisableKey", object{"KeyId": other})
		disabled := append(byTag, object{"Key": "KeyState", "Values": []string{"Disabled"}})
		found = k.call("ListKeys", object{"Filters": jsonText(disabled)})
		k.same("keys by tag and state", column(found, "Keys.Key", "KeyId"), []string{other})

		k.call("UntagResources", merge(both, object{"TagKey": []string{"项目"}}))
		k.same("tags", list(k.call("ListTagResources", both), "TagResources.TagResource"), []object{})
	})
}

func sorted(values ...string) []string {
	slices.Sort(values)
	return values
}

func sortedColumn(answer object, path, field string) []string {
	return sorted(column(answer, path, field)...)
}

func TestPagingOver250Keys(t *testing.T) {
	each(t, func(k kms) {
		made := []string{}
		for range 250 {
			made = append(made, k.newKey(nil))
		}
		found, total := k.pages("ListKeys", "Keys.Key", "KeyId", 100)
		k.same("TotalCount", total, len(found))
		k.allOnce(found, made)
	})
}

func TestPagingOverAliases(t *testing.T) {
	each(t, func(k kms) {
		key, prefix, made := k.newKey(nil), mark(), []string{}
		for n := range 25 {
			alias := fmt.Sprintf("alias/%s/%d", prefix, n)
			k.call("CreateAlias", object{"AliasName": alias, "KeyId": key})
			made = append(made, alias)
		}
		found, total := k.pages("ListAliases", "Aliases.Alias", "AliasName", 10)
		k.same("TotalCount", total, len(found))
		k.allOnce(found, made)
	})
}

// pages gives one field of everything that an action lists, page after page up to the first empty one.
func (k kms) pages(action, path, field string, size int) (found []string, total int) {
	k.Helper()
	for page := 1; ; page++ {
		answer := k.call(action, object{"PageNumber": page, "PageSize": size})
		k.same("PageNumber", number(answer, "PageNumber"), page)
		k.same("PageSize", number(answer, "PageSize"), size)
		items := column(answer, path, field)
		if len(items) == 0 {
			return found, number(answer, "TotalCount")
		}
		found = append(found, items...)
	}
}

// allOnce says that nothing was found twice and all that was made was found.
func (k kms) allOnce(found, made []string) {
	k.Helper()
	times := map[string]int{}
	for _, name := range found {
		times[name]++
	}
	k.same("different names", len(times), len(found))
	for _, name := range made {
		k.same("times of "+name, times[name], 1)
	}
}

func TestAccount(t *testing.T) {
	each(t, func(k kms) {
		k.same("regions", column(k.call("DescribeRegions", nil), "Regions.Region", "RegionId"), []string{region})
		k.same("AccountStatus", text(k.call("DescribeAccountKmsStatus", nil), "AccountStatus"), "Enabled")
		k.fails("Forbidden.Opened", 400, "OpenKmsService", nil)
	})
}
