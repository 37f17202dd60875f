"""Key pairs, MACs, SM4 and imported keys: points 10 to 12 of the conformance list.

Signatures are verified and ciphertexts made with the public key that GetPublicKey gives, and nothing else of the server.
"""

import base64
import hashlib
import os
import time

import pytest
from conftest import Older
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from gmssl import func, sm2, sm3

MESSAGE = "签名 & message".encode()
SHA256 = utils.Prehashed(hashes.SHA256())
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)


def encode(data):
    return base64.b64encode(data).decode()


class Pair:
    """One version of a key pair, and its public key as a client has it."""

    def __init__(self, kms, spec, usage):
        self.kms, self.key = kms, kms.key(KeySpec=spec, KeyUsage=usage)
        listed = kms.call("ListKeyVersions", KeyId=self.key, PageNumber=1, PageSize=10)["KeyVersions"]["KeyVersion"]
        self.version = listed[0]["KeyVersionId"]
        self.pem = self.call("GetPublicKey")["PublicKey"].encode()

    def call(self, action, **params):
        return self.kms.call(action, KeyId=self.key, KeyVersionId=self.version, **params)

    def fails(self, code, action, **params):
        return self.kms.fails(code, 400, action, KeyId=self.key, KeyVersionId=self.version, **params)

    def sign(self, algorithm, digest):
        value = self.call("AsymmetricSign", Algorithm=algorithm, Digest=encode(digest))["Value"]
        verify = {"Algorithm": algorithm, "Value": value}
        assert self.call("AsymmetricVerify", Digest=encode(digest), **verify)["Value"] is True
        other = bytes([digest[0] ^ 1]) + digest[1:]
        assert self.call("AsymmetricVerify", Digest=encode(other), **verify)["Value"] is False
        return base64.b64decode(value)

    def decrypt(self, algorithm, ciphertext):
        plain = self.call("AsymmetricDecrypt", Algorithm=algorithm, CiphertextBlob=encode(ciphertext))["Plaintext"]
        return base64.b64decode(plain)

    def public_key(self):
        return serialization.load_pem_public_key(self.pem)

    def sm2(self):
        # The uncompressed point, without its 04, ends a SubjectPublicKeyInfo.
        der = base64.b64decode(b"".join(self.pem.splitlines()[1:-1]))
        return sm2.CryptSM2(private_key="", public_key=der[-64:].hex(), mode=1, asn1=True)


@pytest.mark.parametrize("algorithm, scheme", [("RSA_PSS_SHA_256", PSS), ("RSA_PKCS1_SHA_256", padding.PKCS1v15())])
def test_rsa_signatures(kms, algorithm, scheme):
    pair = Pair(kms, "RSA_2048", "SIGN/VERIFY")
    digest = hashlib.sha256(MESSAGE).digest()
    pair.public_key().verify(pair.sign(algorithm, digest), digest, scheme, SHA256)


@pytest.mark.parametrize("spec", ["EC_P256", "EC_P256K"])
def test_ecdsa_signatures(kms, spec):
    pair = Pair(kms, spec, "SIGN/VERIFY")
    digest = hashlib.sha256(MESSAGE).digest()
    pair.public_key().verify(pair.sign("ECDSA_SHA_256", digest), digest, ec.ECDSA(SHA256))


def test_sm2_signatures(kms):
    pair = Pair(kms, "EC_SM2", "SIGN/VERIFY")
    client = pair.sm2()
    # e = SM3(Z_A || M), as the client computes it.
    digest = bytes.fromhex(client._sm3_z(MESSAGE))
    assert digest != bytes.fromhex(sm3.sm3_hash(func.bytes_to_list(MESSAGE)))
    signature = pair.sign("SM2DSA", digest)
    assert client.verify_with_sm3(signature.hex(), MESSAGE)
    assert not client.verify_with_sm3(signature.hex(), MESSAGE + b"!")


def test_ml_dsa_signatures(kms):
    pair = Pair(kms, "ML_DSA_65", "SIGN/VERIFY")
    # yaoku's own spec: the message itself is signed.
    assert len(pair.sign("ML_DSA", MESSAGE)) == 3309


@pytest.mark.parametrize("algorithm, digest", [("RSAES_OAEP_SHA_256", hashes.SHA256()), ("RSAES_OAEP_SHA_1", hashes.SHA1())])
def test_rsa_encryption(kms, algorithm, digest):
    pair = Pair(kms, "RSA_2048", "ENCRYPT/DECRYPT")
    ciphertext = pair.public_key().encrypt(MESSAGE, padding.OAEP(padding.MGF1(digest), digest, None))
    assert pair.decrypt(algorithm, ciphertext) == MESSAGE
    there = pair.call("AsymmetricEncrypt", Algorithm=algorithm, Plaintext=encode(MESSAGE))["CiphertextBlob"]
    assert pair.decrypt(algorithm, base64.b64decode(there)) == MESSAGE
    moved = kms.call(
        "ReEncrypt",
        CiphertextBlob=encode(ciphertext),
        SourceKeyId=pair.key,
        SourceKeyVersionId=pair.version,
        SourceEncryptionAlgorithm=algorithm,
        DestinationKeyId=kms.key(),
    )
    assert kms.decrypt(moved["CiphertextBlob"]) == MESSAGE


