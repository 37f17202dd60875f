// node-vault, unchanged, against the Vault API: logins, tokens, transit, secrets, and what a token is good for.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

const vault = createRequire(import.meta.url)('node-vault');
const endpoint = process.env.YAOKU_VAULT_ADDRESS;
const client = (token, more = {}) => vault({ endpoint, token, ...more });
const ours = () => client(process.env.YAOKU_VAULT_TOKEN);
const base64 = (text) => Buffer.from(text).toString('base64');
const fails = (status) => (error) => error.response?.statusCode === status;

test('an AccessKey logs in, and its token is renewed and revoked', async () => {
    const login = client('');
    assert.equal((await login.health()).sealed, false);
    const role = { role_id: process.env.YAOKU_ACCESS_KEY_ID, secret_id: process.env.YAOKU_ACCESS_KEY_SECRET };
    assert.equal((await login.approleLogin(role)).auth.lease_duration, 3600);
    assert.equal((await login.tokenLookupSelf()).data.display_name, 'root');
    assert.equal((await login.tokenRenewSelf({ increment: '30m' })).auth.lease_duration, 1800);
    await login.tokenRevokeSelf();
    await assert.rejects(login.tokenLookupSelf(), fails(403));
    await assert.rejects(client('').approleLogin({ ...role, secret_id: 'wrong' }), fails(400));
    await assert.rejects(ours().tokenLookupAccessor({ accessor: 'x' }), fails(400));
});

test('keys are made and listed, and encrypt', async () => {
    const [name, transit] = [randomUUID() + '-node', ours()];
    await transit.transitCreateKey({ name });
    assert.equal((await transit.transitReadKey({ name })).data.latest_version, 1);
    for (const lister of [transit, client(process.env.YAOKU_VAULT_TOKEN, { noCustomHTTPVerbs: true })]) {
        assert.ok((await lister.list('transit/keys')).data.keys.includes(name));
    }
    const { ciphertext } = (await transit.encryptData({ name, plaintext: base64('hello') })).data;
    await transit.write(`transit/keys/${name}/rotate`, {});
    const rewrapped = (await transit.rewrapData({ name, ciphertext })).data.ciphertext;
    assert.match(rewrapped, /^vault:v2:/);
    for (const sealed of [ciphertext, rewrapped]) {
        assert.equal((await transit.decryptData({ name, ciphertext: sealed })).data.plaintext, base64('hello'));
    }
    await assert.rejects(transit.decryptData({ name: 'none', ciphertext }), fails(400));
    await assert.rejects(transit.transitReadKey({ name: 'none' }), fails(404));
    await assert.rejects(client('wrong').decryptData({ name, ciphertext }), fails(403));
    await assert.rejects(transit.transitDeleteKey({ name }), fails(400));
});

test('secrets are written, read, listed, and destroyed', async () => {
    const [path, kv] = [`node/${randomUUID()}`, ours()];
    await kv.write(`secret/data/${path}`, { data: { password: 'one' }, options: { cas: 0 } });
    await assert.rejects(kv.write(`secret/data/${path}`, { data: {}, options: { cas: 0 } }), (error) =>
        fails(400)(error) && error.message === 'check-and-set parameter did not match the current version');
    await kv.write(`secret/data/${path}`, { data: { password: '二' } });
    const read = (await kv.read(`secret/data/${path}`)).data;
    assert.deepEqual([read.data, read.metadata.version], [{ password: '二' }, 2]);
    assert.deepEqual((await kv.read(`secret/data/${path}?version=1`)).data.data, { password: 'one' });
    assert.deepEqual((await kv.list('secret/metadata/node')).data.keys, [path.slice('node/'.length)]);
    await kv.destroySecretVersions({ path, versions: [1] });
    await assert.rejects(kv.read(`secret/data/${path}?version=1`), (error) =>
        fails(404)(error) && error.response.body.data.metadata.destroyed);
    await kv.delete(`secret/metadata/${path}`);
    await assert.rejects(kv.read(`secret/data/${path}`), fails(404));
});

test('a token knows what it is good for', async () => {
    const paths = ['secret/data/x', 'transit/export/encryption-key/x'];
    const told = (await ours().write('sys/capabilities-self', { paths })).data;
    assert.deepEqual(paths.map((path) => told[path]), [['create', 'delete', 'read', 'update'], ['deny']]);
});
