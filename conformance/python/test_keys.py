"""Key life, versions, aliases, tags, paging and the account: points 1, 2, 5, 6, 7 and 8 of the conformance list."""

import json
import uuid

from conftest import ACCOUNT, REGION


def name():
    return f"alias/{uuid.uuid4()}"


def test_key_life(kms):
    tags = json.dumps([{"TagKey": "team", "TagValue": "red"}])
    key = kms.key(Description="描述 & description", Tags=tags, EnableAutomaticRotation=True, RotationInterval="365d")
    shown = kms.describe(key)
    expected = {
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT/DECRYPT",
        "KeySpec": "Aliyun_AES_256",
        "ProtectionLevel": "SOFTWARE",
        "Origin": "Aliyun_KMS",
        "RotationInterval": "31536000s",
        "AutomaticRotation": "Enabled",
        "Description": "描述 & description",
        "Arn": f"acs:kms:{REGION}:{ACCOUNT}:key/{key}",
        "Creator": ACCOUNT,
        "DeletionProtection": "Disabled",
    }
    assert {field: shown.get(field) for field in expected} == expected
    assert shown["PrimaryKeyVersion"] and shown["NextRotationDate"].endswith("Z")
    kms.call("UpdateKeyDescription", KeyId=key, Description="new")
    assert kms.describe(key)["Description"] == "new"
    kms.call("DisableKey", KeyId=key)
    assert kms.describe(key)["AutomaticRotation"] == "Suspended"
    kms.fails("Rejected.Disabled", 409, "Encrypt", KeyId=key, Plaintext="aGk=")
    kms.call("EnableKey", KeyId=key)
    assert kms.encrypt(key, b"hi")


