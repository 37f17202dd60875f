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
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from gmssl import func, sm2, sm3

MESSAGE = "签名 & message".encode()
SHA256 = utils.Prehashed(hashes.SHA256())
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)


def encode(data):
    return base64.b64encode(data).decode()


class Pair:
    """One version of a key pair, and its public key as a client has it."""

    def __init__(self, kms, spec, usage, **params):
        self.kms, self.key = kms, kms.key(KeySpec=spec, KeyUsage=usage, **params)
        self.load()

    def load(self):
        listed = self.kms.call("ListKeyVersions", KeyId=self.key, PageNumber=1, PageSize=10)["KeyVersions"]["KeyVersion"]
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


OAEP_AES = "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD"


def ecb(cipher, plain):
    encryptor = Cipher(cipher, modes.ECB()).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def oaep_aes(given, pkcs8):
    """Under an ephemeral AES key, and that under the wrapping key."""
    public_key, ephemeral = serialization.load_der_public_key(base64.b64decode(given["PublicKey"])), os.urandom(32)
    padder = PKCS7(128).padder()
    return oaep(public_key, ephemeral) + ecb(algorithms.AES(ephemeral), padder.update(pkcs8) + padder.finalize())


def sm2_sm4(given, number):
    """Under an ephemeral SM4 key, and that under the wrapping key as C1 || C3 || C2, whose 04 gmssl leaves away."""
    point = base64.b64decode(given["PublicKey"])[-64:].hex()
    ephemeral = os.urandom(16)
    client = sm2.CryptSM2(private_key="", public_key=point, mode=1)
    return b"\4" + client.encrypt(ephemeral) + ecb(algorithms.SM4(ephemeral), number)


def pkcs8(private):
    encoding, form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, form, serialization.NoEncryption())


class Imported(Pair):
    """A key pair of the client's own, imported."""

    def __init__(self, kms, spec, usage, wrapping_key, algorithm, wrap, material):
        self.wrap = wrap
        self.kms, self.key = kms, kms.key(KeySpec=spec, KeyUsage=usage, Origin="EXTERNAL")
        wrapping = dict(WrappingKeySpec=wrapping_key, WrappingAlgorithm=algorithm)
        self.given = kms.call("GetParametersForImport", KeyId=self.key, **wrapping)
        kms.call("ImportKeyMaterial", KeyId=self.key, **self.parameters(material))
        assert kms.describe(self.key)["KeyState"] == "Enabled"
        self.load()

    def parameters(self, material):
        wrapped = encode(self.wrap(self.given, material))
        return dict(ImportToken=self.given["ImportToken"], EncryptedKeyMaterial=wrapped)


def same_key_other_numbers(private):
    """The factors exchanged, and d reduced by phi instead of lambda: another encoding of the same key."""
    ours = private.private_numbers()
    d = pow(ours.public_numbers.e, -1, (ours.p - 1) * (ours.q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=ours.q,
        q=ours.p,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, ours.q),
        dmq1=rsa.rsa_crt_dmq1(d, ours.p),
        iqmp=rsa.rsa_crt_iqmp(ours.q, ours.p),
        public_numbers=ours.public_numbers,
    )
    return numbers.private_key()


def test_import_of_an_rsa_key_pair(kms):
    private = rsa.generate_private_key(65537, 2048)
    pair = Imported(kms, "RSA_2048", "SIGN/VERIFY", "RSA_2048", OAEP_AES, oaep_aes, pkcs8(private))
    assert pair.public_key() == private.public_key()
    digest = hashlib.sha256(MESSAGE).digest()
    private.public_key().verify(pair.sign("RSA_PSS_SHA_256", digest), digest, PSS, SHA256)

    kms.call("DeleteKeyMaterial", KeyId=pair.key)
    pair.kms.fails("Rejected.PendingImport", 409, "GetPublicKey", KeyId=pair.key, KeyVersionId=pair.version)
    other = pair.parameters(pkcs8(rsa.generate_private_key(65537, 2048)))
    kms.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", KeyId=pair.key, **other)
    again = pkcs8(same_key_other_numbers(private))
    assert again != pkcs8(private)
    kms.call("ImportKeyMaterial", KeyId=pair.key, **pair.parameters(again))
    private.public_key().verify(pair.sign("RSA_PSS_SHA_256", digest), digest, PSS, SHA256)


@pytest.mark.parametrize("spec, curve", [("EC_P256", ec.SECP256R1()), ("EC_P256K", ec.SECP256K1())])
def test_import_of_an_ec_key_pair(kms, spec, curve):
    private = ec.generate_private_key(curve)
    pair = Imported(kms, spec, "SIGN/VERIFY", "RSA_3072", OAEP_AES, oaep_aes, pkcs8(private))
    assert pair.public_key() == private.public_key()
    digest = hashlib.sha256(MESSAGE).digest()
    private.public_key().verify(pair.sign("ECDSA_SHA_256", digest), digest, ec.ECDSA(SHA256))


def test_import_of_an_sm2_key_pair(kms):
    number = os.urandom(31).rjust(32, b"\1")
    pair = Imported(kms, "EC_SM2", "ENCRYPT/DECRYPT", "EC_SM2", "SM2PKE_SM4_ECB", sm2_sm4, number)
    # What the client computes of the private number is what the server says.
    point = sm2.CryptSM2(private_key=number.hex(), public_key="")._kg(int.from_bytes(number, "big"), sm2.default_ecc_table["g"])
    assert base64.b64decode(b"".join(pair.pem.splitlines()[1:-1]))[-64:].hex() == point
    ciphertext = sm2_der(pair.sm2().encrypt(MESSAGE))
    assert pair.decrypt("SM2PKE", ciphertext) == MESSAGE


def test_import_algorithms_are_for_their_own_material(kms):
    pair, aes = kms.key(KeySpec="EC_P256", Origin="EXTERNAL"), kms.key(Origin="EXTERNAL")
    for key, algorithm in ((pair, "RSAES_OAEP_SHA_256"), (aes, OAEP_AES)):
        wrapping = dict(WrappingKeySpec="RSA_2048", WrappingAlgorithm=algorithm)
        failure = kms.fails("InvalidParameter", 400, "GetParametersForImport", KeyId=key, **wrapping)
        assert "WrappingAlgorithm" in failure.message


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
