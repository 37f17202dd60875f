// Key life, versions, aliases, tags, paging and the account: points 1, 2, 5, 6, 7 and 8 of the conformance list.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { ACCOUNT, Kms, REGION, fails } from "./sdk.mjs";

const kms = new Kms();
const maps = (list) => list.map((item) => item.toMap());
const disabling = (keyId) => kms.call("DisableKey", { keyId });
const encrypting = (keyId) => kms.encrypt(keyId, "hi");
const deleting = (keyId) => kms.call("ScheduleKeyDeletion", { keyId, pendingWindowInDays: 7 });

test("key life", async () => {
    const description = "描述 & description";
    const key = await kms.key({ description, enableAutomaticRotation: true, rotationInterval: "365d" });
    const shown = await kms.describe(key);
    const expected = {
        keyState: "Enabled",
        keyUsage: "ENCRYPT/DECRYPT",
        keySpec: "Aliyun_AES_256",
        protectionLevel: "SOFTWARE",
        origin: "Aliyun_KMS",
        rotationInterval: "31536000s",
        automaticRotation: "Enabled",
        description,
        arn: `acs:kms:${REGION}:${ACCOUNT}:key/${key}`,
        creator: ACCOUNT,
    };
    assert.deepEqual({ ...shown, ...expected }, { ...shown });
    assert.ok(shown.primaryKeyVersion);
    assert.match(shown.nextRotationDate, /Z$/);
    await kms.call("UpdateKeyDescription", { keyId: key, description: "new" });
    assert.equal((await kms.describe(key)).description, "new");
    await disabling(key);
    assert.equal((await kms.describe(key)).automaticRotation, "Suspended");
    await fails("Rejected.Disabled", 409, encrypting(key));
    await kms.call("EnableKey", { keyId: key });
    assert.ok(await encrypting(key));
});

test("deletion and its protection", async () => {
    const key = await kms.key();
    const { arn: ProtectedResourceArn } = await kms.describe(key);
    const protect = (on) => kms.send("SetDeletionProtection", { ProtectedResourceArn, EnableDeletionProtection: on });
    const protection = async () => (await kms.send("DescribeKey", { KeyId: key })).KeyMetadata.DeletionProtection;
    assert.equal(await protection(), "Disabled");
    await protect(true);
    assert.equal(await protection(), "Enabled");
    await fails("Rejected.StateModifiedFailed", 409, deleting(key));
    await protect(false);
    await deleting(key);
    const shown = await kms.describe(key);
    assert.equal(shown.keyState, "PendingDeletion");
    assert.match(shown.deleteDate, /Z$/);
    await fails("Rejected.PendingDeletion", 409, encrypting(key));
    await fails("Rejected.StateModifiedFailed", 409, deleting(key));
    await kms.call("CancelKeyDeletion", { keyId: key });
    assert.equal((await kms.describe(key)).keyState, "Enabled");
});

test("key specs and origin", async () => {
    for (const keySpec of ["Aliyun_AES_192", "Aliyun_AES_128"]) {
        const key = await kms.key({ keySpec });
        assert.equal((await kms.describe(key)).keySpec, keySpec);
        assert.equal(String(await kms.decrypt(await encrypting(key))), "hi");
    }
    const external = await kms.key({ origin: "EXTERNAL" });
    assert.equal((await kms.describe(external)).keyState, "PendingImport");
});

test("versions", async () => {
    const key = await kms.key();
    const { primaryKeyVersion: first } = await kms.describe(key);
    const old = await kms.encrypt(key, "old");
    const { keyVersionId: second } = (await kms.call("CreateKeyVersion", { keyId: key })).keyVersion;
    assert.notEqual(second, first);
    assert.equal((await kms.describe(key)).primaryKeyVersion, second);
    assert.equal(String(await kms.decrypt(old)), "old");
    const listed = await kms.call("ListKeyVersions", { keyId: key, pageNumber: 1, pageSize: 10 });
    assert.deepEqual(listed.keyVersions.keyVersion.map((version) => version.keyVersionId), [first, second]);
    assert.equal(listed.totalCount, 2);
    const described = (await kms.call("DescribeKeyVersion", { keyId: key, keyVersionId: first })).keyVersion;
    assert.deepEqual([described.keyId, described.keyVersionId], [key, first]);
});

test("rotation policy", async () => {
    const key = await kms.key();
    await kms.call("UpdateRotationPolicy", { keyId: key, enableAutomaticRotation: true, rotationInterval: "30d" });
    assert.equal((await kms.describe(key)).rotationInterval, "2592000s");
    await kms.call("UpdateRotationPolicy", { keyId: key, enableAutomaticRotation: false });
    assert.equal((await kms.describe(key)).automaticRotation, "Disabled");
});

