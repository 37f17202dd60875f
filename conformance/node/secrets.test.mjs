// Secrets: point 16 of the conformance list.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { ACCOUNT, Kms, REGION, encode, fails } from "./sdk.mjs";

const kms = new Kms();

async function make(params) {
    const secretName = `conformance/${randomUUID()}`;
    await kms.call("CreateSecret", { secretName, versionId: "v1", secretData: "first", ...params });
    return secretName;
}

const read = async (secretName, params) =>
    (await kms.call("GetSecretValue", { secretName, ...params })).secretData;

test("life of a secret", async () => {
    const encryptionKeyId = await kms.key();
    const description = "描述 & description";
    const tags = JSON.stringify([{ TagKey: "team", TagValue: "red" }]);
    const secretName = await make({ encryptionKeyId, description, tags });
    const shown = await kms.call("DescribeSecret", { secretName, fetchTags: "true" });
    assert.equal(shown.arn, `acs:kms:${REGION}:${ACCOUNT}:secret/${secretName}`);
    assert.equal(shown.description, description);
    assert.equal(shown.encryptionKeyId, encryptionKeyId);
    assert.deepEqual(shown.tags.tag.map((tag) => tag.toMap()), [{ TagKey: "team", TagValue: "red" }]);
    await kms.call("UpdateSecret", { secretName, description: "new" });
    assert.equal((await kms.call("DescribeSecret", { secretName })).description, "new");
    const Filters = JSON.stringify([{ Key: "SecretName", Values: [secretName] }]);
    const listed = await kms.send("ListSecrets", { Filters });
    assert.deepEqual(listed.SecretList.Secret.map((secret) => secret.SecretName), [secretName]);
    await kms.call("DisableKey", { keyId: encryptionKeyId });
    await fails("Rejected.Disabled", 409, read(secretName));
    await kms.call("EnableKey", { keyId: encryptionKeyId });
    await kms.call("DeleteSecret", { secretName, recoveryWindowInDays: "7" });
    await fails("Rejected.ResourceInDeleteWindow", 409, read(secretName));
    await kms.call("RestoreSecret", { secretName });
    assert.equal(await read(secretName), "first");
    await kms.call("DeleteSecret", { secretName, forceDeleteWithoutRecovery: "true" });
    await fails("Forbidden.ResourceNotFound", 404, read(secretName));
});

test("versions and stages of a secret", async () => {
    const first = "值 +&=*~'\" first";
    const secretName = await make({ secretData: first });
    const again = kms.call("CreateSecret", { secretName, versionId: "v1", secretData: "x" });
    await fails("Rejected.ResourceExist", 409, again);
    await kms.call("PutSecretValue", { secretName, versionId: "v2", secretData: "second" });
    const versionStages = JSON.stringify(["blue"]);
    await kms.call("PutSecretValue", { secretName, versionId: "v3", secretData: "third", versionStages });
    for (const [versionStage, data] of [["ACSCurrent", "second"], ["ACSPrevious", first], ["blue", "third"]]) {
        assert.equal(await read(secretName, { versionStage }), data, versionStage);
    }
    const move = { secretName, versionStage: "ACSCurrent", moveToVersion: "v3" };
    await kms.call("UpdateSecretVersionStage", move);
    assert.equal(await read(secretName), "third");
    assert.equal(await read(secretName, { versionId: "v2" }), "second");
    const remove = { secretName, versionStage: "blue", removeFromVersion: "v3" };
    await kms.call("UpdateSecretVersionStage", remove);
    await fails("Forbidden.ResourceNotFound", 404, read(secretName, { versionStage: "blue" }));
    const listed = await kms.call("ListSecretVersionIds", { secretName, includeDeprecated: "true" });
    assert.deepEqual(listed.versionIds.versionId.map((version) => version.versionId), ["v1", "v2", "v3"]);
});

test("bytes, and passwords", async () => {
    const bytes = encode(Buffer.alloc(30_720, "bytes"));
    assert.equal(await read(await make({ secretData: bytes, secretDataType: "binary" })), bytes);
    const { randomPassword } = await kms.call("GetRandomPassword", { passwordLength: "48", excludePunctuation: "true" });
    assert.match(randomPassword, /^[A-Za-z0-9]{48}$/);
});

test("several values at once, and the policy of a secret", async () => {
    const SecretName = await make();
    const SecretsList = JSON.stringify([{ SecretName }, { SecretName: "conformance/none" }]);
    const { SecretValues, Errors } = await kms.send("BatchGetSecretValue", { SecretsList });
    assert.deepEqual(SecretValues.map((value) => value.SecretData), ["first"]);
    assert.deepEqual(Errors.map((error) => error.Code), ["Forbidden.ResourceNotFound"]);
    const statement = { Effect: "Deny", Principal: "*", Action: "*", Resource: "*" };
    const Policy = JSON.stringify({ Version: "1", Statement: [statement] });
    await kms.send("SetSecretPolicy", { SecretName, Policy });
    assert.equal((await kms.send("GetSecretPolicy", { SecretName })).Policy, Policy);
});
