package yaoku.conformance;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static yaoku.conformance.Kms.decryption;
import static yaoku.conformance.Kms.encode;
import static yaoku.conformance.Kms.encryption;
import static yaoku.conformance.Kms.text;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Map;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Key pairs, SM4 and keys for MACs: points 10 and 11 of the conformance list. Signatures are verified and ciphertexts
 * made on the client's side, with the public key that GetPublicKey gives and nothing else of the server.
 */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class AsymmetricTest {
    private static final byte[] MESSAGE = "签名 & message".getBytes(UTF_8);
    private static final PSSParameterSpec PSS_SHA_256 =
            new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, PSSParameterSpec.TRAILER_FIELD_BC);
    // Handed over by call and not installed, so that the JDK's own algorithms and the SDKs stay without it.
    private static final BouncyCastleProvider BOUNCY_CASTLE = new BouncyCastleProvider();
    private final Kms kms;

    AsymmetricTest(Sdk sdk) {
        kms = sdk.connect();
    }

    @Test
    void rsaPssSignatures() throws Exception {
        var pair = Pair.create(kms, "RSA_2048", "SIGN/VERIFY");
        var signature = signs(pair, "RSA_PSS_SHA_256", sha256(MESSAGE));
        var verifier = Signature.getInstance("RSASSA-PSS");
        verifier.setParameter(PSS_SHA_256);
        verifies(verifier, Rsa.publicKey(pair.publicKey()), signature);
    }

    @Test
    void rsaPkcs1Signatures() throws Exception {
        var pair = Pair.create(kms, "RSA_2048", "SIGN/VERIFY");
        var signature = signs(pair, "RSA_PKCS1_SHA_256", sha256(MESSAGE));
        verifies(Signature.getInstance("SHA256withRSA"), Rsa.publicKey(pair.publicKey()), signature);
    }

    @Test
    void ecdsaSignatures() throws Exception {
        var pair = Pair.create(kms, "EC_P256", "SIGN/VERIFY");
        var signature = signs(pair, "ECDSA_SHA_256", sha256(MESSAGE));
        var key = KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(pair.publicKey()));
        verifies(Signature.getInstance("SHA256withECDSA"), key, signature);
    }

    @Test
    void sm2Signatures() throws Exception {
        var pair = Pair.create(kms, "EC_SM2", "SIGN/VERIFY");
        var der = pair.publicKey();
        var signature = signs(pair, "SM2DSA", new Sm2(der).digest(MESSAGE));
        // The verifier takes the message, and the default user id with it.
        verifies(Signature.getInstance("SM3withSM2", BOUNCY_CASTLE), publicKey("EC", der), signature);
    }

    @Test
    void mlDsaSignatures() throws Exception {
        var pair = Pair.create(kms, "ML_DSA_65", "SIGN/VERIFY");
        // Of this kind of key, Digest is the message itself.
        var signature = signs(pair, "ML_DSA", MESSAGE);
        assertEquals(3309, signature.length);
        var key = publicKey("ML-DSA", pair.publicKey());
        assertEquals("ML-DSA-65", key.getAlgorithm());
        verifies(Signature.getInstance("ML-DSA", BOUNCY_CASTLE), key, signature);
    }

    @ParameterizedTest
    @ValueSource(strings = {"RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"})
    void rsaEncryption(String algorithm) throws Exception {
        var pair = Pair.create(kms, "RSA_2048", "ENCRYPT/DECRYPT");
        var ciphertext = Rsa.encrypt(Rsa.publicKey(pair.publicKey()), algorithm, MESSAGE);
        assertArrayEquals(MESSAGE, pair.decrypt(algorithm, ciphertext));
        assertArrayEquals(MESSAGE, pair.decrypt(algorithm, pair.encrypt(algorithm, MESSAGE)));
        assertArrayEquals(MESSAGE, kms.decrypt(reencrypt(pair, algorithm, ciphertext)));
    }

    @Test
    void sm2Encryption() throws Exception {
        var pair = Pair.create(kms, "EC_SM2", "ENCRYPT/DECRYPT");
        var ciphertext = new Sm2(pair.publicKey()).encrypt(MESSAGE);
        assertArrayEquals(MESSAGE, pair.decrypt("SM2PKE", ciphertext));
        assertArrayEquals(MESSAGE, pair.decrypt("SM2PKE", pair.encrypt("SM2PKE", MESSAGE)));
        assertArrayEquals(MESSAGE, kms.decrypt(reencrypt(pair, "SM2PKE", ciphertext)));
    }

    private String reencrypt(Pair from, String algorithm, byte[] ciphertext) throws Exception {
        var to = kms.key();
        var moved = kms.call("ReEncrypt", Map.of(
                "CiphertextBlob", encode(ciphertext),
                "SourceKeyId", from.key(),
                "SourceKeyVersionId", from.version(),
                "SourceEncryptionAlgorithm", algorithm,
                "DestinationKeyId", to));
        assertEquals(to, text(moved, "KeyId"));
        return text(moved, "CiphertextBlob");
    }

    @Test
    void sm4WithContext() throws Exception {
        var key = kms.key(Map.of("KeySpec", "Aliyun_SM4"));
        var context = Map.<String, Object>of("部门", "财务");
        var blob = kms.encrypt(key, MESSAGE, context);
        assertArrayEquals(MESSAGE, kms.decrypt(blob, context));
        kms.fails("InvalidParameter", 400, "Decrypt", decryption(blob, Map.of()));
    }

    /** Neither SDK has GenerateMac and VerifyMac: all that they can do with such a key is its life. */
    @ParameterizedTest
    @ValueSource(strings = {"HMAC_SM3", "HMAC_SHA512"})
    void keysForMacs(String spec) throws Exception {
        var key = kms.key(Map.of("KeySpec", spec));
        var described = kms.describe(key);
        assertEquals(spec, text(described, "KeySpec"));
        assertEquals("GENERATE/VERIFY_MAC", text(described, "KeyUsage"));
        kms.fails("UnsupportedOperation", 400, "Encrypt", encryption(key, MESSAGE, Map.of()));
    }

    @ParameterizedTest
    @CsvSource({
        "RSA_2048, RSA_PSS_SHA_256", "RSA_2048, RSA_PKCS1_SHA_256", "EC_P256, ECDSA_SHA_256", "EC_SM2, SM2DSA"
    })
    void digestOfWrongLength(String spec, String algorithm) throws Exception {
        var pair = Pair.create(kms, spec, "SIGN/VERIFY");
        for (var length : new int[] {31, 33}) {
            names("Digest", pair.fails("InvalidParameter", "AsymmetricSign", signing(algorithm, length)));
        }
    }

    @Test
    void algorithmOfAnotherSpec() throws Exception {
        var signer = Pair.create(kms, "EC_P256", "SIGN/VERIFY");
        names("Algorithm", signer.fails("InvalidParameter", "AsymmetricSign", signing("SM2DSA", 32)));
        var opener = Pair.create(kms, "RSA_2048", "ENCRYPT/DECRYPT");
        var sealed = Map.<String, Object>of("Algorithm", "SM2PKE", "CiphertextBlob", encode(new byte[256]));
        names("Algorithm", opener.fails("InvalidParameter", "AsymmetricDecrypt", sealed));
    }

    @Test
    void symmetricEncryptionWithAKeyPair() throws Exception {
        var pair = Pair.create(kms, "RSA_2048", "ENCRYPT/DECRYPT");
        kms.fails("UnsupportedOperation", 400, "Encrypt", encryption(pair.key(), MESSAGE, Map.of()));
    }

    @Test
    void signatureWithASymmetricKey() throws Exception {
        var key = kms.key();
        var aes = new Pair(kms, key, text(kms.describe(key), "PrimaryKeyVersion"));
        aes.fails("UnsupportedOperation", "AsymmetricSign", signing("RSA_PSS_SHA_256", 32));
    }

    @Test
    void keyPairOfTheOtherUsage() throws Exception {
        var opener = Pair.create(kms, "RSA_2048", "ENCRYPT/DECRYPT");
        opener.fails("UnsupportedOperation", "AsymmetricSign", signing("RSA_PSS_SHA_256", 32));
        var signer = Pair.create(kms, "RSA_2048", "SIGN/VERIFY");
        var sealed = Map.<String, Object>of("Algorithm", "RSAES_OAEP_SHA_256", "CiphertextBlob", encode(new byte[256]));
        signer.fails("UnsupportedOperation", "AsymmetricDecrypt", sealed);
    }

    /** A signature that the server itself holds to be right for this digest, and wrong for another. */
    private static byte[] signs(Pair pair, String algorithm, byte[] digest) throws Exception {
        var signature = pair.sign(algorithm, digest);
        assertTrue(pair.verify(algorithm, digest, signature));
        assertFalse(pair.verify(algorithm, damaged(digest), signature));
        assertFalse(pair.verify(algorithm, digest, damaged(signature)));
        return signature;
    }

    private static void verifies(Signature verifier, PublicKey key, byte[] signature) throws GeneralSecurityException {
        verifier.initVerify(key);
        verifier.update(MESSAGE);
        assertTrue(verifier.verify(signature));
        verifier.update(damaged(MESSAGE));
        assertFalse(verifier.verify(signature));
    }

    private static PublicKey publicKey(String algorithm, byte[] der) throws GeneralSecurityException {
        return KeyFactory.getInstance(algorithm, BOUNCY_CASTLE).generatePublic(new X509EncodedKeySpec(der));
    }

    private static Map<String, Object> signing(String algorithm, int digestLength) {
        return Map.of("Algorithm", algorithm, "Digest", encode(new byte[digestLength]));
    }

    private static byte[] sha256(byte[] message) throws GeneralSecurityException {
        return MessageDigest.getInstance("SHA-256").digest(message);
    }

    private static byte[] damaged(byte[] bytes) {
        var damaged = Arrays.copyOf(bytes, bytes.length);
        damaged[damaged.length - 1] ^= 1;
        return damaged;
    }

    private static void names(String parameter, Kms.Failure failure) {
        assertTrue(failure.message().contains(parameter), failure.message());
    }
}
