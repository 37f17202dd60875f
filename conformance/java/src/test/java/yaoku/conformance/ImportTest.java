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

import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Instant;
import java.util.Map;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.util.Arrays;
import org.bouncycastle.util.BigIntegers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys whose material their owner brings: point 12 of the conformance list. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class ImportTest {
    private static final byte[] TEXT = "text".getBytes(UTF_8);
    private static final String OAEP = "RSAES_OAEP_SHA_256";
    private static final String OAEP_AES = "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD";
    private static final String SM2 = "SM2PKE";
    private static final String SM2_SM4 = "SM2PKE_SM4_ECB";
    private static final BouncyCastleProvider BOUNCY_CASTLE = new BouncyCastleProvider();
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

    /** Private keys as the JDK and Bouncy Castle encode them; what they sign, those verify with the public key they had. */
    @ParameterizedTest
    @CsvSource({"RSA_2048, RSA, 2048", "RSA_3072, RSA, 3072", "EC_P256, EC, secp256r1", "EC_P256K, BC, secp256k1"})
    void keyPair(String spec, String generator, String size) throws Exception {
        var generated = keyPair(generator, size);
        var imported = externalPair(spec, "SIGN/VERIFY");
        var wrapping = wrapping(imported, OAEP_AES);
        imports(imported, wrapping.wrap(generated.getPrivate().getEncoded()));
        var pair = Pair.of(kms, imported);
        assertArrayEquals(generated.getPublic().getEncoded(), pair.publicKey());
        var isRsa = spec.startsWith("RSA");
        var signature = pair.sign(
                isRsa ? "RSA_PKCS1_SHA_256" : "ECDSA_SHA_256", MessageDigest.getInstance("SHA-256").digest(TEXT));
        var verifier = generator.equals("BC")
                ? Signature.getInstance("SHA256withECDSA", BOUNCY_CASTLE)
                : Signature.getInstance(isRsa ? "SHA256withRSA" : "SHA256withECDSA");
        verifier.initVerify(generated.getPublic());
        verifier.update(TEXT);
        assertTrue(verifier.verify(signature));

        kms.call("DeleteKeyMaterial", Map.of("KeyId", imported));
        refuses("InvalidKeyMaterial", imported, wrapping.wrap(keyPair(generator, size).getPrivate().getEncoded()));
        imports(imported, wrapping.wrap(generated.getPrivate().getEncoded()));
        assertArrayEquals(generated.getPublic().getEncoded(), pair.publicKey());
    }

    @Test
    void sm2KeyPair() throws Exception {
        var generated = keyPair("BC", "sm2p256v1");
        var number = BigIntegers.asUnsignedByteArray(32, ((ECPrivateKey) generated.getPrivate()).getS());
        var imported = externalPair("EC_SM2", "ENCRYPT/DECRYPT");
        imports(imported, wrapping(imported, SM2_SM4).wrap(number));
        var pair = Pair.of(kms, imported);
        var ciphertext = new Sm2(generated.getPublic().getEncoded()).encrypt(TEXT);
        assertArrayEquals(TEXT, pair.decrypt("SM2PKE", ciphertext));
        // The same key in its other encoding, the other way.
        imports(imported, wrapping(imported, OAEP_AES).wrap(generated.getPrivate().getEncoded()));
        assertArrayEquals(TEXT, pair.decrypt("SM2PKE", ciphertext));
    }

    /** What GetParametersForImport gave. */
    private record Wrapping(String algorithm, String token, byte[] publicKey) {
        Map<String, Object> wrap(byte[] material) throws Exception {
            var wrapped = switch (algorithm) {
                case SM2 -> new Sm2(publicKey).encrypt(material);
                case SM2_SM4 -> {
                    var ephemeral = Arrays.copyOf(random(), 16);
                    yield Arrays.concatenate(new Sm2(publicKey).encryptRaw(ephemeral), ecb("SM4", "NoPadding", ephemeral, material));
                }
                case OAEP_AES -> {
                    var ephemeral = random();
                    var sealed = Rsa.encrypt(Rsa.publicKey(publicKey), OAEP, ephemeral);
                    yield Arrays.concatenate(sealed, ecb("AES", "PKCS7Padding", ephemeral, material));
                }
                default -> Rsa.encrypt(Rsa.publicKey(publicKey), algorithm, material);
            };
            return Map.of("ImportToken", token, "EncryptedKeyMaterial", encode(wrapped));
        }
    }

    private static byte[] ecb(String cipher, String padding, byte[] key, byte[] plaintext) throws Exception {
        var ecb = Cipher.getInstance(cipher + "/ECB/" + padding, BOUNCY_CASTLE);
        ecb.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, cipher));
        return ecb.doFinal(plaintext);
    }

    private static KeyPair keyPair(String generator, String size) throws Exception {
        var pairs = generator.equals("BC")
                ? KeyPairGenerator.getInstance("EC", BOUNCY_CASTLE)
                : KeyPairGenerator.getInstance(generator);
        if (generator.equals("RSA")) {
            pairs.initialize(Integer.parseInt(size));
        } else {
            pairs.initialize(new ECGenParameterSpec(size));
        }
        return pairs.generateKeyPair();
    }

    private String externalPair(String spec, String usage) throws Exception {
        return kms.key(Map.of("KeySpec", spec, "KeyUsage", usage, "Origin", "EXTERNAL"));
    }

    private Wrapping wrapping(String algorithm) throws Exception {
        return wrapping(key, algorithm);
    }

    private Wrapping wrapping(String key, String algorithm) throws Exception {
        var given = kms.call("GetParametersForImport", Map.of(
                "KeyId", key,
                "WrappingKeySpec", algorithm.startsWith(SM2) ? "EC_SM2" : "RSA_2048",
                "WrappingAlgorithm", algorithm));
        assertEquals(key, text(given, "KeyId"));
        assertTrue(Instant.parse(text(given, "TokenExpireTime")).isAfter(Instant.now()));
        return new Wrapping(algorithm, text(given, "ImportToken"), bytes(given, "PublicKey"));
    }

    private String external() throws Exception {
        return kms.key(Map.of("Origin", "EXTERNAL"));
    }

    private void imports(Map<String, Object> wrapped) throws Exception {
        imports(key, wrapped);
    }

    private void imports(String key, Map<String, Object> wrapped) throws Exception {
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