test("aliases", async () => {
    const [key, other, aliasName] = [await kms.key(), await kms.key(), `alias/${randomUUID()}`];
    const aliasArn = `acs:kms:${REGION}:${ACCOUNT}:${aliasName}`;
    await kms.call("CreateAlias", { aliasName, keyId: key });
    for (const name of [aliasName, aliasArn]) {
        assert.equal(String(await kms.decrypt(await encrypting(name))), "hi");
        assert.equal((await kms.describe(name)).keyId, key);
    }
    const expected = [{ KeyId: key, AliasName: aliasName, AliasArn: aliasArn }];
    const ofKey = await kms.call("ListAliasesByKeyId", { keyId: key, pageNumber: 1, pageSize: 10 });
    assert.deepEqual(maps(ofKey.aliases.alias), expected);
    await kms.call("UpdateAlias", { aliasName, keyId: other });
    assert.equal((await kms.describe(aliasName)).keyId, other);
    await kms.call("DeleteAlias", { aliasName });
    await fails("Forbidden.AliasNotFound", 404, kms.describe(aliasName));
});

test("tags of one key", async () => {
    const mark = randomUUID();
    const made = await kms.send("CreateKey", { Tags: JSON.stringify([{ TagKey: "team", TagValue: "red" }]) });
    const keyId = made.KeyMetadata.KeyId;
    const tags = async () => maps((await kms.call("ListResourceTags", { keyId })).tags.tag);
    const team = { KeyId: keyId, TagKey: "team", TagValue: "red" };
    const project = { KeyId: keyId, TagKey: "项目", TagValue: mark };
    assert.deepEqual(await tags(), [team]);
    await kms.call("TagResource", { keyId, tags: JSON.stringify([{ TagKey: "项目", TagValue: mark }]) });
    assert.deepEqual(await tags(), [team, project]);
    await kms.call("UntagResource", { keyId, tagKeys: JSON.stringify(["team"]) });
    assert.deepEqual(await tags(), [project]);
});

test("tags of several keys, and keys by tag and state", async () => {
    const [key, other, mark] = [await kms.key(), await kms.key(), randomUUID()];
    const both = { RegionId: REGION, ResourceType: "key", ResourceId: [key, other] };
    const tagged = async () => (await kms.send("ListTagResources", both)).TagResources.TagResource;
    const found = async (filters) => {
        const { Keys } = await kms.send("ListKeys", { Filters: JSON.stringify(filters) });
        return Keys.Key.map((item) => item.KeyId);
    };
    await kms.send("TagResources", { ...both, Tag: [{ Key: "项目", Value: mark }] });
    const listed = (await tagged()).map((tag) => [tag.ResourceId, tag.TagKey, tag.TagValue]);
    assert.deepEqual(listed.sort(), [key, other].sort().map((id) => [id, "项目", mark]));
    const byTag = [{ Key: "TagKey", Values: ["项目"] }, { Key: "TagValue", Values: [mark] }];
    assert.deepEqual((await found(byTag)).sort(), [key, other].sort());
    await disabling(other);
    assert.deepEqual(await found([...byTag, { Key: "KeyState", Values: ["Disabled"] }]), [other]);
    await kms.send("UntagResources", { ...both, TagKey: ["项目"] });
    assert.deepEqual(await tagged(), []);
});

// What is on all pages up to the first empty one.
async function pages(action, pageSize, items) {
    const all = [];
    for (let pageNumber = 1; ; pageNumber += 1) {
        const page = await kms.call(action, { pageNumber, pageSize });
        assert.deepEqual([page.pageNumber, page.pageSize], [pageNumber, pageSize]);
        const found = items(page);
        if (found.length === 0) {
            const distinct = new Set(all);
            assert.deepEqual([all.length, distinct.size], [page.totalCount, page.totalCount], `${action}: each once`);
            return distinct;
        }
        all.push(...found);
    }
}

test("paging over 250 keys", async () => {
    const made = [];
    while (made.length < 250) made.push(await kms.key());
    const found = await pages("ListKeys", 100, (page) => page.keys.key.map((key) => key.keyId));
    assert.deepEqual(made.filter((key) => !found.has(key)), []);
});

test("paging over aliases", async () => {
    const [keyId, mark] = [await kms.key(), randomUUID()];
    const made = Array.from({ length: 25 }, (_, n) => `alias/${mark}/${n}`);
    for (const aliasName of made) await kms.call("CreateAlias", { aliasName, keyId });
    const found = await pages("ListAliases", 10, (page) => page.aliases.alias.map((alias) => alias.aliasName));
    assert.deepEqual(made.filter((alias) => !found.has(alias)), []);
});

test("account", async () => {
    assert.deepEqual(maps((await kms.call("DescribeRegions")).regions.region), [{ RegionId: REGION }]);
    assert.equal((await kms.send("DescribeAccountKmsStatus")).AccountStatus, "Enabled");
    await fails("Forbidden.Opened", 400, kms.send("OpenKmsService"));
});
