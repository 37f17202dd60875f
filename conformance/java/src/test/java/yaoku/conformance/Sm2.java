package yaoku.conformance;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.math.BigInteger;
import java.security.SecureRandom;
import java.util.Arrays;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.digests.SM3Digest;
import org.bouncycastle.crypto.engines.SM2Engine;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.params.ParametersWithRandom;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.bouncycastle.math.ec.ECFieldElement;

/** What an SM2 client does with nothing but the public key. */
final class Sm2 {
    private static final byte[] USER_ID = "1234567812345678".getBytes(US_ASCII);
    private static final int COORDINATE = 32;
    private static final int HASH = 32;
    private final ECPublicKeyParameters key;

    Sm2(byte[] der) throws IOException {
        key = (ECPublicKeyParameters) PublicKeyFactory.createKey(der);
    }

    /** What SM2DSA signs: SM3(Z_A || M), where Z_A binds the user id, the curve and the key. */
    byte[] digest(byte[] message) {
        return sm3(identity(), message);
    }

    private byte[] identity() {
        var curve = key.getParameters().getCurve();
        var base = key.getParameters().getG();
        var bits = USER_ID.length * 8;
        return sm3(
                new byte[] {(byte) (bits >> 8), (byte) bits},
                USER_ID,
                encoded(curve.getA()),
                encoded(curve.getB()),
                encoded(base.getAffineXCoord()),
                encoded(base.getAffineYCoord()),
                encoded(key.getQ().getAffineXCoord()),
                encoded(key.getQ().getAffineYCoord()));
    }

    private static byte[] encoded(ECFieldElement element) {
        return element.getEncoded();
    }

    static byte[] sm3(byte[]... parts) {
        var sm3 = new SM3Digest();
        for (var part : parts) {
            sm3.update(part, 0, part.length);
        }
        var hash = new byte[HASH];
        sm3.doFinal(hash, 0);
        return hash;
    }

    /** C1 || C3 || C2, the point uncompressed. */
    byte[] encryptRaw(byte[] plaintext) throws InvalidCipherTextException {
        var engine = new SM2Engine(SM2Engine.Mode.C1C3C2);
        engine.init(true, new ParametersWithRandom(key, new SecureRandom()));
        return engine.processBlock(plaintext, 0, plaintext.length);
    }

    /** The SEQUENCE { x, y, C3, C2 } of GM/T 0009. */
    byte[] encrypt(byte[] plaintext) throws InvalidCipherTextException, IOException {
        var raw = encryptRaw(plaintext);
        var x = 1; // After the 04 of an uncompressed point.
        var y = x + COORDINATE;
        var c3 = y + COORDINATE;
        var c2 = c3 + HASH;
        var fields = new ASN1EncodableVector();
        fields.add(new ASN1Integer(new BigInteger(1, Arrays.copyOfRange(raw, x, y))));
        fields.add(new ASN1Integer(new BigInteger(1, Arrays.copyOfRange(raw, y, c3))));
        fields.add(new DEROctetString(Arrays.copyOfRange(raw, c3, c2)));
        fields.add(new DEROctetString(Arrays.copyOfRange(raw, c2, raw.length)));
        return new DERSequence(fields).getEncoded();
    }
}
