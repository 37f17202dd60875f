"""hvac, unchanged, against the Vault API: logins, tokens, transit, and what it probes."""

import base64
import os
import uuid

import hvac
import pytest
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

ADDRESS = os.environ["YAOKU_VAULT_ADDRESS"]
TOKEN = os.environ["YAOKU_VAULT_TOKEN"]
KEY_ID = os.environ["YAOKU_ACCESS_KEY_ID"]
SECRET = os.environ["YAOKU_ACCESS_KEY_SECRET"]


def base64_of(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def client():
    return hvac.Client(url=ADDRESS, token=TOKEN)


@pytest.fixture
def name(client):
    name = f"key-{uuid.uuid4()}"
    client.secrets.transit.create_key(name=name)
    return name


def test_the_server_is_up_and_the_token_is_one(client):
    assert client.sys.is_initialized() and not client.sys.is_sealed()
    assert client.sys.read_health_status(method="GET")["sealed"] is False
    assert client.is_authenticated()
    assert client.auth.token.lookup_self()["data"]["type"] == "service"
    assert "transit/" in client.sys.list_mounted_secrets_engines()["data"]
    assert not hvac.Client(url=ADDRESS, token="hvs.wrong").is_authenticated()


def test_an_access_key_logs_in_and_its_token_is_renewed_and_revoked():
    client = hvac.Client(url=ADDRESS)
    login = client.auth.approle.login(role_id=KEY_ID, secret_id=SECRET)
    assert login["auth"]["lease_duration"] == 3600 and client.is_authenticated()
    renewed = client.auth.token.renew_self(increment="30m")
    assert renewed["auth"]["lease_duration"] == 1800
    client.auth.token.revoke_self()
    assert not client.is_authenticated()
    with pytest.raises(InvalidRequest):
        client.auth.approle.login(role_id=KEY_ID, secret_id="wrong")


def test_keys_are_made_shown_listed_and_rotated(client, name):
    transit = client.secrets.transit
    assert transit.read_key(name=name)["data"]["type"] == "aes256-gcm96"
    assert name in transit.list_keys()["data"]["keys"]
    transit.rotate_key(name=name)
    assert transit.read_key(name=name)["data"]["latest_version"] == 2
    with pytest.raises(InvalidPath):
        transit.read_key(name="none")
    with pytest.raises(InvalidRequest, match="ed25519"):
        transit.create_key(name="other", key_type="ed25519")
    with pytest.raises(InvalidRequest, match="never leave"):
        transit.export_key(name=name, key_type="encryption-key")
    with pytest.raises(InvalidRequest):
        transit.delete_key(name=name)
    transit.update_key_configuration(name=name, deletion_allowed=True)
    transit.delete_key(name=name)
    with pytest.raises(Forbidden):
        transit.encrypt_data(name=name, plaintext=base64_of(b"hi"))


def test_data_is_encrypted_decrypted_and_rewrapped(client, name):
    transit = client.secrets.transit
    context = base64_of(b'{"bucket": "b1"}')
    made = transit.encrypt_data(name=name, plaintext=base64_of(b"hello"), context=context)["data"]["ciphertext"]
    assert made.startswith("vault:v1:")
    opened = transit.decrypt_data(name=name, ciphertext=made, context=context)
    assert base64.b64decode(opened["data"]["plaintext"]) == b"hello"
    with pytest.raises(InvalidRequest):
        transit.decrypt_data(name=name, ciphertext=made)
    transit.rotate_key(name=name)
    again = transit.rewrap_data(name=name, ciphertext=made, context=context)["data"]["ciphertext"]
    assert again.startswith("vault:v2:")
    batch = transit.encrypt_data(name=name, batch_input=[{"plaintext": base64_of(b"a")}, {"plaintext": base64_of(b"b")}])
    sealed = [{"ciphertext": result["ciphertext"]} for result in batch["data"]["batch_results"]]
    opened = transit.decrypt_data(name=name, batch_input=sealed)["data"]["batch_results"]
    assert [base64.b64decode(result["plaintext"]) for result in opened] == [b"a", b"b"]
    key = transit.generate_data_key(name=name, key_type="plaintext", bits=256)["data"]
    assert transit.decrypt_data(name=name, ciphertext=key["ciphertext"])["data"]["plaintext"] == key["plaintext"]
    assert "plaintext" not in transit.generate_data_key(name=name, key_type="wrapped")["data"]


def test_signatures_codes_hashes_and_random_bytes(client):
    transit = client.secrets.transit
    for key_type in ["ecdsa-p256", "rsa-2048"]:
        name = f"{key_type}-{uuid.uuid4()}"
        transit.create_key(name=name, key_type=key_type)
        for marshaling in ["asn1", "jws"]:
            data = {"hash_input": base64_of(b"hi"), "marshaling_algorithm": marshaling}
            signature = transit.sign_data(name=name, **data)["data"]["signature"]
            assert transit.verify_signed_data(name=name, signature=signature, **data)["data"]["valid"]
    name = f"mac-{uuid.uuid4()}"
    # hvac knows fewer types than the API.
    client.write_data(f"transit/keys/{name}", data={"type": "hmac"})
    code = transit.generate_hmac(name=name, hash_input=base64_of(b"hi"), algorithm="sha2-256")["data"]["hmac"]
    assert transit.verify_signed_data(name=name, hash_input=base64_of(b"hi"), hmac=code)["data"]["valid"]
    assert len(transit.hash_data(hash_input=base64_of(b"hi"), algorithm="sha2-512", output_format="hex")["data"]["sum"]) == 128
    assert len(base64.b64decode(transit.generate_random_bytes(n_bytes=24)["data"]["random_bytes"])) == 24


def test_secrets_of_the_key_value_engine_are_written_read_and_destroyed(client, name):
    kv = client.secrets.kv.v2
    made = kv.create_or_update_secret(path=f"app/{name}", secret={"password": "one", "n": 1.5}, cas=0)
    assert made["data"]["version"] == 1
    kv.patch(path=f"app/{name}", secret={"password": "two"})
    read = kv.read_secret_version(path=f"app/{name}", raise_on_deleted_version=True)["data"]
    assert read["data"] == {"password": "two", "n": 1.5} and read["metadata"]["version"] == 2
    first = kv.read_secret_version(path=f"app/{name}", version=1, raise_on_deleted_version=True)
    assert first["data"]["data"]["password"] == "one"
    with pytest.raises(InvalidRequest):
        kv.create_or_update_secret(path=f"app/{name}", secret={}, cas=1)
    assert name in kv.list_secrets(path="app")["data"]["keys"]
    kv.delete_latest_version_of_secret(path=f"app/{name}")
    with pytest.raises(InvalidPath):
        kv.read_secret_version(path=f"app/{name}", raise_on_deleted_version=True)
    kv.undelete_secret_versions(path=f"app/{name}", versions=[2])
    kv.destroy_secret_versions(path=f"app/{name}", versions=[1])
    kv.update_metadata(path=f"app/{name}", max_versions=5, custom_metadata={"owner": "shop"})
    metadata = kv.read_secret_metadata(path=f"app/{name}")["data"]
    assert metadata["versions"]["1"]["destroyed"] and metadata["custom_metadata"] == {"owner": "shop"}
    kv.delete_metadata_and_all_versions(path=f"app/{name}")
    with pytest.raises(InvalidPath):
        kv.read_secret_metadata(path=f"app/{name}")


def test_a_token_knows_what_it_is_good_for(client, name):
    paths = [f"transit/encrypt/{name}", "secret/data/app/x", "transit/export/encryption-key/x"]
    told = client.sys.get_capabilities(paths=paths)
    assert told["data"][paths[0]] == ["update"]
    assert told["data"][paths[1]] == ["create", "delete", "read", "update"]
    assert told["data"][paths[2]] == ["deny"]
    assert client.sys.get_capabilities(paths=paths[0], token=TOKEN)["capabilities"] == ["update"]
    with pytest.raises(InvalidRequest, match="accessor"):
        client.sys.get_capabilities(paths=paths, accessor="x")
