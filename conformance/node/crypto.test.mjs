// Encryption with context, and data keys: points 3 and 4 of the conformance list.

import assert from "node:assert/strict";
import { constants, generateKeyPairSync, privateDecrypt, randomBytes } from "node:crypto";
import { test } from "node:test";

import { Kms, context, decode, fails } from "./sdk.mjs";

const CONTEXT = { "部门": "财务 + 审计", "a b": "*~&=", quote: "\"'\\" };
const kms = new Kms();
const key = await kms.key();
const inContext = (map) => ({ encryptionContext: context(map) });

test("encryption context", async () => {
    const blob = await kms.encrypt(key, "text", inContext(CONTEXT));
    for (const same of [CONTEXT, Object.fromEntries(Object.entries(CONTEXT).reverse())]) {
        assert.equal(String(await kms.decrypt(blob, inContext(same))), "text");
    }
    for (const other of [inContext({ ...CONTEXT, more: "1" }), inContext({ "a b": "*~&=" }), {}]) {
        assert.match(await fails("InvalidParameter", 400, kms.decrypt(blob, other)), /CiphertextBlob/);
    }
});

test("encryption context as the map that the request type declares", async () => {
    const blob = await kms.encrypt(key, "text", { encryptionContext: CONTEXT });
    assert.equal(String(await kms.decrypt(blob, { encryptionContext: CONTEXT })), "text");
    assert.equal(String(await kms.decrypt(blob, inContext(CONTEXT))), "text");
    for (const other of [{ encryptionContext: { ...CONTEXT, more: "1" } }, {}]) {
        assert.match(await fails("InvalidParameter", 400, kms.decrypt(blob, other)), /CiphertextBlob/);
    }
});

test("largest plaintext", async () => {
    const text = randomBytes(6144);
    assert.deepEqual(await kms.decrypt(await kms.encrypt(key, text)), text);
});

test("re-encryption to another key and context", async () => {
    const other = await kms.key();
    const moved = await kms.send("ReEncrypt", {
        CiphertextBlob: await kms.encrypt(key, "text", inContext({ from: "1" })),
        SourceEncryptionContext: context({ from: "1" }),
        DestinationKeyId: other,
        DestinationEncryptionContext: context({ to: "2" }),
    });
    assert.equal(moved.KeyId, other);
    assert.equal(String(await kms.decrypt(moved.CiphertextBlob, inContext({ to: "2" }))), "text");
});

test("data keys", async () => {
    const specs = [[{}, 32], [{ keySpec: "AES_256" }, 32], [{ keySpec: "AES_128" }, 16]];
    for (const [size, length] of [...specs, [{ numberOfBytes: 1024 }, 1024]]) {
        const made = await kms.call("GenerateDataKey", { keyId: key, ...size, ...inContext(CONTEXT) });
        const plaintext = decode(made.plaintext);
        assert.equal(plaintext.length, length);
        assert.deepEqual(await kms.decrypt(made.ciphertextBlob, inContext(CONTEXT)), plaintext);
        const hidden = await kms.call("GenerateDataKeyWithoutPlaintext", { keyId: key, ...size });
        assert.equal((await kms.decrypt(hidden.ciphertextBlob)).length, length);
    }
    // The response type would not show a plaintext, so look at the wire.
    assert.ok(!("Plaintext" in await kms.send("GenerateDataKeyWithoutPlaintext", { KeyId: key })));
});

test("exported data keys", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const target = {
        PublicKeyBlob: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
        WrappingKeySpec: "RSA_2048",
        WrappingAlgorithm: "RSAES_OAEP_SHA_256",
    };
    const oaep = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
    const made = await kms.send("GenerateAndExportDataKey", { KeyId: key, ...target });
    const exported = await kms.send("ExportDataKey", { CiphertextBlob: made.CiphertextBlob, ...target });
    const plaintext = await kms.decrypt(made.CiphertextBlob);
    for (const { ExportedDataKey } of [made, exported]) {
        assert.deepEqual(privateDecrypt(oaep, decode(ExportedDataKey)), plaintext);
    }
});
