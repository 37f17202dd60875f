"""Policies of keys, with the SDK that knows them."""

import json

from conftest import ACCOUNT, REGION, Current

OTHER = "1000000000000002"


def policy(**changes):
    statement = {
        "Sid": "let in",
        "Effect": "Allow",
        "Principal": {"RAM": [f"acs:ram::{OTHER}:user/reader", f"acs:ram::{OTHER}:role/*"]},
        "Action": ["kms:Decrypt", "kms:DescribeKey"],
        "Resource": ["*"],
        "Condition": {"IpAddress": {"acs:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}},
    }
    return json.dumps({"Version": "1", "Statement": [statement | changes]})


def test_the_default_leaves_the_key_to_its_account():
    kms = Current()
    default = json.loads(kms.call("GetKeyPolicy", KeyId=kms.key(), PolicyName="default")["Policy"])
    (statement,) = default["Statement"]
    assert default["Version"] == "1"
    assert statement["Effect"] == "Allow"
    assert statement["Action"] == ["kms:*"]
    assert statement["Principal"] == {"RAM": [f"acs:ram::{ACCOUNT}:*"]}


def test_a_policy_is_set_and_given_back():
    kms = Current()
    key, made_with = kms.key(), kms.key(Policy=policy())
    kms.call("SetKeyPolicy", KeyId=key, PolicyName="default", Policy=policy(Effect="Deny"))
    assert kms.call("GetKeyPolicy", KeyId=key)["Policy"] == policy(Effect="Deny")
    arn = f"acs:kms:{REGION}:{ACCOUNT}:key/{made_with}"
    assert kms.call("GetKeyPolicy", KeyId=arn)["Policy"] == policy()


def test_nothing_in_a_policy_locks_out_the_owner():
    kms = Current()
    key = kms.key(Policy=policy(Effect="Deny", Principal="*", Action="kms:*", Condition={}))
    assert kms.decrypt(kms.encrypt(key, b"text")) == b"text"
    kms.call("SetKeyPolicy", KeyId=key, Policy=policy())


def test_what_is_no_key_policy_is_refused_by_name():
    kms = Current()
    key = kms.key()
    without_principal = json.loads(policy())
    del without_principal["Statement"][0]["Principal"]
    for document in [
        "{",
        json.dumps(without_principal),
        policy(Effect="Perhaps"),
        policy(Action=[]),
        policy(Principal={"RAM": ["acs:ram::1:user/a"]}),
        policy(Condition={"IpAddress": {"acs:SourceIp": "10.0.0.0/33"}}),
        policy(Condition={"StringsEqual": {"acs:SourceIp": "10.0.0.0/8"}}),
    ]:
        for action, params in [("SetKeyPolicy", {"KeyId": key}), ("CreateKey", {})]:
            failure = kms.fails("InvalidParameter", 400, action, Policy=document, **params)
            assert "Policy" in failure.message
    kms.fails("InvalidParameter", 400, "GetKeyPolicy", KeyId=key, PolicyName="other")


def test_another_accounts_key_does_not_exist():
    kms = Current()
    theirs = f"acs:kms:{REGION}:{OTHER}:key/{kms.key()}"
    for action in ["DescribeKey", "GetKeyPolicy", "ListKeyVersions", "DisableKey"]:
        kms.fails("Forbidden.KeyNotFound", 404, action, KeyId=theirs)
    kms.fails("Forbidden.KeyNotFound", 404, "Encrypt", KeyId=theirs, Plaintext="aGk=")
