"""The official caching clients for Python, set up from the environment as their documentation has it."""

import json
import os
import uuid

import pytest
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

ENDPOINT = os.environ["YAOKU_ENDPOINT"]
REGION = os.environ["YAOKU_REGION"]
KEY_ID = os.environ["YAOKU_ACCESS_KEY_ID"]
SECRET = os.environ["YAOKU_ACCESS_KEY_SECRET"]
KMS, RAM, STS = "2016-01-20", "2015-05-01", "2015-04-01"


def call(version, action, key_id=KEY_ID, secret=SECRET, **params):
    """Makes and changes what the caching clients read."""
    request = CommonRequest(domain=ENDPOINT, version=version, action_name=action)
    request.set_method("POST")
    request.set_protocol_type("https")
    for name, value in params.items():
        request.add_query_param(name, value)
    return json.loads(AcsClient(key_id, secret, REGION, verify=os.environ["YAOKU_CA"]).do_action_with_exception(request))


@pytest.fixture(params=["v1", "v2"])
def client(request):
    if request.param == "v1":
        from alibaba_cloud_secretsmanager_client import secret_manager_cache_client_builder as module
    else:
        from alibabacloud_secretsmanager_client_v2 import secret_manager_cache_client_builder as module
    client = module.SecretManagerCacheClientBuilder.new_client()
    yield client
    client.close()


def test_a_secret_is_read_once_and_again_when_it_is_refreshed(client):
    name = f"caching/{uuid.uuid4()}"
    call(KMS, "CreateSecret", SecretName=name, VersionId="v1", SecretData="first")
    assert client.get_secret_info(name).secret_value == "first"
    call(KMS, "PutSecretValue", SecretName=name, VersionId="v2", SecretData="second")
    assert client.get_secret_info(name).secret_value == "first"
    assert client.refresh_now(name)
    info = client.get_secret_info(name)
    assert (info.secret_value, info.version_id, info.secret_type) == ("second", "v2", "Generic")


def test_bytes(client):
    name = f"caching/{uuid.uuid4()}"
    call(KMS, "CreateSecret", SecretName=name, VersionId="v1", SecretData="AAEC/w==", SecretDataType="binary")
    # The clients leave bytes as they are on the wire.
    info = client.get_secret_info(name)
    assert (info.secret_data_type, info.secret_value) == ("binary", "AAEC/w==")


def test_a_secret_that_is_not_there_is_an_error(client):
    with pytest.raises(Exception, match="ResourceNotFound"):
        client.get_secret_info("caching/none")


def test_access_keys_of_a_user_are_those_that_were_rotated_to(client):
    user = f"u-{uuid.uuid4()}"
    call(RAM, "CreateUser", UserName=user)
    key = call(RAM, "CreateAccessKey", UserName=user)["AccessKey"]
    keys = {"AccessKeys": [{"AccessKeyId": key["AccessKeyId"], "AccessKeySecret": key["AccessKeySecret"]}]}
    made = call(
        KMS,
        "CreateSecret",
        SecretType="RAMCredentials",
        SecretName="$Auto",
        VersionId="v1",
        SecretData=json.dumps(keys),
        ExtendedConfig=json.dumps({"SecretSubType": "RamUserAccessKey", "UserName": user}),
        EnableAutomaticRotation="true",
        RotationInterval="7d",
    )
    name = made["SecretName"]

    def holder():
        held = json.loads(client.get_secret_info(name).secret_value)
        called = call(STS, "GetCallerIdentity", key_id=held["AccessKeyId"], secret=held["AccessKeySecret"])
        assert called["Arn"].endswith(f":user/{user}")
        return held["AccessKeyId"]

    assert holder() == key["AccessKeyId"]
    info = client.get_secret_info(name)
    assert (info.secret_type, info.automatic_rotation, info.rotation_interval) == ("RAMCredentials", "Enabled", "604800s")
    assert json.loads(info.extended_config)["UserName"] == user
    assert info.next_rotation_date == made["NextRotationDate"]
    call(KMS, "RotateSecret", SecretName=name, VersionId="v2")
    # What is in the cache goes on proving the user for one rotation more.
    assert holder() == key["AccessKeyId"]
    assert client.refresh_now(name)
    assert holder() != key["AccessKeyId"]
