"""Secrets: point 16 of the conformance list."""

import base64
import json
import uuid

import pytest
from conftest import ACCOUNT, REGION, Current, Ram

NOT_FOUND = "Forbidden.ResourceNotFound"


def made(kms, name=None, **params):
    name = name or f"conformance/{uuid.uuid4()}"
    kms.call("CreateSecret", **{"SecretName": name, "VersionId": "v1", "SecretData": "first", **params})
    return name


def data(kms, name, **params):
    return kms.call("GetSecretValue", SecretName=name, **params)["SecretData"]


def test_life(kms):
    key = kms.key()
    tags = json.dumps([{"TagKey": "team", "TagValue": "red"}])
    name = made(kms, Description="描述 & description", EncryptionKeyId=key, Tags=tags)
    shown = kms.call("DescribeSecret", SecretName=name, FetchTags="true")
    expected = {
        "Arn": f"acs:kms:{REGION}:{ACCOUNT}:secret/{name}",
        "SecretName": name,
        "SecretType": "Generic",
        "Description": "描述 & description",
        "EncryptionKeyId": key,
        "AutomaticRotation": "Disabled",
        "Tags": {"Tag": [{"TagKey": "team", "TagValue": "red"}]},
    }
    assert {field: shown.get(field) for field in expected} == expected
    kms.call("UpdateSecret", SecretName=name, Description="new")
    assert kms.call("DescribeSecret", SecretName=name)["Description"] == "new"
    filters = json.dumps([{"Key": "SecretName", "Values": [name]}])
    listed = kms.call("ListSecrets", Filters=filters)
    assert [secret["SecretName"] for secret in listed["SecretList"]["Secret"]] == [name]
    kms.call("DisableKey", KeyId=key)
    kms.fails("Rejected.Disabled", 409, "GetSecretValue", SecretName=name)
    kms.call("EnableKey", KeyId=key)
    assert kms.call("DeleteSecret", SecretName=name, RecoveryWindowInDays="7")["PlannedDeleteTime"].endswith("Z")
    kms.fails("Rejected.ResourceInDeleteWindow", 409, "GetSecretValue", SecretName=name)
    kms.call("RestoreSecret", SecretName=name)
    assert data(kms, name) == "first"
    kms.call("DeleteSecret", SecretName=name, ForceDeleteWithoutRecovery="true")
    kms.fails(NOT_FOUND, 404, "GetSecretValue", SecretName=name)


def test_versions_and_stages(kms):
    name = made(kms, SecretData="值 +&=*~'\" first")
    assert data(kms, name) == "值 +&=*~'\" first"
    kms.fails("Rejected.ResourceExist", 409, "CreateSecret", SecretName=name, VersionId="v1", SecretData="x")
    kms.call("PutSecretValue", SecretName=name, VersionId="v2", SecretData="second")
    put = kms.call(
        "PutSecretValue", SecretName=name, VersionId="v3", SecretData="third", VersionStages=json.dumps(["blue"])
    )
    assert put["VersionStages"]["VersionStage"] == ["blue"]
    stages = {stage: data(kms, name, VersionStage=stage) for stage in ("ACSCurrent", "ACSPrevious", "blue")}
    assert stages == {"ACSCurrent": "second", "ACSPrevious": "值 +&=*~'\" first", "blue": "third"}
    kms.call("UpdateSecretVersionStage", SecretName=name, VersionStage="ACSCurrent", MoveToVersion="v3")
    assert (data(kms, name), data(kms, name, VersionId="v2")) == ("third", "second")
    kms.call("UpdateSecretVersionStage", SecretName=name, VersionStage="blue", RemoveFromVersion="v3")
    kms.fails(NOT_FOUND, 404, "GetSecretValue", SecretName=name, VersionStage="blue")
    listed = kms.call("ListSecretVersionIds", SecretName=name, IncludeDeprecated="true")
    assert [version["VersionId"] for version in listed["VersionIds"]["VersionId"]] == ["v1", "v2", "v3"]
    assert listed["TotalCount"] == 3


