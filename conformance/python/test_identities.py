"""Users, groups, roles and their sessions: managed with the SDKs of RAM and STS, and what they may then do with keys."""

import json
import uuid

import pytest
from conftest import ACCOUNT, OTHER_ACCOUNT, OTHER_KEY_ID, OTHER_SECRET, REGION, Current, Ram, Sts


def fresh(what):
    return f"{what}-{uuid.uuid4().hex[:12]}"


def document(*statements):
    return json.dumps({"Version": "1", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*"):
    return {"Effect": "Deny", "Action": action, "Resource": resource}


def trust(who, **more):
    principal = {"RAM": [f"acs:ram::{ACCOUNT}:{who}"]}
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **more}


@pytest.fixture(scope="module")
def ram():
    return Ram()


class User:
    """A user with an AccessKey, under each SDK."""

    def __init__(self, ram, *policies):
        self.ram, self.name = ram, fresh("user")
        ram.call("CreateUser", UserName=self.name)
        key = ram.call("CreateAccessKey", UserName=self.name)["AccessKey"]
        self.credentials = key["AccessKeyId"], key["AccessKeySecret"]
        for policy in policies:
            self.attach(policy)

    def attach(self, policy):
        name = fresh("policy")
        self.ram.call("CreatePolicy", PolicyName=name, PolicyDocument=policy)
        self.ram.call("AttachPolicyToUser", UserName=self.name, PolicyName=name, PolicyType="Custom")
        return name


def test_a_user_with_encrypt_on_one_tag(ram, kms, sdk):
    tagged, other = (kms.key() for _ in range(2))
    kms.call("TagResource", KeyId=tagged, Tags=json.dumps([{"TagKey": "team", "TagValue": "shop"}]))
    only = allow("kms:Encrypt", Condition={"StringEquals": {"kms:tag/team": ["shop"]}})
    user = sdk(*User(ram, document(only)).credentials)
    blob = user.encrypt(tagged, b"hello")
    assert kms.decrypt(blob) == b"hello"
    denied = "Forbidden.NoPermission", 403
    user.fails(*denied, "Encrypt", KeyId=other, Plaintext="aGk=")
    user.fails(*denied, "Decrypt", CiphertextBlob=blob)
    user.fails(*denied, "DescribeKey", KeyId=tagged)
    user.fails(*denied, "CreateKey")
    kms.call("UntagResource", KeyId=tagged, TagKeys=json.dumps(["team"]))
    user.fails(*denied, "Encrypt", KeyId=tagged, Plaintext="aGk=")


def test_a_session_of_a_role(ram, kms, sdk):
    user, role = User(ram, document(allow("sts:AssumeRole"))), fresh("role")
    trusted = document(trust(f"user/{user.name}"))
    made = ram.call("CreateRole", RoleName=role, AssumeRolePolicyDocument=trusted)["Role"]
    ram.call("AttachPolicyToRole", RoleName=role, PolicyName="AliyunKMSFullAccess", PolicyType="System")

    def session(**more):
        sts = Sts(*user.credentials)
        begun = sts.call("AssumeRole", RoleArn=made["Arn"], RoleSessionName="suite", **more)
        assert begun["AssumedRoleUser"]["Arn"] == f"acs:ram::{ACCOUNT}:assumed-role/{role}/suite"
        given = begun["Credentials"]
        return given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"]

    whole = session(DurationSeconds=900)
    caller = Sts(*whole).call("GetCallerIdentity")
    assert caller["IdentityType"] == "AssumedRoleUser" and caller["AccountId"] == ACCOUNT
    by_role = sdk(*whole)
    key = by_role.key()
    blob = by_role.encrypt(key, b"hello")
    assert by_role.decrypt(blob) == b"hello"

    narrowed = sdk(*session(Policy=document(allow("kms:Encrypt"), allow("ram:*"))))
    narrowed.encrypt(key, b"hello")
    denied = "Forbidden.NoPermission", 403
    narrowed.fails(*denied, "Decrypt", CiphertextBlob=blob)
    Ram(*whole).fails("NoPermission", 403, "ListUsers")

    # The two halves without the token, and with another session's.
    sdk(*whole[:2]).fails("InvalidAccessKeyId.NotFound", 404, "DescribeKey", KeyId=key)
    mixed = whole[:2] + session()[2:]
    sdk(*mixed).fails("InvalidSecurityToken.MismatchWithAccessKey", 403, "DescribeKey", KeyId=key)
    Sts(*User(ram).credentials).fails(
        "NoPermission", 403, "AssumeRole", RoleArn=made["Arn"], RoleSessionName="stranger"
    )
    ram.call("DetachPolicyFromRole", RoleName=role, PolicyName="AliyunKMSFullAccess", PolicyType="System")
    by_role.fails(*denied, "Decrypt", CiphertextBlob=blob)
    ram.call("DeleteRole", RoleName=role)
    by_role.fails("InvalidSecurityToken.Expired", 403, "Decrypt", CiphertextBlob=blob)


def test_a_trust_policy_asks_for_an_external_id(ram):
    user, role = User(ram, document(allow("sts:AssumeRole"))), fresh("role")
    asked = trust("root", Condition={"StringEquals": {"sts:ExternalId": "shop/7"}})
    arn = ram.call("CreateRole", RoleName=role, AssumeRolePolicyDocument=document(asked))["Role"]["Arn"]
    sts, wanted = Sts(*user.credentials), {"RoleArn": arn, "RoleSessionName": "suite"}
    sts.fails("NoPermission", 403, "AssumeRole", **wanted)
    sts.fails("NoPermission", 403, "AssumeRole", **wanted, ExternalId="shop/8")
    assert sts.call("AssumeRole", **wanted, ExternalId="shop/7")["Credentials"]["SecurityToken"]
    ram.call("DeleteRole", RoleName=role)


def test_a_deny_wins(ram, kms, sdk):
    key = kms.key()
    user = User(ram, document(allow("kms:*")))
    client = sdk(*user.credentials)
    blob = client.encrypt(key, b"hello")
    assert client.decrypt(blob) == b"hello"
    name = user.attach(document(deny("kms:Decrypt", f"acs:kms:{REGION}:{ACCOUNT}:key/{key}")))
    client.fails("Forbidden.NoPermission", 403, "Decrypt", CiphertextBlob=blob)
    client.encrypt(key, b"hello")
    ram.call("DetachPolicyFromUser", UserName=user.name, PolicyName=name, PolicyType="Custom")
    assert client.decrypt(blob) == b"hello"


def test_another_account(kms, sdk):
    key = kms.key()
    blob = kms.encrypt(key, b"hello")
    other = sdk(OTHER_KEY_ID, OTHER_SECRET)
    arn = f"acs:kms:{REGION}:{ACCOUNT}:key/{key}"
    for named in [key, arn]:
        other.fails("Forbidden.KeyNotFound", 404, "DescribeKey", KeyId=named)
        other.fails("Forbidden.KeyNotFound", 404, "Encrypt", KeyId=named, Plaintext="aGk=")
    other.fails("InvalidParameter", 400, "Decrypt", CiphertextBlob=blob)
    assert other.call("ListKeys")["TotalCount"] == 0
    lets_in = {**allow(["kms:Encrypt", "kms:Decrypt"]), "Principal": {"RAM": [f"acs:ram::{OTHER_ACCOUNT}:*"]}}
    owner = {**allow("kms:*"), "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:*"]}}
    Current().call("SetKeyPolicy", KeyId=key, PolicyName="default", Policy=document(owner, lets_in))
    assert kms.decrypt(other.encrypt(arn, b"theirs")) == b"theirs"
    assert other.decrypt(blob) == b"hello"
    other.fails("Forbidden.KeyNotFound", 404, "DisableKey", KeyId=arn)
    # Of its own users it decides itself.
    theirs = User(Ram(OTHER_KEY_ID, OTHER_SECRET))
    client = sdk(*theirs.credentials)
    client.fails("Forbidden.NoPermission", 403, "Encrypt", KeyId=arn, Plaintext="aGk=")
    theirs.attach(document(allow("kms:Encrypt", arn)))
    assert kms.decrypt(client.encrypt(arn, b"theirs")) == b"theirs"


