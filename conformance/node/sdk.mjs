// The SDK behind a small face, so that a scenario reads as a list of calls.
//
// The newest SDK on npm is older than its siblings in other languages and has no type for some actions and parameters.
// `call` uses the SDK's types wherever there are some; `send` serves the rest by the SDK's own untyped request.

import assert from "node:assert/strict";

import models from "@alicloud/kms20160120";
import rpc from "@alicloud/rpc-client";
import tea from "@alicloud/tea-typescript";

export const {
    YAOKU_ENDPOINT: ENDPOINT,
    YAOKU_ACCESS_KEY_ID: ACCESS_KEY_ID,
    YAOKU_ACCESS_KEY_SECRET: SECRET,
    YAOKU_REGION: REGION,
    YAOKU_ACCOUNT_ID: ACCOUNT,
} = process.env;

// The SDK throws this class, but exports only the function that makes one.
const ResponseError = tea.newError({}).constructor;

export const encode = (bytes) => Buffer.from(bytes).toString("base64");
export const decode = (text) => Buffer.from(text, "base64");

// An encryption context goes over the wire as JSON. The request type declares a map, and sends each of its entries as a
// parameter of its own (`EncryptionContext.name=value`); it passes text on as it is.
export const context = (map) => JSON.stringify(map);

export class Kms {
    constructor(accessKeyId = ACCESS_KEY_ID, accessKeySecret = SECRET) {
        const config = { accessKeyId, accessKeySecret, endpoint: ENDPOINT, protocol: "http", regionId: REGION };
        this.client = new models.default(new rpc.Config(config));
    }

    // Parameters and answer are named as in the SDK's types: keyId. A type drops unknown names, hence the check.
    async call(action, params = {}) {
        const Request = models[`${action}Request`];
        for (const name of Object.keys(params)) {
            assert.ok(name in Request.names(), `${action}Request has no ${name}`);
        }
        return this.client[action[0].toLowerCase() + action.slice(1)](new Request(params));
    }

    // Parameters and answer are named as on the wire: KeyId.
    async send(action, params = {}) {
        return this.client.doRequest(action, "HTTP", "POST", "2016-01-20", "AK", params, null, {});
    }

    async key(params) {
        return (await this.call("CreateKey", params)).keyMetadata.keyId;
    }

    async describe(keyId) {
        return (await this.call("DescribeKey", { keyId })).keyMetadata;
    }

    async encrypt(keyId, plaintext, params) {
        return (await this.call("Encrypt", { keyId, plaintext: encode(plaintext), ...params })).ciphertextBlob;
    }

    async decrypt(ciphertextBlob, params) {
        return decode((await this.call("Decrypt", { ciphertextBlob, ...params })).plaintext);
    }
}

// Waits for a call to fail with the SDK's exception, and gives the server's message.
export async function fails(code, status, calling) {
    const error = await calling.then(() => assert.fail(`no ${code}`), (raised) => raised);
    assert.ok(error instanceof ResponseError, error);
    const { Code, Message, RequestId } = error.data;
    assert.equal(Code, code, Message);
    assert.ok(Message, `${code}: no message`);
    assert.equal(RequestId.length, 36, `${code}: request id ${RequestId}`);
    // The SDK appends "Error" to every code, and tells the HTTP status only in its text.
    assert.equal(error.code, `${code}Error`);
    assert.equal(error.message, `${code}Error: code: ${status}, ${Message} requestid: ${RequestId}`);
    return Message;
}