def test_deletion(kms):
    key = kms.key()
    protect = dict(ProtectedResourceArn=kms.describe(key)["Arn"])
    kms.call("SetDeletionProtection", EnableDeletionProtection=True, **protect)
    assert kms.describe(key)["DeletionProtection"] == "Enabled"
    kms.fails("Rejected.StateModifiedFailed", 409, "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    kms.call("SetDeletionProtection", EnableDeletionProtection=False, **protect)
    kms.call("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    shown = kms.describe(key)
    assert shown["KeyState"] == "PendingDeletion" and shown["DeleteDate"].endswith("Z")
    kms.fails("Rejected.PendingDeletion", 409, "Encrypt", KeyId=key, Plaintext="aGk=")
    kms.fails("Rejected.StateModifiedFailed", 409, "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    kms.call("CancelKeyDeletion", KeyId=key)
    assert kms.describe(key)["KeyState"] == "Enabled"


def test_key_specs_and_origin(kms):
    for spec in ("Aliyun_AES_192", "Aliyun_AES_128"):
        key = kms.key(KeySpec=spec)
        assert kms.describe(key)["KeySpec"] == spec
        assert kms.decrypt(kms.encrypt(key, b"hi")) == b"hi"
    assert kms.describe(kms.key(Origin="EXTERNAL"))["KeyState"] == "PendingImport"


def test_versions(kms):
    key = kms.key()
    first = kms.describe(key)["PrimaryKeyVersion"]
    old = kms.encrypt(key, b"old")
    second = kms.call("CreateKeyVersion", KeyId=key)["KeyVersion"]["KeyVersionId"]
    assert kms.describe(key)["PrimaryKeyVersion"] == second != first
    assert kms.decrypt(old) == b"old"
    listed = kms.call("ListKeyVersions", KeyId=key, PageNumber=1, PageSize=10)
    assert [v["KeyVersionId"] for v in listed["KeyVersions"]["KeyVersion"]] == [first, second]
    assert listed["TotalCount"] == 2
    described = kms.call("DescribeKeyVersion", KeyId=key, KeyVersionId=first)["KeyVersion"]
    assert (described["KeyId"], described["KeyVersionId"]) == (key, first)
    kms.call("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation=True, RotationInterval="30d")
    assert kms.describe(key)["RotationInterval"] == "2592000s"
    kms.call("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation=False)
    assert kms.describe(key)["AutomaticRotation"] == "Disabled"


def test_aliases(kms):
    key, other, alias = kms.key(), kms.key(), name()
    kms.call("CreateAlias", AliasName=alias, KeyId=key)
    arn = f"acs:kms:{REGION}:{ACCOUNT}:{alias}"
    assert kms.decrypt(kms.encrypt(alias, b"hi")) == kms.decrypt(kms.encrypt(arn, b"hi")) == b"hi"
    assert kms.describe(alias)["KeyId"] == kms.describe(arn)["KeyId"] == key
    listed = kms.call("ListAliasesByKeyId", KeyId=key, PageNumber=1, PageSize=10)["Aliases"]["Alias"]
    assert listed == [{"AliasName": alias, "AliasArn": arn, "KeyId": key}]
    kms.call("UpdateAlias", AliasName=alias, KeyId=other)
    assert kms.describe(alias)["KeyId"] == other
    kms.call("DeleteAlias", AliasName=alias)
    kms.fails("Forbidden.AliasNotFound", 404, "DescribeKey", KeyId=alias)


def test_tags(kms):
    key, other, mark = kms.key(), kms.key(), str(uuid.uuid4())
    kms.call("TagResource", KeyId=key, Tags=json.dumps([{"TagKey": "mark", "TagValue": mark}]))
    shown = kms.call("ListResourceTags", KeyId=key)["Tags"]["Tag"]
    assert shown == [{"KeyId": key, "TagKey": "mark", "TagValue": mark}]
    both = dict(RegionId=REGION, ResourceType="key", ResourceId=[key, other])
    kms.call("TagResources", Tag=[{"Key": "项目", "Value": mark}], **both)
    listed = kms.call("ListTagResources", **both)["TagResources"]["TagResource"]
    assert {(tag["ResourceId"], tag["TagKey"]) for tag in listed} == {(key, "mark"), (key, "项目"), (other, "项目")}
    by_tag = json.dumps([{"Key": "TagKey", "Values": ["项目"]}, {"Key": "TagValue", "Values": [mark]}])
    found = kms.call("ListKeys", Filters=by_tag)["Keys"]["Key"]
    assert {found_key["KeyId"] for found_key in found} == {key, other}
    kms.call("DisableKey", KeyId=other)
    disabled = json.loads(by_tag) + [{"Key": "KeyState", "Values": ["Disabled"]}]
    assert [k["KeyId"] for k in kms.call("ListKeys", Filters=json.dumps(disabled))["Keys"]["Key"]] == [other]
    kms.call("UntagResources", TagKey=["项目"], **both)
    kms.call("UntagResource", KeyId=key, TagKeys=json.dumps(["mark"]))
    assert kms.call("ListTagResources", **both)["TagResources"]["TagResource"] == []


def test_paging_over_250_keys(kms):
    mark = str(uuid.uuid4())
    tags = json.dumps([{"TagKey": "page", "TagValue": mark}])
    made = [kms.key(Tags=tags) for _ in range(250)]
    aliases = [f"alias/{mark}/{n}" for n in range(25)]
    for alias in aliases:
        kms.call("CreateAlias", AliasName=alias, KeyId=made[0])
    found, pages = [], 0
    while True:
        pages += 1
        page = kms.call("ListKeys", PageNumber=pages, PageSize=100)
        assert (page["PageNumber"], page["PageSize"]) == (pages, 100)
        if not page["Keys"]["Key"]:
            break
        found += [key["KeyId"] for key in page["Keys"]["Key"]]
    assert len(found) == len(set(found)) == page["TotalCount"] >= 250
    assert set(made) <= set(found)
    listed = []
    for number in range(1, 1000):
        page = kms.call("ListAliases", PageNumber=number, PageSize=10)["Aliases"]["Alias"]
        if not page:
            break
        listed += [alias["AliasName"] for alias in page]
    assert len(listed) == len(set(listed)) and set(aliases) <= set(listed)


def test_account(kms):
    assert kms.call("DescribeRegions")["Regions"]["Region"] == [{"RegionId": REGION}]
    assert kms.call("DescribeAccountKmsStatus")["AccountStatus"] == "Enabled"
    kms.fails("Forbidden.Opened", 400, "OpenKmsService")