def test_sm2_encryption(kms):
    pair = Pair(kms, "EC_SM2", "ENCRYPT/DECRYPT")
    raw = pair.sm2().encrypt(MESSAGE)
    assert pair.decrypt("SM2PKE", sm2_der(raw)) == MESSAGE


def sm2_der(raw):
    """C1 C3 C2 as the SEQUENCE { x, y, C3, C2 } of GM/T 0009."""
    from Cryptodome.Util.asn1 import DerInteger, DerOctetString, DerSequence

    x, y, c3, c2 = raw[:32], raw[32:64], raw[64:96], raw[96:]
    parts = [DerInteger(int.from_bytes(x, "big")), DerInteger(int.from_bytes(y, "big"))]
    return DerSequence(parts + [DerOctetString(c3), DerOctetString(c2)]).encode()


def test_macs(kms):
    if isinstance(kms, Older):
        return  # It has no types for these actions.
    for spec, algorithm, length in (("HMAC_SHA512", "HMAC_SHA_512", 64), ("HMAC_SM3", "HMAC_SM3", 32)):
        request = {"KeyId": kms.key(KeySpec=spec), "Algorithm": algorithm, "Message": encode(MESSAGE)}
        mac = kms.call("GenerateMac", **request)["Mac"]
        assert len(base64.b64decode(mac)) == length
        assert kms.call("VerifyMac", Mac=mac, **request)["Value"] is True
        assert kms.call("VerifyMac", Mac=mac, **{**request, "Message": encode(b"x")})["Value"] is False


def test_sm4(kms):
    key = kms.key(KeySpec="Aliyun_SM4")
    blob = kms.encrypt(key, MESSAGE, EncryptionContext={"部门": "财务"})
    assert kms.decrypt(blob, EncryptionContext={"部门": "财务"}) == MESSAGE
    kms.fails("InvalidParameter", 400, "Decrypt", CiphertextBlob=blob)


def oaep(public_key, material):
    return public_key.encrypt(material, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))


def pkcs1(public_key, material):
    return public_key.encrypt(material, padding.PKCS1v15())


@pytest.mark.parametrize("algorithm, wrap", [("RSAES_OAEP_SHA_256", oaep), ("RSAES_PKCS1_V1_5", pkcs1)])
def test_import(kms, algorithm, wrap):
    key, material, expires = kms.key(Origin="EXTERNAL"), os.urandom(32), int(time.time()) + 86_400
    given = kms.call("GetParametersForImport", KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
    public_key = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))
    assert isinstance(public_key, rsa.RSAPublicKey) and given["TokenExpireTime"].endswith("Z")

    def parameters(material):
        wrapped = encode(wrap(public_key, material))
        return dict(ImportToken=given["ImportToken"], EncryptedKeyMaterial=wrapped, KeyMaterialExpireUnix=expires)

    kms.call("ImportKeyMaterial", KeyId=key, **parameters(material))
    shown = kms.describe(key)
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
    assert (shown["KeyState"], shown["MaterialExpireTime"]) == ("Enabled", end)
    blob = kms.encrypt(key, MESSAGE)
    kms.fails("InvalidImportToken", 400, "ImportKeyMaterial", KeyId=kms.key(Origin="EXTERNAL"), **parameters(material))
    kms.call("DeleteKeyMaterial", KeyId=key)
    assert kms.describe(key)["KeyState"] == "PendingImport"
    kms.fails("Rejected.PendingImport", 409, "Decrypt", CiphertextBlob=blob)
    kms.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", KeyId=key, **parameters(os.urandom(32)))
    kms.call("ImportKeyMaterial", KeyId=key, **parameters(material))
    assert kms.decrypt(blob) == MESSAGE


def test_wrong_pairings(kms):
    signer = Pair(kms, "EC_P256", "SIGN/VERIFY")
    assert "Digest" in signer.fails("InvalidParameter", "AsymmetricSign", Algorithm="ECDSA_SHA_256", Digest="aGk=").message
    digest = encode(bytes(32))
    assert "Algorithm" in signer.fails("InvalidParameter", "AsymmetricSign", Algorithm="SM2DSA", Digest=digest).message
    signer.fails("UnsupportedOperation", "AsymmetricEncrypt", Algorithm="RSAES_OAEP_SHA_256", Plaintext="aGk=")
    kms.fails("UnsupportedOperation", 400, "Encrypt", KeyId=signer.key, Plaintext="aGk=")
    aes = kms.key()
    version = kms.describe(aes)["PrimaryKeyVersion"]
    sign = dict(KeyId=aes, KeyVersionId=version, Algorithm="ECDSA_SHA_256", Digest=digest)
    kms.fails("UnsupportedOperation", 400, "AsymmetricSign", **sign)