def test_a_disabled_access_key(ram, kms, sdk):
    user = User(ram, document(allow("kms:DescribeKey")))
    key, client = kms.key(), sdk(*user.credentials)
    client.describe(key)
    this = {"UserName": user.name, "UserAccessKeyId": user.credentials[0]}
    ram.call("UpdateAccessKey", Status="Inactive", **this)
    client.fails("Forbidden.AccessKey", 403, "DescribeKey", KeyId=key)
    second = ram.call("CreateAccessKey", UserName=user.name)["AccessKey"]
    sdk(second["AccessKeyId"], second["AccessKeySecret"]).describe(key)
    ram.call("UpdateAccessKey", Status="Active", **this)
    client.describe(key)
    listed = ram.call("ListAccessKeys", UserName=user.name)["AccessKeys"]["AccessKey"]
    assert {key["Status"] for key in listed} == {"Active"} and len(listed) == 2
    assert ram.call("GetAccessKeyLastUsed", **this)["AccessKeyLastUsed"]["LastUsedDate"]
    ram.call("DeleteAccessKey", **this)
    client.fails("InvalidAccessKeyId.NotFound", 404, "DescribeKey", KeyId=key)


def test_identities_are_managed(ram):
    user, group, role, policy = (fresh(what) for what in ["user", "group", "role", "policy"])
    ram.call("CreateUser", UserName=user, DisplayName="用户", Comments="c", Email="u@example.com")
    assert ram.call("GetUser", UserName=user)["User"]["DisplayName"] == "用户"
    ram.call("UpdateUser", UserName=user, NewComments="new")
    ram.call("CreateGroup", GroupName=group, Comments="c")
    ram.call("AddUserToGroup", UserName=user, GroupName=group)
    ram.fails("EntityAlreadyExists.User.Group", 409, "AddUserToGroup", UserName=user, GroupName=group)
    (listed,) = ram.call("ListUsersForGroup", GroupName=group)["Users"]["User"]
    assert listed["UserName"] == user
    ram.call("CreatePolicy", PolicyName=policy, PolicyDocument=document(allow("kms:*")), Description="d")
    made = ram.call(
        "CreatePolicyVersion", PolicyName=policy, PolicyDocument=document(allow("kms:List*")), SetAsDefault=True
    )
    assert made["PolicyVersion"]["VersionId"] == "v2"
    custom = {"PolicyName": policy, "PolicyType": "Custom"}
    ram.call("AttachPolicyToGroup", GroupName=group, **custom)
    assert ram.call("GetPolicy", **custom)["Policy"]["AttachmentCount"] == 1
    (entity,) = ram.call("ListEntitiesForPolicy", **custom)["Groups"]["Group"]
    assert entity["GroupName"] == group
    ram.fails("DeleteConflict.Group.User", 409, "DeleteGroup", GroupName=group)
    ram.fails("MalformedPolicyDocument", 400, "CreatePolicy", PolicyName=fresh("policy"), PolicyDocument="{}")
    ram.call("CreateRole", RoleName=role, AssumeRolePolicyDocument=document(trust("root")), MaxSessionDuration=7200)
    assert ram.call("GetRole", RoleName=role)["Role"]["MaxSessionDuration"] == 7200
    assert role in [found["RoleName"] for found in ram.call("ListRoles")["Roles"]["Role"]]
    ram.call("DeleteRole", RoleName=role)
    ram.call("RemoveUserFromGroup", UserName=user, GroupName=group)
    ram.call("DetachPolicyFromGroup", GroupName=group, **custom)
    ram.call("DeletePolicy", PolicyName=policy, CascadingDelete="true")
    ram.call("DeleteGroup", GroupName=group)
    ram.call("DeleteUser", UserName=user)
    ram.fails("EntityNotExist.User", 404, "GetUser", UserName=user)
    systems = ram.call("ListPolicies", PolicyType="System")["Policies"]["Policy"]
    assert "AliyunKMSReadOnlyAccess" in [system["PolicyName"] for system in systems]


