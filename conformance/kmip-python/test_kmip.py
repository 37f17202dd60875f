"""PyKMIP, unchanged, against KMIP in three versions: customer master keys that are used and never fetched, and managed objects."""

import base64
import hmac
import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
import uuid

import pytest
from kmip.core import enums
from kmip.core.factories.attributes import AttributeFactory
from kmip.pie import objects
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


def yaoku(*arguments):
    """A command of the operator's."""
    command = [os.environ["YAOKU_BINARY"], *arguments, "--data-dir", os.environ["YAOKU_DATA_DIR"]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module", autouse=True)
def chosen_key():
    """The CMK that managed objects stand under."""
    key, _ = make_key()
    yaoku("kmip", "set-key", key)
    return key


def api(action, **parameters):
    """A signed call of the KMS API."""
    parameters |= {
        "Action": action,
        "Version": "2016-01-20",
        "Format": "JSON",
        "AccessKeyId": os.environ["YAOKU_ACCESS_KEY_ID"],
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": str(uuid.uuid4()),
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    quote = lambda text: urllib.parse.quote(text, safe="~")
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(parameters.items()))
    secret = os.environ["YAOKU_ACCESS_KEY_SECRET"].encode() + b"&"
    signature = hmac.digest(secret, f"GET&%2F&{quote(query)}".encode(), "sha1")
    query += f"&Signature={quote(base64.b64encode(signature).decode())}"
    with urllib.request.urlopen(f"http://{os.environ['YAOKU_ENDPOINT']}/?{query}") as response:
        return json.load(response)


def refused(act, *arguments):
    """Why an operation is refused."""
    with pytest.raises(KmipOperationFailure) as refusal:
        act(*arguments)
    return refusal.value.reason


def test_a_managed_key_lives_from_creation_to_destruction(client, chosen_key):
    name = f"volume-{uuid.uuid4()}"
    masks = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
    key = client.create(enums.CryptographicAlgorithm.AES, 256, name=name, cryptographic_usage_mask=masks)
    assert client.locate(attributes=[named(name)]) == [key]
    fetched = client.get(key)
    assert isinstance(fetched, objects.SymmetricKey) and len(fetched.value) == 32
    assert fetched.cryptographic_algorithm == enums.CryptographicAlgorithm.AES

    def state():
        _, [attribute] = client.get_attributes(key, ["State"])
        return attribute.attribute_value.value

    assert state() == enums.State.PRE_ACTIVE
    client.activate(key)
    assert state() == enums.State.ACTIVE
    assert refused(client.destroy, key) in (enums.ResultReason.PERMISSION_DENIED, enums.ResultReason.WRONG_KEY_LIFECYCLE_STATE)
    api("DisableKey", KeyId=chosen_key)
    try:
        reason = refused(client.get, key)
        assert reason in (enums.ResultReason.PERMISSION_DENIED, enums.ResultReason.WRONG_KEY_LIFECYCLE_STATE)
    finally:
        api("EnableKey", KeyId=chosen_key)
    assert client.get(key).value == fetched.value
    client.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, key)
    assert state() == enums.State.DEACTIVATED
    client.destroy(key)
    assert state() == enums.State.DESTROYED
    assert client.locate(attributes=[named(name)]) == []


def test_objects_are_registered_and_come_back(client):
    name = f"registered-{uuid.uuid4()}"
    key = objects.SymmetricKey(
        enums.CryptographicAlgorithm.AES, 128, b"\x07" * 16, [enums.CryptographicUsageMask.ENCRYPT], name
    )
    uid = client.register(key)
    assert client.get(uid).value == key.value
    assert client.locate(attributes=[named(name)]) == [uid]
    password = objects.SecretData(b"a password", enums.SecretDataType.PASSWORD, name=f"password-{name}")
    assert client.get(client.register(password)).value == b"a password"
    opaque = objects.OpaqueObject(b"bytes", enums.OpaqueDataType.NONE, name=f"opaque-{name}")
    assert client.get(client.register(opaque)).value == b"bytes"
    certificate = objects.X509Certificate(b"der", name=f"certificate-{name}")
    assert client.get(client.register(certificate)).value == b"der"


def test_a_key_pair_is_made_and_a_key_is_replaced(client):
    public, private = client.create_key_pair(
        enums.CryptographicAlgorithm.RSA, 2048,
        public_usage_mask=[enums.CryptographicUsageMask.VERIFY], private_usage_mask=[enums.CryptographicUsageMask.SIGN],
    )
    assert isinstance(client.get(private), objects.PrivateKey) and isinstance(client.get(public), objects.PublicKey)
    old = client.create(enums.CryptographicAlgorithm.AES, 256, name=f"volume-{uuid.uuid4()}")
    if client.kmip_version < enums.KMIPVersion.KMIP_2_0:
        new = client.rekey(old)
        assert new != old and client.get(new).value != client.get(old).value


def test_a_key_encrypts_and_decrypts(client):
    key, _ = make_key()
    encrypted, nonce = client.encrypt(b"plaintext", uid=key, cryptographic_parameters=GCM)
    assert nonce is None and encrypted != b"plaintext"
    assert client.decrypt(encrypted, uid=key, cryptographic_parameters=GCM) == b"plaintext"
    with pytest.raises(KmipOperationFailure) as refusal:
        client.decrypt(encrypted, uid=make_key()[0], cryptographic_parameters=GCM)
    assert refusal.value.reason == enums.ResultReason.CRYPTOGRAPHIC_FAILURE


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
        with pytest.raises(KmipOperationFailure) as refusal:
            act(key)
        assert refusal.value.reason == reason
    if version < enums.KMIPVersion.KMIP_2_0:
        with pytest.raises(KmipOperationFailure) as refusal:
            client.rekey(key)
        assert refusal.value.reason == enums.ResultReason.ILLEGAL_OPERATION


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_bound_certificate_suffices_and_a_wrong_password_is_refused(version):
    key, name = make_key()
    with connect(version, username=None, password=None) as client:
        assert client.locate(attributes=[named(name)]) == [key]
    with connect(version, password="wrong") as client:
        with pytest.raises(KmipOperationFailure) as refusal:
            client.locate()
    assert refusal.value.reason == enums.ResultReason.AUTHENTICATION_NOT_SUCCESSFUL


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
        assert enums.Operation.ENCRYPT in operations and enums.Operation.CREATE in operations
        assert enums.Operation.DERIVE_KEY not in operations
    finally:
        proxy.close()
