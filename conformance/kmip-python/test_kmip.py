"""PyKMIP, unchanged, against KMIP in three versions: customer master keys that are used and never fetched."""

import json
import os
import urllib.request
import uuid

import pytest
from kmip.core import enums
from kmip.core.factories.attributes import AttributeFactory
from kmip.pie.client import ProxyKmipClient
from kmip.pie.exceptions import KmipOperationFailure
from kmip.services.kmip_client import KMIPProxy

HOST, PORT = os.environ["YAOKU_KMIP_ADDRESS"].rsplit(":", 1)
KEY_ID = os.environ["YAOKU_KMIP_ACCESS_KEY_ID"]
SECRET = os.environ["YAOKU_KMIP_ACCESS_KEY_SECRET"]
CA = os.environ["YAOKU_KMIP_CA"]
CERTIFICATE, PRIVATE_KEY = os.environ["YAOKU_KMIP_CERTIFICATE"], os.environ["YAOKU_KMIP_PRIVATE_KEY"]
VERSIONS = [enums.KMIPVersion.KMIP_1_2, enums.KMIPVersion.KMIP_1_4, enums.KMIPVersion.KMIP_2_0]
GCM = {
    "cryptographic_algorithm": enums.CryptographicAlgorithm.AES,
    "block_cipher_mode": enums.BlockCipherMode.GCM,
}


def connect(version, **credential):
    given = {"username": KEY_ID, "password": SECRET, **credential}
    return ProxyKmipClient(
        hostname=HOST, port=int(PORT), cert=CERTIFICATE, key=PRIVATE_KEY, ca=CA,
        kmip_version=version, **given,
    )


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def client(request):
    with connect(request.param) as client:
        yield client


def make_key(kind="aes256-gcm96"):
    """Makes a CMK by the Vault API: its id and the name that its alias is."""
    name = f"kmip-{uuid.uuid4()}"
    request = urllib.request.Request(
        f"{os.environ['YAOKU_VAULT_ADDRESS']}/v1/transit/keys/{name}",
        data=json.dumps({"type": kind}).encode(),
        headers={"X-Vault-Token": os.environ["YAOKU_VAULT_TOKEN"]},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["data"]["key_id"], name


def named(name):
    return AttributeFactory().create_attribute(enums.AttributeType.NAME, name)


def test_a_key_encrypts_and_decrypts(client):
    key, _ = make_key()
    encrypted, nonce = client.encrypt(b"plaintext", uid=key, cryptographic_parameters=GCM)
    assert nonce is None and encrypted != b"plaintext"
    assert client.decrypt(encrypted, uid=key, cryptographic_parameters=GCM) == b"plaintext"
    with pytest.raises(KmipOperationFailure) as refused:
        client.decrypt(encrypted, uid=make_key()[0], cryptographic_parameters=GCM)
    assert refused.value.reason == enums.ResultReason.CRYPTOGRAPHIC_FAILURE


def test_a_key_is_located_and_described(client):
    key, name = make_key()
    assert client.locate(attributes=[named(name)]) == [key]
    assert client.locate(attributes=[named("none-of-this-name")]) == []
    uid, attributes = client.get_attributes(key, ["State", "Cryptographic Length", "Object Type"])
    assert uid == key
    values = {attribute.attribute_name.value: attribute.attribute_value.value for attribute in attributes}
    assert values["State"] == enums.State.ACTIVE and values["Cryptographic Length"] == 256
    assert values["Object Type"] == enums.ObjectType.SYMMETRIC_KEY
    assert {"Name", "Unique Identifier", "Cryptographic Usage Mask"} <= set(client.get_attribute_list(key))


def test_codes_and_signatures(client):
    key, _ = make_key("hmac")
    _, code = client.mac(b"message", uid=key, algorithm=enums.CryptographicAlgorithm.HMAC_SHA256)
    assert len(code) == 32
    pair, _ = make_key("rsa-2048")
    pss = {
        "cryptographic_algorithm": enums.CryptographicAlgorithm.RSA,
        "hashing_algorithm": enums.HashingAlgorithm.SHA_256,
        "padding_method": enums.PaddingMethod.PSS,
    }
    signature = client.sign(b"message", uid=pair, cryptographic_parameters=pss)
    for message, validity in [(b"message", "VALID"), (b"massage", "INVALID")]:
        verified = client.signature_verify(message, signature, uid=pair, cryptographic_parameters=pss)
        assert verified == enums.ValidityIndicator[validity]


def test_a_key_is_never_fetched_nor_destroyed(client):
    key, _ = make_key()
    version = client.kmip_version
    denied = enums.ResultReason.PERMISSION_DENIED
    for act, reason in [
        (client.get, denied if version < enums.KMIPVersion.KMIP_1_4 else enums.ResultReason.NOT_EXTRACTABLE),
        (client.destroy, enums.ResultReason.ILLEGAL_OPERATION),
        (client.activate, enums.ResultReason.ILLEGAL_OPERATION),
    ]:
        with pytest.raises(KmipOperationFailure) as refused:
            act(key)
        assert refused.value.reason == reason
    with pytest.raises(KmipOperationFailure) as refused:
        client.create(enums.CryptographicAlgorithm.AES, 256)
    assert refused.value.reason == enums.ResultReason.OPERATION_NOT_SUPPORTED


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_bound_certificate_suffices_and_a_wrong_password_is_refused(version):
    key, name = make_key()
    with connect(version, username=None, password=None) as client:
        assert client.locate(attributes=[named(name)]) == [key]
    with connect(version, password="wrong") as client:
        with pytest.raises(KmipOperationFailure) as refused:
            client.locate()
    assert refused.value.reason == enums.ResultReason.AUTHENTICATION_NOT_SUCCESSFUL


def test_the_server_tells_what_it_is():
    proxy = KMIPProxy(
        host=HOST, port=int(PORT), certfile=CERTIFICATE, keyfile=PRIVATE_KEY, ca_certs=CA, username=KEY_ID, password=SECRET,
        kmip_version=enums.KMIPVersion.KMIP_1_4,
    )
    proxy.open()
    try:
        versions = proxy.discover_versions().protocol_versions
        assert (versions[0].major, versions[0].minor) == (2, 1) and len(versions) == 7
        operations = proxy.query(query_functions=[enums.QueryFunction.QUERY_OPERATIONS]).operations
        assert enums.Operation.ENCRYPT in operations and enums.Operation.CREATE not in operations
    finally:
        proxy.close()