def test_roles_and_policies_have_tags(ram):
    role, policy = fresh("role"), fresh("policy")
    team, stage = {"Key": "team", "Value": "商店"}, {"Key": "stage", "Value": ""}
    ram.call("CreateRole", RoleName=role, AssumeRolePolicyDocument=document(trust("root")), Tag=[team])
    ram.call("CreatePolicy", PolicyName=policy, PolicyDocument=document(allow("kms:*")), Tag=[team])
    for kind, name in (("role", role), ("policy", policy)):
        resource = {"ResourceType": kind, "ResourceNames": [name]}
        ram.call("TagResources", Tag=[stage], **resource)
        held, page = {}, {"NextToken": None}
        while "NextToken" in page:
            page = ram.call("ListTagResources", PageSize=1, NextToken=page["NextToken"], **resource)
            (tag,) = page["TagResources"]
            assert (tag["ResourceName"], tag["ResourceType"]) == (name, kind)
            held[tag["TagKey"]] = tag["TagValue"]
        assert held == {"stage": "", "team": "商店"}
        ram.call("UntagResources", TagKeys=["team"], **resource)
        (left,) = ram.call("ListTagResources", **resource)["TagResources"]
        assert left["TagKey"] == "stage"
    (found,) = ram.call("ListRoles", Tag=[stage])["Roles"]["Role"]
    assert (found["RoleName"], found["Tags"]["Tag"]) == (role, [{"TagKey": "stage", "TagValue": ""}])
    (found,) = ram.call("ListPolicies", Tag=[stage])["Policies"]["Policy"]
    assert found["PolicyName"] == policy
    changed = ram.call("UpdatePolicyDescription", PolicyName=policy, NewDescription="新")["Policy"]
    assert changed["Description"] == "新"
    missing = {"ResourceType": "role", "ResourceNames": ["nobody"]}
    ram.fails("EntityNotExist.Role", 404, "TagResources", Tag=[stage], **missing)
    ram.call("DeleteRole", RoleName=role)
    ram.call("DeletePolicy", PolicyName=policy)
