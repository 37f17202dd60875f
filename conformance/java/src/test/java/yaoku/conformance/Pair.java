package yaoku.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static yaoku.conformance.Kms.bytes;
import static yaoku.conformance.Kms.decode;
import static yaoku.conformance.Kms.encode;
import static yaoku.conformance.Kms.items;
import static yaoku.conformance.Kms.text;
import static yaoku.conformance.Kms.texts;
import static yaoku.conformance.Kms.with;

import java.util.Map;

/** The only version of a key pair, which has no primary one: the caller names it. */
record Pair(Kms kms, String key, String version) {
    static Pair create(Kms kms, String spec, String usage) throws Exception {
        return create(kms, spec, usage, "SOFTWARE");
    }

    static Pair create(Kms kms, String spec, String usage, String protectionLevel) throws Exception {
        return of(kms, kms.key(Map.of("KeySpec", spec, "KeyUsage", usage, "ProtectionLevel", protectionLevel)));
    }

    static Pair of(Kms kms, String key) throws Exception {
        var listed = kms.call("ListKeyVersions", Map.of("KeyId", key, "PageNumber", 1, "PageSize", 10));
        var versions = texts(items(listed, "KeyVersions"), "KeyVersionId");
        assertEquals(1, versions.size());
        return new Pair(kms, key, versions.get(0));
    }

    Map<String, Object> call(String action, Map<String, Object> params) throws Exception {
        var answer = kms.call(action, named(params));
        assertEquals(key, text(answer, "KeyId"), action);
        assertEquals(version, text(answer, "KeyVersionId"), action);
        return answer;
    }

    Kms.Failure fails(String code, String action, Map<String, Object> params) {
        return kms.fails(code, 400, action, named(params));
    }

    private Map<String, Object> named(Map<String, Object> params) {
        return with(params, Map.of("KeyId", key, "KeyVersionId", version));
    }

    /** SubjectPublicKeyInfo, out of the PEM that GetPublicKey gives. */
    byte[] publicKey() throws Exception {
        var lines = text(call("GetPublicKey", Map.of()), "PublicKey").lines().toList();
        var last = lines.size() - 1;
        assertEquals("-----BEGIN PUBLIC KEY-----", lines.get(0));
        assertEquals("-----END PUBLIC KEY-----", lines.get(last));
        return decode(String.join("", lines.subList(1, last)));
    }

    byte[] sign(String algorithm, byte[] digest) throws Exception {
        var request = Map.<String, Object>of("Algorithm", algorithm, "Digest", encode(digest));
        return bytes(call("AsymmetricSign", request), "Value");
    }

    boolean verify(String algorithm, byte[] digest, byte[] signature) throws Exception {
        var request = Map.<String, Object>of(
                "Algorithm", algorithm, "Digest", encode(digest), "Value", encode(signature));
        return (Boolean) call("AsymmetricVerify", request).get("Value");
    }

    byte[] encrypt(String algorithm, byte[] plaintext) throws Exception {
        var request = Map.<String, Object>of("Algorithm", algorithm, "Plaintext", encode(plaintext));
        return bytes(call("AsymmetricEncrypt", request), "CiphertextBlob");
    }

    byte[] decrypt(String algorithm, byte[] ciphertext) throws Exception {
        var request = Map.<String, Object>of("Algorithm", algorithm, "CiphertextBlob", encode(ciphertext));
        return bytes(call("AsymmetricDecrypt", request), "Plaintext");
    }
}
