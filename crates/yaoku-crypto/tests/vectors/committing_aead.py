"""Makes committing_aead.txt: the construction in the documentation of `yaoku_crypto::aead`, without any of yaoku's code.

It leaves both key derivations to a ready-made NIST SP 800-108 KDF over CMAC, where yaoku works on cipher blocks.

Run with Python's `cryptography` package (48) installed: python3 committing_aead.py > committing_aead.txt
"""

import hashlib

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode


def kdf(key, length, location, fixed):
    return KBKDFCMAC(
        algorithm=algorithms.AES,
        mode=Mode.CounterMode,
        length=length,
        rlen=2,
        llen=None,
        location=location,
        label=None,
        context=None,
        fixed=fixed,
    ).derive(key)


def stream(label, length):
    return hashlib.shake_128(label.encode()).digest(length)


print("# Made by committing_aead.py, an implementation independent of yaoku's. Hexadecimal; an empty line ends a vector.")
number = 0
for size in (32, 24, 16):
    for length, aad_length in ((0, 0), (0, 13), (1, 0), (15, 16), (16, 1), (17, 300), (255, 12), (1024, 64)):
        for _ in range(2):
            number += 1
            key, nonce = stream(f"key {number}", size), stream(f"nonce {number}", 24)
            aad, plaintext = stream(f"aad {number}", aad_length), stream(f"plaintext {number}", length)
            subkey = kdf(key, size, CounterLocation.BeforeFixed, b"X\x00" + nonce[:12])
            commitment = kdf(key, 32, CounterLocation.AfterFixed, b"XCMT" + nonce + b"\x00\x01")
            sealed = AESGCM(subkey).encrypt(nonce[12:], plaintext, aad)
            fields = {
                "key": key,
                "nonce": nonce,
                "aad": aad,
                "plaintext": plaintext,
                "commitment": commitment,
                "ciphertext": sealed[:-16],
                "tag": sealed[-16:],
            }
            print()
            for name, value in fields.items():
                print(f"{name}: {value.hex()}".rstrip())