def test_bytes(kms):
    bytes_ = bytes(range(256)) * 120
    name = made(kms, SecretData=base64.b64encode(bytes_).decode(), SecretDataType="binary")
    value = kms.call("GetSecretValue", SecretName=name)
    assert (value["SecretDataType"], base64.b64decode(value["SecretData"])) == ("binary", bytes_)


def test_password(kms):
    password = kms.call("GetRandomPassword", PasswordLength="48", ExcludePunctuation="true")["RandomPassword"]
    assert len(password) == 48 and password.isalnum()


def test_several_values_and_a_policy(sdk, kms):
    if sdk is not Current:
        pytest.skip("the older SDK has no such actions")
    name = made(kms)
    secrets = [{"SecretName": name, "FetchExtendedConfig": True}, {"SecretName": "conformance/none"}]
    batch = kms.call("BatchGetSecretValue", SecretsList=secrets)
    assert [value["SecretData"] for value in batch["SecretValues"]] == ["first"]
    assert [(error["SecretName"], error["Code"]) for error in batch["Errors"]] == [("conformance/none", NOT_FOUND)]
    default = json.loads(kms.call("GetSecretPolicy", SecretName=name)["Policy"])
    assert default["Statement"][0]["Sid"] == "kms default secret policy"
    policy = json.dumps({"Version": "1", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]})
    kms.call("SetSecretPolicy", SecretName=name, Policy=policy)
    assert kms.call("GetSecretPolicy", SecretName=name)["Policy"] == policy


def test_access_keys_of_a_user(kms):
    ram = Ram()
    user = f"u-{uuid.uuid4()}"
    ram.call("CreateUser", UserName=user)
    key = ram.call("CreateAccessKey", UserName=user)["AccessKey"]
    keys = {"AccessKeys": [{"AccessKeyId": key["AccessKeyId"], "AccessKeySecret": key["AccessKeySecret"]}]}
    config = {"SecretSubType": "RamUserAccessKey", "UserName": user, "CustomData": {"team": "red"}}
    created = kms.call(
        "CreateSecret",
        SecretType="RAMCredentials",
        SecretName="$Auto",
        VersionId="v1",
        SecretData=json.dumps(keys),
        ExtendedConfig=config if isinstance(kms, Current) else json.dumps(config),
        EnableAutomaticRotation=True,
        RotationInterval="7d",
    )
    name = f"acs/ram/user/{user}"
    assert (created["SecretName"], created["AutomaticRotation"], created["RotationInterval"]) == (name, "Enabled", "604800s")
    assert json.loads(created["ExtendedConfig"]) == config

    def who(stage):
        held = json.loads(data(kms, name, VersionStage=stage))
        try:
            return type(kms)(held["AccessKeyId"], held["AccessKeySecret"]).call("DescribeRegions") and held["AccessKeyId"]
        except kms.exception as raised:
            return kms.error(raised).code

    assert who("ACSCurrent") == key["AccessKeyId"]
    kms.call("RotateSecret", SecretName=name, VersionId="v2")
    second = who("ACSCurrent")
    assert second != key["AccessKeyId"] and who("ACSPrevious") == key["AccessKeyId"]
    kms.call("RotateSecret", SecretName=name, VersionId="v3")
    assert who("ACSPrevious") == second
    listed = ram.call("ListAccessKeys", UserName=user)["AccessKeys"]["AccessKey"]
    assert {key["AccessKeyId"] for key in listed} == {second, who("ACSCurrent")}
    kms.call("UpdateSecretRotationPolicy", SecretName=name, EnableAutomaticRotation=False)
    shown = kms.call("DescribeSecret", SecretName=name)
    assert shown["AutomaticRotation"] == "Disabled" and shown["LastRotationDate"].endswith("Z")
    kms.fails("UnsupportedOperation", 400, "PutSecretValue", SecretName=name, VersionId="v4", SecretData="x")
