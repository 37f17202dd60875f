package yaoku.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** One face for both SDKs, so that every scenario runs under each, and what the scenarios need beyond single calls. */
interface Kms {
    /** What an SDK's exception says; the status is null where the exception has none. */
    record Failure(String code, String message, String requestId, Integer status) {}

    /** Sends a request of the SDK's own type, and gives its response by the API's names. */
    Map<String, Object> call(String action, Map<String, Object> params) throws Exception;

    /** What the SDK throws when the server refuses. */
    Class<? extends Exception> exception();

    Failure failure(Exception raised);

    default Map<String, Object> call(String action) throws Exception {
        return call(action, Map.of());
    }

    default String key(Map<String, Object> params) throws Exception {
        return text(object(call("CreateKey", params), "KeyMetadata"), "KeyId");
    }

    default String key() throws Exception {
        return key(Map.of());
    }

    default Map<String, Object> describe(String key) throws Exception {
        return object(call("DescribeKey", Map.of("KeyId", key)), "KeyMetadata");
    }

    default String encrypt(String key, byte[] plaintext) throws Exception {
        return encrypt(key, plaintext, Map.of());
    }

    default String encrypt(String key, byte[] plaintext, Map<String, Object> context) throws Exception {
        return text(call("Encrypt", encryption(key, plaintext, context)), "CiphertextBlob");
    }

    default byte[] decrypt(String blob) throws Exception {
        return decrypt(blob, Map.of());
    }

    default byte[] decrypt(String blob, Map<String, Object> context) throws Exception {
        return bytes(call("Decrypt", decryption(blob, context)), "Plaintext");
    }

    default Failure fails(String code, int status, String action, Map<String, Object> params) {
        var failure = failure(assertThrows(exception(), () -> call(action, params), action));
        assertEquals(code, failure.code, () -> action + ": " + failure.message);
        if (failure.status != null) {
            assertEquals(status, failure.status, () -> action + ": HTTP status");
        }
        assertNotNull(failure.message, () -> action + ": no message");
        assertFalse(failure.message.isBlank(), () -> action + ": empty message");
        assertEquals(36, failure.requestId.length(), () -> action + ": request id " + failure.requestId);
        return failure;
    }

    static Map<String, Object> encryption(String key, byte[] plaintext, Map<String, Object> context) {
        return withContext(Map.of("KeyId", key, "Plaintext", encode(plaintext)), context);
    }

    static Map<String, Object> decryption(String blob, Map<String, Object> context) {
        return withContext(Map.of("CiphertextBlob", blob), context);
    }

    /** An empty context is one not sent. */
    static Map<String, Object> withContext(Map<String, Object> params, Map<String, Object> context) {
        return context.isEmpty() ? params : with(params, Map.of("EncryptionContext", context));
    }

    static Map<String, Object> with(Map<String, Object> params, Map<String, Object> more) {
        var all = new HashMap<>(params);
        all.putAll(more);
        return all;
    }

    static String encode(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    static byte[] decode(String text) {
        return Base64.getDecoder().decode(text);
    }

    static String text(Map<String, Object> object, String name) {
        return (String) object.get(name);
    }

    static byte[] bytes(Map<String, Object> object, String name) {
        return decode(text(object, name));
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Map<String, Object> parent, String name) {
        return (Map<String, Object>) parent.get(name);
    }

    /** The current SDK keeps the element that the wire has around a list's items, the older one takes it off. */
    @SuppressWarnings("unchecked")
    static List<Map<String, Object>> items(Map<String, Object> parent, String name) {
        var list = parent.get(name);
        if (list instanceof Map<?, ?> around) {
            assertEquals(1, around.size(), () -> name + ": " + around);
            list = around.values().iterator().next();
        }
        return (List<Map<String, Object>>) list;
    }

    static List<String> texts(List<Map<String, Object>> items, String name) {
        return items.stream().map(item -> text(item, name)).toList();
    }
}
