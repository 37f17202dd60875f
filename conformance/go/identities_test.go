package conformance

// Users, roles and sessions: managed with the older SDK's services of RAM and STS, and what they may do with keys under
// both SDKs. Point 14 of the conformance list.

import (
	"fmt"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
)

var ramRequests = []any{
	ram.CreateAddUserToGroupRequest,
	ram.CreateAttachPolicyToGroupRequest,
	ram.CreateAttachPolicyToRoleRequest,
	ram.CreateAttachPolicyToUserRequest,
	ram.CreateCreateAccessKeyRequest,
	ram.CreateCreateGroupRequest,
	ram.CreateCreatePolicyRequest,
	ram.CreateCreateRoleRequest,
	ram.CreateCreateUserRequest,
	ram.CreateDeleteAccessKeyRequest,
	ram.CreateDeleteRoleRequest,
	ram.CreateDeleteUserRequest,
	ram.CreateDetachPolicyFromRoleRequest,
	ram.CreateDetachPolicyFromUserRequest,
	ram.CreateGetUserRequest,
	ram.CreateListAccessKeysRequest,
	ram.CreateListPoliciesForUserRequest,
	ram.CreateListUsersForGroupRequest,
	ram.CreateUpdateAccessKeyRequest,
}

func connectRAM(who credential) (face, error) {
	client, err := ram.NewClientWithOptions(region, olderConfig(), who.older())
	if err == nil {
		client.Domain = endpoint
	}
	return olderSDK{client, ramRequests}, err
}

func connectSTS(who credential) (face, error) {
	client, err := sts.NewClientWithOptions(region, olderConfig(), who.older())
	if err == nil {
		client.Domain = endpoint
	}
	return olderSDK{client, []any{sts.CreateAssumeRoleRequest, sts.CreateGetCallerIdentityRequest}}, err
}

// ram and sts are the other services within the same test.
func (k kms) ram(who credential) kms { return kms{T: k.T, connect: connectRAM}.as(who) }
func (k kms) sts(who credential) kms { return kms{T: k.T, connect: connectSTS}.as(who) }

func fresh(what string) string { return what + "-" + mark() }

func statement(effect, action, resource string, more object) object {
	return merge(object{"Effect": effect, "Action": action, "Resource": resource}, more)
}

func policy(statements ...object) string {
	return jsonText(object{"Version": "1", "Statement": statements})
}

// user makes a user of the account that who is the root of, with these policies attached.
func (k kms) user(who credential, policies ...string) (name string, its credential) {
	k.Helper()
	manage, name := k.ram(who), fresh("user")
	manage.call("CreateUser", object{"UserName": name})
	key := manage.call("CreateAccessKey", object{"UserName": name})
	for _, document := range policies {
		k.attach(who, name, document)
	}
	return name, credential{
		keyID:  text(key, "AccessKey.AccessKeyId"),
		secret: text(key, "AccessKey.AccessKeySecret"),
	}
}

func (k kms) attach(who credential, user, document string) (policy string) {
	k.Helper()
	manage, policy := k.ram(who), fresh("policy")
	manage.call("CreatePolicy", object{"PolicyName": policy, "PolicyDocument": document})
	manage.call("AttachPolicyToUser", object{"UserName": user, "PolicyName": policy, "PolicyType": "Custom"})
	return policy
}

func (k kms) denied(action string, params object) {
	k.Helper()
	k.fails("Forbidden.NoPermission", 403, action, params)
}

func TestUserWithEncryptOnOneTag(t *testing.T) {
	each(t, func(k kms) {
		tagged, untagged := k.newKey(object{"Tags": tags("team", "shop")}), k.newKey(nil)
		condition := object{"Condition": object{"StringEquals": object{"kms:tag/team": []string{"shop"}}}}
		_, its := k.user(root, policy(statement("Allow", "kms:Encrypt", "*", condition)))
		user := k.as(its)
		blob := user.encrypt(tagged, []byte("hello"), nil)
		k.same("what the user encrypted", string(k.decrypt(blob, nil)), "hello")
		user.denied("Encrypt", object{"KeyId": untagged, "Plaintext": "aGk="})
		user.denied("Decrypt", object{"CiphertextBlob": blob})
		user.denied("DescribeKey", object{"KeyId": tagged})
	})
}

func TestSessionOfARole(t *testing.T) {
	each(t, func(k kms) {
		name, its := k.user(root, policy(statement("Allow", "sts:AssumeRole", "*", nil)))
		role, manage := fresh("role"), k.ram(root)
		trust := policy(object{
			"Effect":    "Allow",
			"Action":    "sts:AssumeRole",
			"Principal": object{"RAM": []string{fmt.Sprintf("acs:ram::%s:user/%s", account, name)}},
		})
		made := manage.call("CreateRole", object{"RoleName": role, "AssumeRolePolicyDocument": trust})
		system := object{"RoleName": role, "PolicyName": "AliyunKMSFullAccess", "PolicyType": "System"}
		manage.call("AttachPolicyToRole", system)
		session := func(more object) credential {
			params := object{"RoleArn": text(made, "Role.Arn"), "RoleSessionName": "suite"}
			begun := k.sts(its).call("AssumeRole", merge(params, more))
			return credential{
				keyID:  text(begun, "Credentials.AccessKeyId"),
				secret: text(begun, "Credentials.AccessKeySecret"),
				token:  text(begun, "Credentials.SecurityToken"),
			}
		}
		whole := session(nil)
		caller := k.sts(whole).call("GetCallerIdentity", nil)
		k.same("Arn", text(caller, "Arn"), fmt.Sprintf("acs:ram::%s:assumed-role/%s/suite", account, role))
		byRole := k.as(whole)
		key := byRole.newKey(nil)
		blob := byRole.encrypt(key, []byte("hello"), nil)
		k.same("what the session decrypts", string(byRole.decrypt(blob, nil)), "hello")

		narrowed := k.as(session(object{"Policy": policy(statement("Allow", "kms:Encrypt", "*", nil))}))
		narrowed.encrypt(key, []byte("hello"), nil)
		narrowed.denied("Decrypt", object{"CiphertextBlob": blob})
		mixed := whole
		mixed.token = session(nil).token
		k.as(mixed).fails("InvalidSecurityToken.MismatchWithAccessKey", 403, "DescribeKey", object{"KeyId": key})
		_, stranger := k.user(root)
		k.sts(stranger).fails("NoPermission", 403, "AssumeRole",
			object{"RoleArn": text(made, "Role.Arn"), "RoleSessionName": "stranger"})

		manage.call("DetachPolicyFromRole", system)
		byRole.denied("Decrypt", object{"CiphertextBlob": blob})
		manage.call("DeleteRole", object{"RoleName": role})
		byRole.fails("InvalidSecurityToken.Expired", 403, "Decrypt", object{"CiphertextBlob": blob})
	})
}

