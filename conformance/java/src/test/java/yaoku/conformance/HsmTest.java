package yaoku.conformance;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static yaoku.conformance.Kms.bytes;
import static yaoku.conformance.Kms.decryption;
import static yaoku.conformance.Kms.encode;
import static yaoku.conformance.Kms.text;

import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys of protection level HSM: point 15 of the conformance list. The server has a token of SoftHSM2. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
@EnabledIfEnvironmentVariable(named = "YAOKU_HSM", matches = ".+", disabledReason = "SoftHSM2 is not installed")
class HsmTest {
    private static final byte[] MESSAGE = "签名 & message".getBytes(UTF_8);
    private static final PSSParameterSpec PSS_SHA_256 =
            new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, PSSParameterSpec.TRAILER_FIELD_BC);
    private final Kms kms;

    HsmTest(Sdk sdk) {
        kms = sdk.connect();
    }

    @Test
    void encryptionOverVersions() throws Exception {
        var key = kms.key(Map.of("ProtectionLevel", "HSM"));
        assertEquals("HSM", text(kms.describe(key), "ProtectionLevel"));
        var context = Map.<String, Object>of("部门", "财务");
        var blob = kms.encrypt(key, MESSAGE, context);
        kms.call("CreateKeyVersion", Map.of("KeyId", key));
        assertArrayEquals(MESSAGE, kms.decrypt(blob, context));
        assertArrayEquals(MESSAGE, kms.decrypt(kms.encrypt(key, MESSAGE)));
        kms.fails("InvalidParameter", 400, "Decrypt", decryption(blob, Map.of()));
        var made = kms.call("GenerateDataKey", Map.of("KeyId", key));
        assertArrayEquals(bytes(made, "Plaintext"), kms.decrypt(text(made, "CiphertextBlob")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"})
    void rsaSignatures(String algorithm) throws Exception {
        var isPss = algorithm.contains("PSS");
        var verifier = Signature.getInstance(isPss ? "RSASSA-PSS" : "SHA256withRSA");
        if (isPss) {
            verifier.setParameter(PSS_SHA_256);
        }
        var pair = Pair.create(kms, "RSA_2048", "SIGN/VERIFY", "HSM");
        signs(pair, algorithm, verifier, Rsa.publicKey(pair.publicKey()));
    }

    @Test
    void ecdsaSignatures() throws Exception {
        var pair = Pair.create(kms, "EC_P256", "SIGN/VERIFY", "HSM");
        var key = KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(pair.publicKey()));
        signs(pair, "ECDSA_SHA_256", Signature.getInstance("SHA256withECDSA"), key);
    }

    /** By the one hash of RSAES-OAEP that every version of SoftHSM2 knows. */
    @Test
    void rsaDecryption() throws Exception {
        var pair = Pair.create(kms, "RSA_2048", "ENCRYPT/DECRYPT", "HSM");
        var ciphertext = Rsa.encrypt(Rsa.publicKey(pair.publicKey()), "RSAES_OAEP_SHA_1", MESSAGE);
        assertArrayEquals(MESSAGE, pair.decrypt("RSAES_OAEP_SHA_1", ciphertext));
    }

    @ParameterizedTest
    @ValueSource(strings = {"RSAES_OAEP_SHA_1", "RSAES_PKCS1_V1_5"})
    void importedMaterial(String algorithm) throws Exception {
        var key = kms.key(Map.of("ProtectionLevel", "HSM", "Origin", "EXTERNAL"));
        var wanted = Map.<String, Object>of("KeyId", key, "WrappingKeySpec", "RSA_2048", "WrappingAlgorithm", algorithm);
        var given = kms.call("GetParametersForImport", wanted);
        var wrapping = Rsa.publicKey(bytes(given, "PublicKey"));
        var material = random();
        kms.call("ImportKeyMaterial", importing(key, given, Rsa.encrypt(wrapping, algorithm, material)));
        var blob = kms.encrypt(key, MESSAGE);
        kms.call("DeleteKeyMaterial", Map.of("KeyId", key));
        kms.fails("Rejected.PendingImport", 409, "Decrypt", decryption(blob, Map.of()));
        var other = importing(key, given, Rsa.encrypt(wrapping, algorithm, random()));
        kms.fails("InvalidKeyMaterial", 400, "ImportKeyMaterial", other);
        kms.call("ImportKeyMaterial", importing(key, given, Rsa.encrypt(wrapping, algorithm, material)));
        assertArrayEquals(MESSAGE, kms.decrypt(blob));
    }

    @ParameterizedTest
    @ValueSource(strings = {"EC_SM2", "Aliyun_SM4", "HMAC_SM3", "ML_DSA_44"})
    void whatNoTokenHolds(String spec) {
        kms.fails(
                "Unsupported.ProtectionLevel", 400, "CreateKey", Map.of("ProtectionLevel", "HSM", "KeySpec", spec));
    }

    private static void signs(Pair pair, String algorithm, Signature verifier, PublicKey key) throws Exception {
        var signature = pair.sign(algorithm, MessageDigest.getInstance("SHA-256").digest(MESSAGE));
        verifier.initVerify(key);
        verifier.update(MESSAGE);
        assertTrue(verifier.verify(signature));
    }

    private static Map<String, Object> importing(String key, Map<String, Object> given, byte[] wrapped) {
        return Map.of("KeyId", key, "ImportToken", text(given, "ImportToken"), "EncryptedKeyMaterial", encode(wrapped));
    }

    private static byte[] random() {
        var bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }
}
