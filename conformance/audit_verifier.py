"""A second reading of docs/audit-format.md: checks an audit log with nothing of yaoku's, by the package cryptography.

Usage: audit_verifier.py DIRECTORY-OF-THE-LOG
"""

import base64
import hashlib
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def root(leaves):
    """RFC 6962, section 2.1, over the hashes of leaves."""
    if not leaves:
        return hashlib.sha256().digest()
    while len(leaves) > 1:
        paired = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(leaves[::2], leaves[1::2])]
        leaves = paired + leaves[len(leaves) // 2 * 2 :]
    return leaves[0]


def main(directory):
    name, key_id, key = (directory / "public-key").read_text().strip().split("+", 2)
    key = base64.b64decode(key)
    assert key[0] == 1 and key_id == hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8]
    public = Ed25519PublicKey.from_public_bytes(key[1:])
    leaves, checkpoints = [], 0
    for path in sorted(directory.glob("*.log")):
        data = path.read_bytes()
        start, subtrees = struct.unpack(">QB", data[8:17])
        assert data[:8] == b"YKAUDIT1" and start == len(leaves) == int(path.stem), "a log without its beginning"
        at = 17 + 32 * subtrees
        while at < len(data):
            kind, length = struct.unpack(">BI", data[at : at + 5])
            content = data[at + 5 : at + 5 + length]
            at += 5 + length
            if kind == 1:
                leaves.append(hashlib.sha256(b"\0" + content).digest())
                continue
            text, signature = content.decode().split("\n\n")
            dash, signer, signature = signature.split()
            signature = base64.b64decode(signature)
            assert (dash, signer, signature[:4].hex()) == ("—", name, key_id)
            public.verify(signature[4:], text.encode() + b"\n")
            origin, size, told = text.split("\n")
            assert (origin, int(size), base64.b64decode(told)) == (name, len(leaves), root(leaves))
            checkpoints += 1
        assert kind == 2, "records follow the last checkpoint"
    print(f"{len(leaves)} records, {checkpoints} checkpoints: whole")


main(pathlib.Path(sys.argv[1]))
