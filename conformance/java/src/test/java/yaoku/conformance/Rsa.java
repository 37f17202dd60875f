package yaoku.conformance;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import javax.crypto.Cipher;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;

/** RSA encryption as a client does it, with the JDK alone, by the API's names of the algorithms. */
final class Rsa {
    // Java's own RSA-OAEP with SHA-256 would take SHA-1 for the mask.
    private static final OAEPParameterSpec OAEP_SHA_256 =
            new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);
    private static final OAEPParameterSpec OAEP_SHA_1 =
            new OAEPParameterSpec("SHA-1", "MGF1", MGF1ParameterSpec.SHA1, PSource.PSpecified.DEFAULT);

    private Rsa() {}

    static PublicKey publicKey(byte[] der) throws GeneralSecurityException {
        return KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(der));
    }

    static byte[] encrypt(PublicKey key, String algorithm, byte[] plaintext) throws GeneralSecurityException {
        var oaep = switch (algorithm) {
            case "RSAES_OAEP_SHA_256" -> OAEP_SHA_256;
            case "RSAES_OAEP_SHA_1" -> OAEP_SHA_1;
            case "RSAES_PKCS1_V1_5" -> null;
            default -> throw new AssertionError(algorithm);
        };
        var cipher = Cipher.getInstance(oaep == null ? "RSA/ECB/PKCS1Padding" : "RSA/ECB/OAEPPadding");
        cipher.init(Cipher.ENCRYPT_MODE, key, oaep);
        return cipher.doFinal(plaintext);
    }

    /** Opens RSAES_OAEP_SHA_256. */
    static byte[] decrypt(PrivateKey key, byte[] ciphertext) throws GeneralSecurityException {
        var cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
        cipher.init(Cipher.DECRYPT_MODE, key, OAEP_SHA_256);
        return cipher.doFinal(ciphertext);
    }
}
