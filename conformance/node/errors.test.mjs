// Errors: point 9 of the conformance list. Those that need a key in some state are with the life of a key.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { Kms, SECRET, decode, encode, fails } from "./sdk.mjs";

const kms = new Kms();
const key = await kms.key();

test("unknown key", () => fails("Forbidden.KeyNotFound", 404, kms.describe(randomUUID())));

test("unknown alias", () => fails("Forbidden.AliasNotFound", 404, kms.encrypt(`alias/${randomUUID()}`, "hi")));

test("unknown version", async () => {
    const version = { keyId: key, keyVersionId: randomUUID() };
    await fails("Forbidden.KeyVersionNotFound", 404, kms.call("DescribeKeyVersion", version));
});

test("duplicate alias, and an alias where an id is needed", async () => {
    const alias = { aliasName: `alias/${randomUUID()}`, keyId: key };
    await kms.call("CreateAlias", alias);
    await fails("AliasAlreadyExists", 400, kms.call("CreateAlias", alias));
    await fails("Unsupported.Alias", 400, kms.call("DisableKey", { keyId: alias.aliasName }));
});

test("damaged ciphertext", async () => {
    const blob = decode(await kms.encrypt(key, "hi"));
    blob[blob.length - 1] ^= 1;
    assert.match(await fails("InvalidParameter", 400, kms.decrypt(encode(blob))), /CiphertextBlob/);
});

test("oversized plaintext", async () => {
    assert.match(await fails("InvalidParameter", 400, kms.encrypt(key, Buffer.alloc(6145))), /Plaintext/);
});

test("a window of deletion that is too short", async () => {
    const deleting = kms.call("ScheduleKeyDeletion", { keyId: key, pendingWindowInDays: 6 });
    assert.match(await fails("InvalidParameter", 400, deleting), /PendingWindowInDays/);
});

test("what is not there", async () => {
    await fails("Unsupported.ProtectionLevel", 400, kms.key({ protectionLevel: "HSM", keySpec: "EC_SM2" }));
    const certificate = { KeySpec: "RSA_2048", Subject: "CN=example" };
    await fails("UnsupportedOperation", 400, kms.send("CreateCertificate", certificate));
});

test("dry run", async () => {
    const dry = (KeyId) => kms.send("Encrypt", { KeyId, Plaintext: encode("hi"), DryRun: "true" });
    await fails("DryRunOperationError", 412, dry(key));
    await fails("ValidationError", 400, dry(randomUUID()));
});

test("credentials", async () => {
    const calling = (...credentials) => new Kms(...credentials).call("DescribeRegions");
    await fails("SignatureDoesNotMatch", 400, calling(undefined, "wrong"));
    await fails("InvalidAccessKeyId.NotFound", 404, calling("nobody", SECRET));
});
