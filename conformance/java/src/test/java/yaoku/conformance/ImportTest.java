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

import java.security.SecureRandom;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys whose material their owner brings: point 12 of the conformance list. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class ImportTest {
    private static final byte[] TEXT = "text".getBytes(UTF_8);
    private static final String OAEP = "RSAES_OAEP_SHA_256";
    private static final String SM2 = "SM2PKE";
    private final Kms kms;
    private final String key;
    private final byte[] material = random();

    ImportTest(Sdk sdk) throws Exception {
        kms = sdk.connect();
        key = external();
    }

    @ParameterizedTest
    @ValueSource(strings = {OAEP, "RSAES_PKCS1_V1_5", SM2})
    void importedMaterialIsTakenAwayAndGivenBack(String algorithm) throws Exception {
        var wrapping = wrapping(algorithm);
        imports(wrapping.wrap(material));
        shows("KeyState", "Enabled");
        var blob = kms.encrypt(key, TEXT);
        assertArrayEquals(TEXT, kms.decrypt(blob));

        kms.call("DeleteKeyMaterial", Map.of("KeyId", key));
        shows("KeyState", "PendingImport");
        kms.fails("Rejected.PendingImport", 409, "Decrypt", decryption(blob, Map.of()));

        refuses("InvalidKeyMaterial", key, wrapping.wrap(random()));
        shows("KeyState", "PendingImport");
        imports(wrapping.wrap(material));
        shows("KeyState", "Enabled");
        assertArrayEquals(TEXT, kms.decrypt(blob));
    }

    @Test
    void endOfTheMaterialIsShown() throws Exception {
        var end = Instant.now().getEpochSecond() + 86_400;
        imports(with(wrapping(OAEP).wrap(material), Map.of("KeyMaterialExpireUnix", end)));
        shows("MaterialExpireTime", Instant.ofEpochSecond(end).toString());
    }

    @Test
    void endOfTheMaterialIsNotPast() throws Exception {
        var past = Map.<String, Object>of("KeyMaterialExpireUnix", Instant.now().getEpochSecond() - 1);
        var failure = refuses("InvalidParameter", key, with(wrapping(OAEP).wrap(material), past));
        assertTrue(failure.message().contains("KeyMaterialExpireUnix"), failure.message());
    }

    @Test
    void otherMaterialIsRefusedWhileThereIsSome() throws Exception {
        var wrapping = wrapping(OAEP);
        imports(wrapping.wrap(material));
        refuses("InvalidKeyMaterial", key, wrapping.wrap(random()));
    }

    @Test
    void tokenOfAnotherKey() throws Exception {
        refuses("InvalidImportToken", external(), wrapping(OAEP).wrap(material));
    }

    /** What GetParametersForImport gave. */
    private record Wrapping(String algorithm, String token, byte[] publicKey) {
        Map<String, Object> wrap(byte[] material) throws Exception {
            var wrapped = algorithm.equals(SM2)
                    ? new Sm2(publicKey).encrypt(material)
                    : Rsa.encrypt(Rsa.publicKey(publicKey), algorithm, material);
            return Map.of("ImportToken", token, "EncryptedKeyMaterial", encode(wrapped));
        }
    }

    private Wrapping wrapping(String algorithm) throws Exception {
        var given = kms.call("GetParametersForImport", Map.of(
                "KeyId", key,
                "WrappingKeySpec", algorithm.equals(SM2) ? "EC_SM2" : "RSA_2048",
                "WrappingAlgorithm", algorithm));
        assertEquals(key, text(given, "KeyId"));
        assertTrue(Instant.parse(text(given, "TokenExpireTime")).isAfter(Instant.now()));
        return new Wrapping(algorithm, text(given, "ImportToken"), bytes(given, "PublicKey"));
    }

    private String external() throws Exception {
        return kms.key(Map.of("Origin", "EXTERNAL"));
    }

    private void imports(Map<String, Object> wrapped) throws Exception {
        kms.call("ImportKeyMaterial", with(wrapped, Map.of("KeyId", key)));
    }

    private Kms.Failure refuses(String code, String key, Map<String, Object> wrapped) {
        return kms.fails(code, 400, "ImportKeyMaterial", with(wrapped, Map.of("KeyId", key)));
    }

    private void shows(String field, String value) throws Exception {
        assertEquals(value, text(kms.describe(key), field), field);
    }

    private static byte[] random() {
        var bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }
}
