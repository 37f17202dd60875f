// Key pairs, other specs and imported keys: points 10, 11 and 12 of the conformance list.
//
// What the client verifies and encrypts, it does with node:crypto and the PEM of GetPublicKey alone.

import assert from "node:assert/strict";
import { constants, createHash, createPublicKey, publicEncrypt, randomBytes, verify } from "node:crypto";
import { test } from "node:test";

import { Kms, context, decode, encode, fails } from "./sdk.mjs";

const MESSAGE = Buffer.from("签名 & message");
const SIGN = "SIGN/VERIFY";
const ENCRYPT = "ENCRYPT/DECRYPT";
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING };
const kms = new Kms();

// a, b, and the base point's x and y (GB/T 32918.5).
const SM2_CURVE = Buffer.from(
    "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC" +
    "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93" +
    "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7" +
    "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0",
    "hex",
);

const sm3 = (...parts) => createHash("sm3").update(Buffer.concat(parts)).digest();
const digestOf = (message) => createHash("sha256").update(message).digest();

// A damaged copy: another value of the same length.
function damaged(bytes) {
    const copy = Buffer.from(bytes);
    copy[copy.length - 1] ^= 1;
    return copy;
}

// One version of a key.
class Version {
    static async of(keySpec, keyUsage) {
        const keyId = await kms.key({ keySpec, keyUsage });
        const { keyVersions } = await kms.call("ListKeyVersions", { keyId, pageNumber: 1, pageSize: 10 });
        return new Version(keyId, keyVersions.keyVersion[0].keyVersionId);
    }

    constructor(keyId, keyVersionId) {
        this.ids = { keyId, keyVersionId };
    }

    async call(action, params) {
        const answer = await kms.call(action, { ...this.ids, ...params });
        assert.deepEqual({ ...answer, ...this.ids }, { ...answer }, `${action}: of this version`);
        return answer;
    }

    // The client's whole knowledge of the key.
    async publicKey() {
        return createPublicKey((await this.call("GetPublicKey")).publicKey);
    }

    // Signs; the server says true of the signature, and false of anything else.
    async sign(algorithm, digest) {
        const { value } = await this.call("AsymmetricSign", { algorithm, digest: encode(digest) });
        const verified = async (signed, signature) => {
            const params = { algorithm, digest: encode(signed), value: encode(signature) };
            return (await this.call("AsymmetricVerify", params)).value;
        };
        const signature = decode(value);
        assert.equal(await verified(digest, signature), true);
        assert.equal(await verified(damaged(digest), signature), false);
        assert.equal(await verified(digest, damaged(signature)), false);
        return signature;
    }

    async encrypt(algorithm, plaintext) {
        const params = { algorithm, plaintext: encode(plaintext) };
        return decode((await this.call("AsymmetricEncrypt", params)).ciphertextBlob);
    }

    async decrypt(algorithm, ciphertext) {
        const params = { algorithm, ciphertextBlob: encode(ciphertext) };
        return decode((await this.call("AsymmetricDecrypt", params)).plaintext);
    }
}

async function signs(keySpec, algorithm, options) {
    const pair = await Version.of(keySpec, SIGN);
    const key = { key: await pair.publicKey(), ...options };
    const signature = await pair.sign(algorithm, digestOf(MESSAGE));
    assert.equal(verify("sha256", MESSAGE, key, signature), true);
    assert.equal(verify("sha256", damaged(MESSAGE), key, signature), false);
}

