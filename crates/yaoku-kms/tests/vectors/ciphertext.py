"""Makes ciphertext.txt: blobs as docs/ciphertext-format.md describes them, without any of yaoku's code.

Run with Python's `cryptography` package installed: python3 ciphertext.py > ciphertext.txt
"""

import hashlib
import struct
import uuid

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

AES, SM4 = algorithms.AES, algorithms.SM4
CODES = {(AES, 32): 1, (AES, 24): 2, (AES, 16): 3, (SM4, 16): 4}


def cmac(cipher, key, message):
    mac = CMAC(cipher(key))
    mac.update(message)
    return mac.finalize()


def gcm(cipher, key, nonce, plaintext, aad):
    encryptor = Cipher(cipher(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag


def encode(context):
    entries = sorted((k.encode(), v.encode()) for k, v in context.items())
    out = struct.pack(">I", len(entries))
    for text in (part for entry in entries for part in entry):
        out += struct.pack(">I", len(text)) + text
    return out


def seal(cipher, key, key_id, version_id, context, nonce, plaintext, text=False):
    header = bytes([0x81 if text else 1, CODES[cipher, len(key)]]) + key_id + version_id
    blocks = [cmac(cipher, key, b"\x00" + bytes([i]) + b"X\x00" + nonce[:12]) for i in (1, 2)]
    subkey = b"".join(blocks)[: len(key)]
    commitment = b"".join(cmac(cipher, key, b"XCMT" + nonce + b"\x00\x01\x00" + bytes([i])) for i in (1, 2))
    sealed = gcm(cipher, subkey, nonce[12:], b"\x01" + plaintext if text else plaintext, header + encode(context))
    return header + nonce + commitment + sealed


def stream(label, length):
    return hashlib.shake_128(label.encode()).digest(length)


CONTEXTS = [
    {},
    {"k": "值"},
    {"b": "", "a": "1", "A": "2"},
    {"": "empty key", "\U0001f511": "é", "e\u0301": "not the same as é"},
]

TEXTS = ["a", "abcdefg", "not base64: 值 \U0001f511", "line\r\nline\n"]


def show(number, cipher, size, context, plaintext, text=False):
    key, nonce = stream(f"key {number}", size), stream(f"nonce {number}", 24)
    ids = [uuid.UUID(bytes=stream(f"{what} id {number}", 16), version=4) for what in ("key", "version")]
    blob = seal(cipher, key, ids[0].bytes, ids[1].bytes, context, nonce, plaintext, text)
    pairs = ",".join(f"{k.encode().hex()}={v.encode().hex()}" for k, v in context.items())
    name = "SM4" if cipher is SM4 else "AES"
    print(f"number: {number}\ncipher: {name}\nkey: {key.hex()}\nkey id: {ids[0]}\nversion id: {ids[1]}\ncontext: {pairs}")
    if text:
        print("content: text")
    print(f"nonce: {nonce.hex()}\nplaintext: {plaintext.hex()}\nblob: {blob.hex()}\n")


print("# Made by ciphertext.py. One line a field, hexadecimal but for ids; a blank line ends a vector.")
print("# context: pairs of key=value in hexadecimal of UTF-8, joined by commas. content: text, where the plaintext is text.")
number = 0
for cipher, size in ((AES, 32), (AES, 24), (AES, 16), (SM4, 16)):
    for context in CONTEXTS:
        for length in (1, 16, 33, 1000):
            number += 1
            show(number, cipher, size, context, stream(f"plaintext {number}", length))
for cipher, size in ((AES, 32), (AES, 24), (AES, 16), (SM4, 16)):
    for context, text in zip(CONTEXTS, TEXTS):
        number += 1
        show(number, cipher, size, context, text.encode(), text=True)
