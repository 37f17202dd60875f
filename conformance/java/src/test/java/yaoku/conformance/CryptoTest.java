package yaoku.conformance;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static yaoku.conformance.Kms.bytes;
import static yaoku.conformance.Kms.decryption;
import static yaoku.conformance.Kms.encode;
import static yaoku.conformance.Kms.text;
import static yaoku.conformance.Kms.with;

import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Encryption with context, and data keys: points 3 and 4 of the conformance list. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class CryptoTest {
    private static final byte[] TEXT = "text".getBytes(UTF_8);
    private static final Map<String, Object> CONTEXT = context();
    private final Kms kms;
    private final String key;

    CryptoTest(Sdk sdk) throws Exception {
        kms = sdk.connect();
        key = kms.key();
    }

    @Test
    void contextInAnyOrderDecrypts() throws Exception {
        var blob = kms.encrypt(key, TEXT, CONTEXT);
        assertArrayEquals(TEXT, kms.decrypt(blob, CONTEXT));
        assertArrayEquals(TEXT, kms.decrypt(blob, reversed(CONTEXT)));
    }

    @Test
    void otherContextFails() throws Exception {
        var blob = kms.encrypt(key, TEXT, CONTEXT);
        for (var other : List.of(with(CONTEXT, Map.of("more", "1")), Map.<String, Object>of("a b", "+*~&="))) {
            kms.fails("InvalidParameter", 400, "Decrypt", decryption(blob, other));
        }
    }

    @Test
    void noContextFails() throws Exception {
        var blob = kms.encrypt(key, TEXT, CONTEXT);
        var failure = kms.fails("InvalidParameter", 400, "Decrypt", decryption(blob, Map.of()));
        assertTrue(failure.message().contains("CiphertextBlob"), failure.message());
    }

    @Test
    void largestPlaintext() throws Exception {
        var text = new byte[6144];
        new SecureRandom().nextBytes(text);
        assertArrayEquals(text, kms.decrypt(kms.encrypt(key, text)));
    }

    @Test
    void reencryptToAnotherKeyAndContext() throws Exception {
        Map<String, Object> from = Map.of("from", "1");
        Map<String, Object> to = Map.of("to", "2");
        var other = kms.key();
        var moved = kms.call("ReEncrypt", Map.of(
                "CiphertextBlob", kms.encrypt(key, TEXT, from),
                "SourceEncryptionContext", from,
                "DestinationKeyId", other,
                "DestinationEncryptionContext", to));
        assertEquals(other, text(moved, "KeyId"));
        assertArrayEquals(TEXT, kms.decrypt(text(moved, "CiphertextBlob"), to));
    }

    @Test
    void dataKeyIsAsLongAsAskedFor() throws Exception {
        dataKey(32, Map.of());
        dataKey(32, Map.of("KeySpec", "AES_256"));
        dataKey(16, Map.of("KeySpec", "AES_128"));
        dataKey(1024, Map.of("NumberOfBytes", 1024));
    }

    private void dataKey(int length, Map<String, Object> size) throws Exception {
        var made = kms.call("GenerateDataKey", with(size, Map.of("KeyId", key, "EncryptionContext", CONTEXT)));
        var plaintext = bytes(made, "Plaintext");
        assertEquals(length, plaintext.length, size::toString);
        assertArrayEquals(plaintext, kms.decrypt(text(made, "CiphertextBlob"), CONTEXT));
    }

    @Test
    void dataKeyWithoutPlaintext() throws Exception {
        var made = kms.call("GenerateDataKeyWithoutPlaintext", Map.of("KeyId", key));
        assertEquals(32, kms.decrypt(text(made, "CiphertextBlob")).length);
    }

    @Test
    void exportedDataKeyIsTheDataKey() throws Exception {
        var pair = rsaPair();
        var target = exportTo(pair);
        var made = kms.call("GenerateDataKey", Map.of("KeyId", key, "EncryptionContext", CONTEXT));
        var blob = decryption(text(made, "CiphertextBlob"), CONTEXT);
        var exported = kms.call("ExportDataKey", with(blob, target));
        assertArrayEquals(bytes(made, "Plaintext"), unwrap(pair, exported));
    }

    @Test
    void dataKeyIsGeneratedAndExported() throws Exception {
        var pair = rsaPair();
        var made = kms.call("GenerateAndExportDataKey", with(exportTo(pair), Map.of("KeyId", key)));
        assertArrayEquals(kms.decrypt(text(made, "CiphertextBlob")), unwrap(pair, made));
    }

    private static KeyPair rsaPair() throws GeneralSecurityException {
        var generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        return generator.generateKeyPair();
    }

    private static Map<String, Object> exportTo(KeyPair pair) {
        return Map.of(
                "PublicKeyBlob", encode(pair.getPublic().getEncoded()),
                "WrappingKeySpec", "RSA_2048",
                "WrappingAlgorithm", "RSAES_OAEP_SHA_256");
    }

    private static byte[] unwrap(KeyPair pair, Map<String, Object> exported) throws GeneralSecurityException {
        return Rsa.decrypt(pair.getPrivate(), bytes(exported, "ExportedDataKey"));
    }

    /** What URL encoding, signing and JSON are each likely to spoil. */
    private static Map<String, Object> context() {
        var context = new LinkedHashMap<String, Object>();
        context.put("部门", "财务 + 审计");
        context.put("a b", "+*~&=");
        context.put("quote", "\"'\\");
        return context;
    }

    private static Map<String, Object> reversed(Map<String, Object> map) {
        var names = new ArrayList<>(map.keySet());
        Collections.reverse(names);
        var reversed = new LinkedHashMap<String, Object>();
        names.forEach(name -> reversed.put(name, map.get(name)));
        return reversed;
    }
}