test("signatures of RSA", async () => {
    await signs("RSA_2048", "RSA_PSS_SHA_256", { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    await signs("RSA_2048", "RSA_PKCS1_SHA_256", { padding: constants.RSA_PKCS1_PADDING });
});

test("signatures of ECDSA", async () => {
    for (const keySpec of ["EC_P256", "EC_P256K"]) await signs(keySpec, "ECDSA_SHA_256");
});

test("signatures of SM2", async () => {
    const pair = await Version.of("EC_SM2", SIGN);
    const key = await pair.publicKey();
    // e = SM3(Z || M), where Z is the hash of the signer's id, the curve and the public key (GB/T 32918.2, 5.5). Unless
    // told, OpenSSL takes the id to be empty, of 0 bits, and node:crypto has no way to tell it. The uncompressed point,
    // without its 04, ends a SubjectPublicKeyInfo.
    const point = key.export({ type: "spki", format: "der" }).subarray(-64);
    const z = sm3(Buffer.from([0, 0]), SM2_CURVE, point);
    const signature = await pair.sign("SM2DSA", sm3(z, MESSAGE));
    assert.equal(verify("sm3", MESSAGE, key, signature), true);
    assert.equal(verify("sm3", damaged(MESSAGE), key, signature), false);
});

test("signatures of ML-DSA", async () => {
    const pair = await Version.of("ML_DSA_65", SIGN);
    // The message itself is signed.
    assert.equal((await pair.sign("ML_DSA", MESSAGE)).length, 3309);
});

test("the next version of a key pair has to wait", async () => {
    const { keyId } = (await Version.of("EC_P256", SIGN)).ids;
    await fails("Rejected.LimitExceeded", 400, kms.call("CreateKeyVersion", { keyId }));
});

test("encryption with RSA", async () => {
    const pair = await Version.of("RSA_2048", ENCRYPT);
    const destination = await kms.key();
    const key = await pair.publicKey();
    for (const [algorithm, oaepHash] of [["RSAES_OAEP_SHA_256", "sha256"], ["RSAES_OAEP_SHA_1", "sha1"]]) {
        const ciphertext = publicEncrypt({ key, oaepHash, ...OAEP }, MESSAGE);
        assert.deepEqual(await pair.decrypt(algorithm, ciphertext), MESSAGE);
        assert.deepEqual(await pair.decrypt(algorithm, await pair.encrypt(algorithm, MESSAGE)), MESSAGE);
        const opening = pair.decrypt(algorithm, damaged(ciphertext));
        assert.match(await fails("InvalidParameter", 400, opening), /CiphertextBlob/);
        const moved = await kms.send("ReEncrypt", {
            CiphertextBlob: encode(ciphertext),
            SourceKeyId: pair.ids.keyId,
            SourceKeyVersionId: pair.ids.keyVersionId,
            SourceEncryptionAlgorithm: algorithm,
            DestinationKeyId: destination,
            DestinationEncryptionContext: context({ to: "2" }),
        });
        assert.equal(moved.KeyId, destination);
        const opened = await kms.decrypt(moved.CiphertextBlob, { encryptionContext: context({ to: "2" }) });
        assert.deepEqual(opened, MESSAGE);
    }
});

test("encryption with SM2", async () => {
    const pair = await Version.of("EC_SM2", ENCRYPT);
    const ciphertext = await pair.encrypt("SM2PKE", MESSAGE);
    assert.deepEqual(await pair.decrypt("SM2PKE", ciphertext), MESSAGE);
    const opening = pair.decrypt("SM2PKE", damaged(ciphertext));
    assert.match(await fails("InvalidParameter", 400, opening), /CiphertextBlob/);
});

test("SM4", async () => {
    const key = await kms.key({ keySpec: "Aliyun_SM4" });
    assert.equal((await kms.describe(key)).keySpec, "Aliyun_SM4");
    const inContext = { encryptionContext: context({ "部门": "财务" }) };
    const blob = await kms.encrypt(key, MESSAGE, inContext);
    assert.deepEqual(await kms.decrypt(blob, inContext), MESSAGE);
    assert.match(await fails("InvalidParameter", 400, kms.decrypt(blob)), /CiphertextBlob/);
});

test("message authentication codes", async () => {
    const key = await kms.key({ keySpec: "HMAC_SHA256", keyUsage: "GENERATE/VERIFY_MAC" });
    const request = { KeyId: key, Algorithm: "HMAC_SHA_256", Message: encode(MESSAGE) };
    const { Mac } = await kms.send("GenerateMac", request);
    assert.equal(decode(Mac).length, 32);
    const verified = async (params) => (await kms.send("VerifyMac", { ...request, Mac, ...params })).Value;
    assert.equal(await verified({}), true);
    assert.equal(await verified({ Message: encode(damaged(MESSAGE)) }), false);
    assert.equal(await verified({ Mac: encode(damaged(decode(Mac))) }), false);
    const otherHash = kms.send("GenerateMac", { ...request, Algorithm: "HMAC_SHA_512" });
    assert.match(await fails("InvalidParameter", 400, otherHash), /Algorithm/);
    await fails("UnsupportedOperation", 400, kms.send("GenerateMac", { ...request, KeyId: await kms.key() }));
});

// An external key, and how to import into it.
async function external(wrappingAlgorithm, padding) {
    const keyId = await kms.key({ origin: "EXTERNAL" });
    const wanted = { keyId, wrappingAlgorithm, wrappingKeySpec: "RSA_2048" };
    const { importToken, publicKey, tokenExpireTime } = await kms.call("GetParametersForImport", wanted);
    assert.match(tokenExpireTime, /Z$/);
    const key = createPublicKey({ key: decode(publicKey), format: "der", type: "spki" });
    const importing = (material, params) => {
        const encryptedKeyMaterial = encode(publicEncrypt({ key, ...padding }, material));
        return kms.call("ImportKeyMaterial", { keyId, importToken, encryptedKeyMaterial, ...params });
    };
    return { keyId, importing, state: async () => (await kms.describe(keyId)).keyState };
}

const WRAPPINGS = [
    ["RSAES_OAEP_SHA_256", { ...OAEP, oaepHash: "sha256" }],
    ["RSAES_OAEP_SHA_1", { ...OAEP, oaepHash: "sha1" }],
    ["RSAES_PKCS1_V1_5", { padding: constants.RSA_PKCS1_PADDING }],
];

for (const [algorithm, padding] of WRAPPINGS) {
    test(`imported material, wrapped with ${algorithm}`, async () => {
        const { keyId, importing, state } = await external(algorithm, padding);
        const material = randomBytes(32);
        assert.equal(await state(), "PendingImport");
        await fails("Rejected.PendingImport", 409, kms.encrypt(keyId, MESSAGE));
        await importing(material);
        assert.equal(await state(), "Enabled");
        const blob = await kms.encrypt(keyId, MESSAGE);
        await kms.call("DeleteKeyMaterial", { keyId });
        assert.equal(await state(), "PendingImport");
        await fails("Rejected.PendingImport", 409, kms.decrypt(blob));
        await fails("InvalidKeyMaterial", 400, importing(randomBytes(32)));
        await fails("InvalidKeyMaterial", 400, importing(material.subarray(1)));
        assert.equal(await state(), "PendingImport");
        await importing(material);
        assert.equal(await state(), "Enabled");
        assert.deepEqual(await kms.decrypt(blob), MESSAGE);
    });
}

test("imported material for a time", async () => {
    const { keyId, importing } = await external(...WRAPPINGS[0]);
    const [material, now] = [randomBytes(32), Math.floor(Date.now() / 1000)];
    const end = async () => (await kms.describe(keyId)).materialExpireTime;
    const past = importing(material, { keyMaterialExpireUnix: now - 1 });
    assert.match(await fails("InvalidParameter", 400, past), /KeyMaterialExpireUnix/);
    await importing(material, { keyMaterialExpireUnix: now + 86400 });
    assert.equal(await end(), new Date((now + 86400) * 1000).toISOString().replace(".000Z", "Z"));
    await importing(material, { keyMaterialExpireUnix: 0 });
    assert.ok(!await end());
});

test("import into another key, or into one with material of the server's own", async () => {
    const { importing } = await external(...WRAPPINGS[0]);
    const { keyId, state } = await external(...WRAPPINGS[0]);
    await fails("InvalidImportToken", 400, importing(randomBytes(32), { keyId }));
    assert.equal(await state(), "PendingImport");
    const own = { keyId: await kms.key(), wrappingAlgorithm: "RSAES_OAEP_SHA_256", wrappingKeySpec: "RSA_2048" };
    await fails("Unsupported.Origin", 400, kms.call("GetParametersForImport", own));
    await fails("Unsupported.Origin", 400, importing(randomBytes(32), { keyId: own.keyId }));
    await fails("Unsupported.Origin", 400, kms.call("DeleteKeyMaterial", { keyId: own.keyId }));
});

test("wrong pairings of spec, usage, algorithm and length", async () => {
    const digest = encode(digestOf(MESSAGE));
    const [rsa, ec] = [await Version.of("RSA_2048", ENCRYPT), await Version.of("EC_P256", SIGN)];
    const signing = (pair, params) => pair.call("AsymmetricSign", { algorithm: "ECDSA_SHA_256", digest, ...params });
    assert.match(await fails("InvalidParameter", 400, signing(ec, { digest: encode("hi") })), /Digest/);
    for (const algorithm of ["RSA_PSS_SHA_256", "SM2DSA"]) {
        assert.match(await fails("InvalidParameter", 400, signing(ec, { algorithm })), /Algorithm/);
    }
    assert.match(await fails("InvalidParameter", 400, rsa.encrypt("SM2PKE", MESSAGE)), /Algorithm/);
    const tooLong = rsa.encrypt("RSAES_OAEP_SHA_256", Buffer.alloc(191));
    assert.match(await fails("InvalidParameter", 400, tooLong), /Plaintext/);
    // Usage.
    await fails("UnsupportedOperation", 400, signing(rsa, { algorithm: "RSA_PSS_SHA_256" }));
    await fails("UnsupportedOperation", 400, ec.encrypt("RSAES_OAEP_SHA_256", MESSAGE));
    // Key pairs where symmetric keys belong, and the reverse.
    await fails("UnsupportedOperation", 400, kms.encrypt(rsa.ids.keyId, MESSAGE));
    const aes = await Version.of();
    await fails("UnsupportedOperation", 400, signing(aes));
    await fails("UnsupportedOperation", 400, aes.call("GetPublicKey"));
    // What no key can be.
    assert.match(await fails("InvalidParameter", 400, kms.key({ keySpec: "EC_P256", keyUsage: ENCRYPT })), /KeyUsage/);
});
