"""Makes committing_aead.txt: the construction in the documentation of `yaoku_crypto::aead`, without any of yaoku's code.

It leaves both key derivations to a ready-made NIST SP 800-108 KDF over CMAC, where yaoku works on cipher blocks.

Run with Python's `cryptography` package (48 or later) installed: python3 committing_aead.py > committing_aead.txt
"""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode


def kdf(algorithm, key, length, location, fixed):
    return KBKDFCMAC(
        algorithm=algorithm,
        mode=Mode.CounterMode,
        length=length,
        rlen=2,
        llen=None,
        location=location,
        label=None,
        context=None,
        fixed=fixed,
    ).derive(key)


def gcm(algorithm, key, nonce, aad, plaintext):
    encryptor = Cipher(algorithm(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    return encryptor.update(plaintext) + encryptor.finalize(), encryptor.tag


def stream(label, length):
    return hashlib.shake_128(label.encode()).digest(length)


print("# Made by committing_aead.py, an implementation independent of yaoku's. Hexadecimal; an empty line ends a vector.")
print("# The cipher is AES where none is named.")
number = 0
AES, SM4 = algorithms.AES, algorithms.SM4
for algorithm, size in ((AES, 32), (AES, 24), (AES, 16), (SM4, 16)):
    for length, aad_length in ((0, 0), (0, 13), (1, 0), (15, 16), (16, 1), (17, 300), (255, 12), (1024, 64)):
        for _ in range(2):
            number += 1
            key, nonce = stream(f"key {number}", size), stream(f"nonce {number}", 24)
            aad, plaintext = stream(f"aad {number}", aad_length), stream(f"plaintext {number}", length)
            subkey = kdf(algorithm, key, size, CounterLocation.BeforeFixed, b"X\x00" + nonce[:12])
            commitment = kdf(algorithm, key, 32, CounterLocation.AfterFixed, b"XCMT" + nonce + b"\x00\x01")
            ciphertext, tag = gcm(algorithm, subkey, nonce[12:], aad, plaintext)
            fields = {
                "key": key,
                "nonce": nonce,
                "aad": aad,
                "plaintext": plaintext,
                "commitment": commitment,
                "ciphertext": ciphertext,
                "tag": tag,
            }
            print()
            if algorithm is SM4:
                print("cipher: SM4")
            for name, value in fields.items():
                print(f"{name}: {value.hex()}".rstrip())
