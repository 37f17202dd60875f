"""Makes ciphertext.txt: blobs as docs/ciphertext-format.md describes them, without any of yaoku's code.

Run with Python's `cryptography` package installed: python3 ciphertext.py > ciphertext.txt
"""

import hashlib
import struct
import uuid

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

CODES = {32: 1, 24: 2, 16: 3}


def cmac(key, message):
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def encode(context):
    entries = sorted((k.encode(), v.encode()) for k, v in context.items())
    out = struct.pack(">I", len(entries))
    for text in (part for entry in entries for part in entry):
        out += struct.pack(">I", len(text)) + text
    return out


def seal(key, key_id, version_id, context, nonce, plaintext):
    header = bytes([1, CODES[len(key)]]) + key_id + version_id
    blocks = [cmac(key, b"\x00" + bytes([i]) + b"X\x00" + nonce[:12]) for i in (1, 2)]
    subkey = b"".join(blocks)[: len(key)]
    commitment = b"".join(cmac(key, b"XCMT" + nonce + b"\x00\x01\x00" + bytes([i])) for i in (1, 2))
    sealed = AESGCM(subkey).encrypt(nonce[12:], plaintext, header + encode(context))
    return header + nonce + commitment + sealed


def stream(label, length):
    return hashlib.shake_128(label.encode()).digest(length)


CONTEXTS = [
    {},
    {"k": "值"},
    {"b": "", "a": "1", "A": "2"},
    {"": "empty key", "\U0001f511": "é", "e\u0301": "not the same as é"},
]

print("# Made by ciphertext.py. One line a field, hexadecimal but for ids; a blank line ends a vector.")
print("# context: pairs of key=value in hexadecimal of UTF-8, joined by commas.")
number = 0
for size in (32, 24, 16):
    for context in CONTEXTS:
        for length in (1, 16, 33, 1000):
            number += 1
            key, nonce = stream(f"key {number}", size), stream(f"nonce {number}", 24)
            ids = [uuid.UUID(bytes=stream(f"{what} id {number}", 16), version=4) for what in ("key", "version")]
            plaintext = stream(f"plaintext {number}", length)
            blob = seal(key, ids[0].bytes, ids[1].bytes, context, nonce, plaintext)
            pairs = ",".join(f"{k.encode().hex()}={v.encode().hex()}" for k, v in context.items())
            print(f"number: {number}\nkey: {key.hex()}\nkey id: {ids[0]}\nversion id: {ids[1]}\ncontext: {pairs}")
            print(f"nonce: {nonce.hex()}\nplaintext: {plaintext.hex()}\nblob: {blob.hex()}\n")