func TestADenyWins(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		name, its := k.user(root, policy(statement("Allow", "kms:*", "*", nil)))
		user := k.as(its)
		blob := user.encrypt(key, []byte("hello"), nil)
		deny := k.attach(root, name, policy(statement("Deny", "kms:Decrypt", arn("key/"+key), nil)))
		user.denied("Decrypt", object{"CiphertextBlob": blob})
		user.encrypt(key, []byte("hello"), nil)
		k.ram(root).call("DetachPolicyFromUser", object{"UserName": name, "PolicyName": deny, "PolicyType": "Custom"})
		k.same("what the user decrypts", string(user.decrypt(blob, nil)), "hello")
	})
}

func TestAnotherAccount(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		blob := k.encrypt(key, []byte("hello"), nil)
		stranger := k.as(other)
		for _, named := range []string{key, arn("key/" + key)} {
			stranger.fails("Forbidden.KeyNotFound", 404, "DescribeKey", object{"KeyId": named})
			stranger.fails("Forbidden.KeyNotFound", 404, "Encrypt", object{"KeyId": named, "Plaintext": "aGk="})
		}
		stranger.fails("InvalidParameter", 400, "Decrypt", object{"CiphertextBlob": blob})
		k.same("keys of the other account", number(stranger.call("ListKeys", nil), "TotalCount"), 0)

		principal := func(account string) object {
			return object{"Principal": object{"RAM": []string{fmt.Sprintf("acs:ram::%s:*", account)}}}
		}
		document := policy(
			statement("Allow", "kms:*", "*", principal(account)),
			statement("Allow", "kms:Encrypt", "*", principal(otherAccount)),
		)
		// Only the current SDK knows key policies.
		setter := kms{T: k.T, connect: connectCurrent}.as(root)
		setter.call("SetKeyPolicy", object{"KeyId": key, "PolicyName": "default", "Policy": document})
		theirs := stranger.encrypt(arn("key/"+key), []byte("theirs"), nil)
		k.same("what they encrypted", string(k.decrypt(theirs, nil)), "theirs")
		stranger.fails("InvalidParameter", 400, "Decrypt", object{"CiphertextBlob": theirs})
		stranger.fails("Forbidden.KeyNotFound", 404, "DisableKey", object{"KeyId": arn("key/" + key)})
	})
}

func TestDisabledAccessKey(t *testing.T) {
	each(t, func(k kms) {
		key := k.newKey(nil)
		name, its := k.user(root, policy(statement("Allow", "kms:DescribeKey", "*", nil)))
		user, manage := k.as(its), k.ram(root)
		user.describe(key)
		this := object{"UserName": name, "UserAccessKeyId": its.keyID}
		manage.call("UpdateAccessKey", merge(this, object{"Status": "Inactive"}))
		user.fails("Forbidden.AccessKey", 403, "DescribeKey", object{"KeyId": key})
		listed := manage.call("ListAccessKeys", object{"UserName": name})
		k.same("status", column(listed, "AccessKeys.AccessKey", "Status"), []string{"Inactive"})
		manage.call("UpdateAccessKey", merge(this, object{"Status": "Active"}))
		user.describe(key)
		manage.call("DeleteAccessKey", this)
		user.fails("InvalidAccessKeyId.NotFound", 404, "DescribeKey", object{"KeyId": key})
	})
}

func TestGroupsGiveTheirPolicies(t *testing.T) {
	each(t, func(k kms) {
		name, its := k.user(root)
		user, manage, group := k.as(its), k.ram(root), fresh("group")
		manage.call("CreateGroup", object{"GroupName": group, "Comments": "读者"})
		manage.call("AttachPolicyToGroup",
			object{"GroupName": group, "PolicyName": "AliyunKMSReadOnlyAccess", "PolicyType": "System"})
		user.denied("ListKeys", nil)
		manage.call("AddUserToGroup", object{"UserName": name, "GroupName": group})
		user.call("ListKeys", nil)
		members := manage.call("ListUsersForGroup", object{"GroupName": group})
		k.same("members", column(members, "Users.User", "UserName"), []string{name})
		k.same("name", text(manage.call("GetUser", object{"UserName": name}), "User.UserName"), name)
		manage.fails("DeleteConflict.User.AccessKey", 409, "DeleteUser", object{"UserName": name})
		user.ram(its).fails("NoPermission", 403, "GetUser", object{"UserName": name})
	})
}
