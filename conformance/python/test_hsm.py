"""Keys of protection level HSM: point 15 of the conformance list. The server has a token of SoftHSM2."""

import base64
import hashlib
import os

import pytest
from conftest import Older
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from test_asymmetric import MESSAGE, PSS, SHA256, Pair, encode

pytestmark = pytest.mark.skipif(not os.environ.get("YAOKU_HSM"), reason="SoftHSM2 is not installed")
CONTEXT = {"EncryptionContext": {"部门": "财务"}}
SHA1_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


def hsm(kms, **params):
    return kms.key(ProtectionLevel="HSM", **params)


@pytest.mark.parametrize("spec", ["Aliyun_AES_256", "Aliyun_AES_192", "Aliyun_AES_128"])
def test_encryption_over_versions(kms, spec):
    key = hsm(kms, KeySpec=spec)
    assert kms.describe(key)["ProtectionLevel"] == "HSM"
    blob = kms.encrypt(key, MESSAGE, **CONTEXT)
    kms.call("CreateKeyVersion", KeyId=key)
    assert kms.decrypt(blob, **CONTEXT) == MESSAGE
    assert kms.decrypt(kms.encrypt(key, MESSAGE)) == MESSAGE
    assert "CiphertextBlob" in kms.fails("InvalidParameter", 400, "Decrypt", CiphertextBlob=blob).message


def test_data_keys(kms):
    made = kms.call("GenerateDataKey", KeyId=hsm(kms), **CONTEXT)
    assert encode(kms.decrypt(made["CiphertextBlob"], **CONTEXT)) == made["Plaintext"]


@pytest.mark.parametrize("algorithm, scheme", [("RSA_PSS_SHA_256", PSS), ("RSA_PKCS1_SHA_256", padding.PKCS1v15())])
def test_rsa_signatures(kms, algorithm, scheme):
    pair = Pair(kms, "RSA_2048", "SIGN/VERIFY", ProtectionLevel="HSM")
    digest = hashlib.sha256(MESSAGE).digest()
    pair.public_key().verify(pair.sign(algorithm, digest), digest, scheme, SHA256)


@pytest.mark.parametrize("spec", ["EC_P256", "EC_P256K"])
def test_ecdsa_signatures(kms, spec):
    pair = Pair(kms, spec, "SIGN/VERIFY", ProtectionLevel="HSM")
    digest = hashlib.sha256(MESSAGE).digest()
    pair.public_key().verify(pair.sign("ECDSA_SHA_256", digest), digest, ec.ECDSA(SHA256))


def test_rsa_encryption(kms):
    # The one hash of RSAES-OAEP that every version of SoftHSM2 knows.
    pair = Pair(kms, "RSA_2048", "ENCRYPT/DECRYPT", ProtectionLevel="HSM")
    assert pair.decrypt("RSAES_OAEP_SHA_1", pair.public_key().encrypt(MESSAGE, SHA1_OAEP)) == MESSAGE


def test_macs(kms):
    if isinstance(kms, Older):
        return  # It has no types for these actions.
    request = {"KeyId": hsm(kms, KeySpec="HMAC_SHA256"), "Algorithm": "HMAC_SHA_256", "Message": encode(MESSAGE)}
    mac = kms.call("GenerateMac", **request)["Mac"]
    assert kms.call("VerifyMac", Mac=mac, **request)["Value"] is True
    assert kms.call("VerifyMac", Mac=mac, **{**request, "Message": encode(b"x")})["Value"] is False


@pytest.mark.parametrize("algorithm, scheme", [("RSAES_OAEP_SHA_1", SHA1_OAEP), ("RSAES_PKCS1_V1_5", padding.PKCS1v15())])
def test_import(kms, algorithm, scheme):
    key, material = hsm(kms, Origin="EXTERNAL"), os.urandom(32)
    given = kms.call("GetParametersForImport", KeyId=key, WrappingKeySpec="RSA_2048", WrappingAlgorithm=algorithm)
    public_key = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))

    def parameters(material):
        wrapped = encode(public_key.encrypt(material, scheme))
        return dict(KeyId=key, ImportToken=given["ImportToken"], EncryptedKeyMaterial=wrapped)

    kms.call("ImportKeyMaterial", **parameters(material))
    blob = kms.encrypt(key, MESSAGE)
    kms.call("DeleteKeyMaterial", KeyId=key)
    kms.fails("Rejected.PendingImport", 409, "Decrypt", CiphertextBlob=blob)
    kms.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", **parameters(os.urandom(32)))
    kms.call("ImportKeyMaterial", **parameters(material))
    assert kms.decrypt(blob) == MESSAGE


@pytest.mark.parametrize("spec", ["EC_SM2", "Aliyun_SM4", "HMAC_SM3", "ML_DSA_44"])
def test_what_no_token_holds(kms, spec):
    kms.fails("Unsupported.ProtectionLevel", 400, "CreateKey", KeySpec=spec, ProtectionLevel="HSM")
