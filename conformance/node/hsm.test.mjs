// Keys of protection level HSM: point 15 of the conformance list. The server has a token of SoftHSM2.

import assert from "node:assert/strict";
import { constants, createHash, createPublicKey, publicEncrypt, randomBytes, verify } from "node:crypto";
import { test } from "node:test";

import { Kms, context, decode, encode, fails } from "./sdk.mjs";

const MESSAGE = Buffer.from("签名 & message");
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING };
const kms = new Kms();
const options = { skip: process.env.YAOKU_HSM ? false : "SoftHSM2 is not installed" };
const hsm = (params) => kms.key({ protectionLevel: "HSM", ...params });

async function pair(keySpec, keyUsage) {
    const keyId = await hsm({ keySpec, keyUsage });
    const { keyVersions } = await kms.call("ListKeyVersions", { keyId, pageNumber: 1, pageSize: 10 });
    const ids = { keyId, keyVersionId: keyVersions.keyVersion[0].keyVersionId };
    return { ids, key: createPublicKey((await kms.call("GetPublicKey", ids)).publicKey) };
}

test("HSM: encryption over versions", options, async () => {
    const keyId = await hsm();
    assert.equal((await kms.describe(keyId)).protectionLevel, "HSM");
    const inContext = { encryptionContext: context({ "部门": "财务" }) };
    const blob = await kms.encrypt(keyId, MESSAGE, inContext);
    await kms.call("CreateKeyVersion", { keyId });
    assert.deepEqual(await kms.decrypt(blob, inContext), MESSAGE);
    assert.deepEqual(await kms.decrypt(await kms.encrypt(keyId, MESSAGE)), MESSAGE);
    assert.match(await fails("InvalidParameter", 400, kms.decrypt(blob)), /CiphertextBlob/);
    const made = await kms.call("GenerateDataKey", { keyId });
    assert.deepEqual(await kms.decrypt(made.ciphertextBlob), decode(made.plaintext));
});

test("HSM: signatures", options, async () => {
    const digest = encode(createHash("sha256").update(MESSAGE).digest());
    for (const [spec, algorithm, padding] of [
        ["RSA_2048", "RSA_PSS_SHA_256", { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }],
        ["RSA_2048", "RSA_PKCS1_SHA_256", { padding: constants.RSA_PKCS1_PADDING }],
        ["EC_P256", "ECDSA_SHA_256", {}],
        ["EC_P256K", "ECDSA_SHA_256", {}],
    ]) {
        const { ids, key } = await pair(spec, "SIGN/VERIFY");
        const { value } = await kms.call("AsymmetricSign", { ...ids, algorithm, digest });
        assert.equal(verify("sha256", MESSAGE, { key, ...padding }, decode(value)), true, algorithm);
        assert.equal((await kms.call("AsymmetricVerify", { ...ids, algorithm, digest, value })).value, true);
    }
});

test("HSM: decryption with RSA", options, async () => {
    const { ids, key } = await pair("RSA_2048", "ENCRYPT/DECRYPT");
    // The one hash of RSAES-OAEP that every version of SoftHSM2 knows.
    const ciphertextBlob = encode(publicEncrypt({ key, oaepHash: "sha1", ...OAEP }, MESSAGE));
    const sealed = { ...ids, algorithm: "RSAES_OAEP_SHA_1", ciphertextBlob };
    assert.deepEqual(decode((await kms.call("AsymmetricDecrypt", sealed)).plaintext), MESSAGE);
});

test("HSM: message authentication codes", options, async () => {
    const KeyId = await hsm({ keySpec: "HMAC_SHA256", keyUsage: "GENERATE/VERIFY_MAC" });
    const request = { KeyId, Algorithm: "HMAC_SHA_256", Message: encode(MESSAGE) };
    const { Mac } = await kms.send("GenerateMac", request);
    assert.equal((await kms.send("VerifyMac", { ...request, Mac })).Value, true);
    assert.equal((await kms.send("VerifyMac", { ...request, Mac, Message: encode("x") })).Value, false);
});

test("HSM: imported material", options, async () => {
    const keyId = await hsm({ origin: "EXTERNAL" });
    const wanted = { keyId, wrappingAlgorithm: "RSAES_OAEP_SHA_1", wrappingKeySpec: "RSA_2048" };
    const { importToken, publicKey } = await kms.call("GetParametersForImport", wanted);
    const key = createPublicKey({ key: decode(publicKey), format: "der", type: "spki" });
    const importing = (material) => {
        const encryptedKeyMaterial = encode(publicEncrypt({ key, oaepHash: "sha1", ...OAEP }, material));
        return kms.call("ImportKeyMaterial", { keyId, importToken, encryptedKeyMaterial });
    };
    const material = randomBytes(32);
    await importing(material);
    const blob = await kms.encrypt(keyId, MESSAGE);
    await kms.call("DeleteKeyMaterial", { keyId });
    await fails("Rejected.PendingImport", 409, kms.decrypt(blob));
    await fails("InvalidKeyMaterial", 400, importing(randomBytes(32)));
    await importing(material);
    assert.deepEqual(await kms.decrypt(blob), MESSAGE);
});

test("HSM: what no token holds", options, async () => {
    for (const keySpec of ["EC_SM2", "Aliyun_SM4", "HMAC_SM3", "ML_DSA_44"]) {
        await fails("Unsupported.ProtectionLevel", 400, hsm({ keySpec }));
    }
});
