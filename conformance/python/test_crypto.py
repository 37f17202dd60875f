"""Encryption with context, data keys, and errors: points 3, 4 and 9 of the conformance list."""

import base64
import os
import uuid

import pytest
from conftest import SECRET
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CONTEXT = {"部门": "财务 + 审计", "a b": "*~&=", "quote": "\"'\\"}


@pytest.fixture(scope="module")
def key(kms):
    return kms.key()


def test_context(kms, key):
    blob = kms.encrypt(key, b"text", EncryptionContext=CONTEXT)
    assert kms.decrypt(blob, EncryptionContext=CONTEXT) == b"text"
    assert kms.decrypt(blob, EncryptionContext=dict(reversed(CONTEXT.items()))) == b"text"
    for other in ({**CONTEXT, "more": "1"}, {"a b": "*~&="}):
        kms.fails("InvalidParameter", 400, "Decrypt", CiphertextBlob=blob, EncryptionContext=other)
    failure = kms.fails("InvalidParameter", 400, "Decrypt", CiphertextBlob=blob)
    assert "CiphertextBlob" in failure.message


def test_largest_plaintext(kms, key):
    text = os.urandom(6144)
    assert kms.decrypt(kms.encrypt(key, text)) == text


def test_reencrypt(kms, key):
    other = kms.key()
    blob = kms.encrypt(key, b"text", EncryptionContext={"from": "1"})
    moved = kms.call(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext={"from": "1"},
        DestinationKeyId=other,
        DestinationEncryptionContext={"to": "2"},
    )
    assert moved["KeyId"] == other
    assert kms.decrypt(moved["CiphertextBlob"], EncryptionContext={"to": "2"}) == b"text"


def test_data_keys(kms, key):
    for params, length in (({}, 32), ({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)):
        made = kms.call("GenerateDataKey", KeyId=key, EncryptionContext=CONTEXT, **params)
        plaintext = base64.b64decode(made["Plaintext"])
        assert len(plaintext) == length
        assert kms.decrypt(made["CiphertextBlob"], EncryptionContext=CONTEXT) == plaintext
    made = kms.call("GenerateDataKeyWithoutPlaintext", KeyId=key)
    assert "Plaintext" not in made and len(kms.decrypt(made["CiphertextBlob"])) == 32


def test_exported_data_keys(kms, key):
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    target = {
        "PublicKeyBlob": base64.b64encode(der).decode(),
        "WrappingKeySpec": "RSA_2048",
        "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
    }
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    made = kms.call("GenerateAndExportDataKey", KeyId=key, **target)
    exported = kms.call("ExportDataKey", CiphertextBlob=made["CiphertextBlob"], **target)
    plaintext = kms.decrypt(made["CiphertextBlob"])
    for wrapped in (made["ExportedDataKey"], exported["ExportedDataKey"]):
        assert private.decrypt(base64.b64decode(wrapped), oaep) == plaintext


def test_errors(kms, key):
    nobody = str(uuid.uuid4())
    kms.fails("Forbidden.KeyNotFound", 404, "DescribeKey", KeyId=nobody)
    kms.fails("Forbidden.AliasNotFound", 404, "Encrypt", KeyId=f"alias/{nobody}", Plaintext="aGk=")
    kms.fails("Forbidden.KeyVersionNotFound", 404, "DescribeKeyVersion", KeyId=key, KeyVersionId=nobody)
    alias = f"alias/{nobody}"
    kms.call("CreateAlias", AliasName=alias, KeyId=key)
    kms.fails("AliasAlreadyExists", 400, "CreateAlias", AliasName=alias, KeyId=key)
    kms.fails("Unsupported.Alias", 400, "DisableKey", KeyId=alias)
    blob = bytearray(base64.b64decode(kms.encrypt(key, b"hi")))
    blob[-1] ^= 1
    damaged = base64.b64encode(blob).decode()
    assert "CiphertextBlob" in kms.fails("InvalidParameter", 400, "Decrypt", CiphertextBlob=damaged).message
    large = base64.b64encode(bytes(6145)).decode()
    assert "Plaintext" in kms.fails("InvalidParameter", 400, "Encrypt", KeyId=key, Plaintext=large).message
    kms.fails("Unsupported.ProtectionLevel", 400, "CreateKey", ProtectionLevel="HSM", KeySpec="EC_SM2")
    rds = {"SecretName": "s", "VersionId": "1", "SecretData": "d", "SecretType": "Rds"}
    kms.fails("UnsupportedOperation", 400, "CreateSecret", **rds)
    kms.fails("InvalidParameter", 400, "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=6)


def test_dry_run(kms, key):
    kms.fails("DryRunOperationError", 412, "Encrypt", KeyId=key, Plaintext="aGk=", DryRun="true")
    kms.fails("ValidationError", 400, "Encrypt", KeyId=str(uuid.uuid4()), Plaintext="aGk=", DryRun="true")


def test_credentials(sdk):
    sdk(secret="wrong").fails("SignatureDoesNotMatch", 400, "DescribeAccountKmsStatus")
    sdk(key_id="nobody", secret=SECRET).fails("InvalidAccessKeyId.NotFound", 404, "DescribeAccountKmsStatus")
