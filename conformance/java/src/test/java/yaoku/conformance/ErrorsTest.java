package yaoku.conformance;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static yaoku.conformance.Kms.decode;
import static yaoku.conformance.Kms.decryption;
import static yaoku.conformance.Kms.encode;
import static yaoku.conformance.Kms.encryption;

import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Point 9 of the conformance list; those that need a key in some state are with the life of a key. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class ErrorsTest {
    private final Sdk sdk;
    private final Kms kms;
    private final String key;
    private final String nobody = UUID.randomUUID().toString();
    private final String alias = "alias/" + nobody;

    ErrorsTest(Sdk sdk) throws Exception {
        this.sdk = sdk;
        kms = sdk.connect();
        key = kms.key();
    }

    @Test
    void unknownKey() {
        kms.fails("Forbidden.KeyNotFound", 404, "DescribeKey", Map.of("KeyId", nobody));
    }

    @Test
    void unknownAlias() {
        kms.fails("Forbidden.AliasNotFound", 404, "Encrypt", Map.of("KeyId", alias, "Plaintext", "aGk="));
    }

    @Test
    void unknownVersion() {
        var version = Map.<String, Object>of("KeyId", key, "KeyVersionId", nobody);
        kms.fails("Forbidden.KeyVersionNotFound", 404, "DescribeKeyVersion", version);
    }

    @Test
    void duplicateAlias() throws Exception {
        var created = Map.<String, Object>of("AliasName", alias, "KeyId", key);
        kms.call("CreateAlias", created);
        kms.fails("AliasAlreadyExists", 400, "CreateAlias", created);
    }

    @Test
    void aliasWhereAnIdIsNeeded() throws Exception {
        kms.call("CreateAlias", Map.of("AliasName", alias, "KeyId", key));
        kms.fails("Unsupported.Alias", 400, "DisableKey", Map.of("KeyId", alias));
    }

    @Test
    void damagedCiphertext() throws Exception {
        var blob = decode(kms.encrypt(key, "hi".getBytes(UTF_8)));
        blob[blob.length - 1] ^= 1;
        names("CiphertextBlob", kms.fails("InvalidParameter", 400, "Decrypt", decryption(encode(blob), Map.of())));
    }

    @Test
    void oversizedPlaintext() {
        var large = encryption(key, new byte[6145], Map.of());
        names("Plaintext", kms.fails("InvalidParameter", 400, "Encrypt", large));
    }

    @Test
    void tooShortAWindowOfDeletion() {
        var soon = Map.<String, Object>of("KeyId", key, "PendingWindowInDays", 6);
        names("PendingWindowInDays", kms.fails("InvalidParameter", 400, "ScheduleKeyDeletion", soon));
    }

    @Test
    void hardwareProtection() {
        var inHsm = Map.<String, Object>of("ProtectionLevel", "HSM", "KeySpec", "EC_SM2");
        kms.fails("Unsupported.ProtectionLevel", 400, "CreateKey", inHsm);
    }

    @Test
    void secretOfAnotherProduct() {
        var secret = Map.<String, Object>of("SecretName", "s", "VersionId", "1", "SecretData", "d", "SecretType", "Rds");
        kms.fails("UnsupportedOperation", 400, "CreateSecret", secret);
    }

    @Test
    void dryRun() {
        var allowed = Map.<String, Object>of("KeyId", key, "Plaintext", "aGk=", "DryRun", "true");
        kms.fails("DryRunOperationError", 412, "Encrypt", allowed);
    }

    @Test
    void dryRunOfWhatWouldFail() {
        var refused = Map.<String, Object>of("KeyId", nobody, "Plaintext", "aGk=", "DryRun", "true");
        kms.fails("ValidationError", 400, "Encrypt", refused);
    }

    @Test
    void wrongSecret() {
        sdk.connect(Sdk.KEY_ID, "wrong").fails("SignatureDoesNotMatch", 400, "DescribeAccountKmsStatus", Map.of());
    }

    @Test
    void unknownAccessKey() {
        var client = sdk.connect("nobody", Sdk.SECRET);
        client.fails("InvalidAccessKeyId.NotFound", 404, "DescribeAccountKmsStatus", Map.of());
    }

    private static void names(String parameter, Kms.Failure failure) {
        assertTrue(failure.message().contains(parameter), failure.message());
    }
}
