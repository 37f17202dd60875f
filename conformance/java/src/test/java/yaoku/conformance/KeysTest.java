package yaoku.conformance;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static yaoku.conformance.Kms.items;
import static yaoku.conformance.Kms.object;
import static yaoku.conformance.Kms.text;
import static yaoku.conformance.Kms.texts;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The life of a key and its versions: points 1 and 2 of the conformance list. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class KeysTest {
    private static final byte[] TEXT = "hi".getBytes(UTF_8);
    private final Kms kms;

    KeysTest(Sdk sdk) {
        kms = sdk.connect();
    }

    @Test
    void createdKeyIsDescribed() throws Exception {
        var key = kms.key(Map.of(
                "Description", "描述 & description",
                "Tags", "[{\"TagKey\":\"team\",\"TagValue\":\"red\"}]",
                "EnableAutomaticRotation", true,
                "RotationInterval", "365d"));
        shows(key, "KeyState", "Enabled");
        shows(key, "KeyUsage", "ENCRYPT/DECRYPT");
        shows(key, "KeySpec", "Aliyun_AES_256");
        shows(key, "ProtectionLevel", "SOFTWARE");
        shows(key, "Origin", "Aliyun_KMS");
        shows(key, "RotationInterval", "31536000s");
        shows(key, "AutomaticRotation", "Enabled");
        shows(key, "Description", "描述 & description");
        shows(key, "Arn", "acs:kms:%s:%s:key/%s".formatted(Sdk.REGION, Sdk.ACCOUNT, key));
        shows(key, "Creator", Sdk.ACCOUNT);
        shows(key, "DeletionProtection", "Disabled");
        assertEquals(36, text(kms.describe(key), "PrimaryKeyVersion").length());
        assertTrue(text(kms.describe(key), "NextRotationDate").endsWith("Z"));
        var tags = items(kms.call("ListResourceTags", Map.of("KeyId", key)), "Tags");
        assertEquals(List.of("red"), texts(tags, "TagValue"));
    }

    @Test
    void descriptionIsUpdated() throws Exception {
        var key = kms.key(Map.of("Description", "old"));
        kms.call("UpdateKeyDescription", Map.of("KeyId", key, "Description", "new"));
        shows(key, "Description", "new");
    }

    @Test
    void disabledKeyEncryptsAgainWhenEnabled() throws Exception {
        var key = kms.key(Map.of("EnableAutomaticRotation", true, "RotationInterval", "365d"));
        kms.call("DisableKey", Map.of("KeyId", key));
        shows(key, "KeyState", "Disabled");
        shows(key, "AutomaticRotation", "Suspended");
        kms.fails("Rejected.Disabled", 409, "Encrypt", Map.of("KeyId", key, "Plaintext", "aGk="));
        kms.call("EnableKey", Map.of("KeyId", key));
        assertNotNull(kms.encrypt(key, TEXT));
    }

    @Test
    void protectedKeyIsNotDeleted() throws Exception {
        var key = kms.key();
        protect(key, true);
        shows(key, "DeletionProtection", "Enabled");
        kms.fails("Rejected.StateModifiedFailed", 409, "ScheduleKeyDeletion", deletion(key));
        protect(key, false);
        kms.call("ScheduleKeyDeletion", deletion(key));
        shows(key, "KeyState", "PendingDeletion");
    }

    @Test
    void deletionIsCancelled() throws Exception {
        var key = kms.key();
        kms.call("ScheduleKeyDeletion", deletion(key));
        shows(key, "KeyState", "PendingDeletion");
        assertTrue(text(kms.describe(key), "DeleteDate").endsWith("Z"));
        kms.fails("Rejected.PendingDeletion", 409, "Encrypt", Map.of("KeyId", key, "Plaintext", "aGk="));
        kms.fails("Rejected.StateModifiedFailed", 409, "ScheduleKeyDeletion", deletion(key));
        kms.call("CancelKeyDeletion", Map.of("KeyId", key));
        shows(key, "KeyState", "Enabled");
    }

    @Test
    void shorterKeysEncrypt() throws Exception {
        for (var spec : List.of("Aliyun_AES_192", "Aliyun_AES_128")) {
            var key = kms.key(Map.of("KeySpec", spec));
            shows(key, "KeySpec", spec);
            assertArrayEquals(TEXT, kms.decrypt(kms.encrypt(key, TEXT)));
        }
    }

    @Test
    void externalKeyWaitsForItsMaterial() throws Exception {
        shows(kms.key(Map.of("Origin", "EXTERNAL")), "KeyState", "PendingImport");
    }

    @Test
    void newVersionIsPrimaryAndTheOldOneStillDecrypts() throws Exception {
        var key = kms.key();
        var first = text(kms.describe(key), "PrimaryKeyVersion");
        var old = kms.encrypt(key, TEXT);
        var made = object(kms.call("CreateKeyVersion", Map.of("KeyId", key)), "KeyVersion");
        var second = text(made, "KeyVersionId");
        assertNotEquals(first, second);
        shows(key, "PrimaryKeyVersion", second);
        assertArrayEquals(TEXT, kms.decrypt(old));

        var listed = kms.call("ListKeyVersions", Map.of("KeyId", key, "PageNumber", 1, "PageSize", 10));
        assertEquals(List.of(first, second), texts(items(listed, "KeyVersions"), "KeyVersionId"));
        assertEquals(2, listed.get("TotalCount"));
        for (var version : List.of(first, second)) {
            var named = Map.<String, Object>of("KeyId", key, "KeyVersionId", version);
            var described = object(kms.call("DescribeKeyVersion", named), "KeyVersion");
            assertEquals(List.of(key, version), List.of(described.get("KeyId"), described.get("KeyVersionId")));
        }
    }

    @Test
    void rotationIsTurnedOnAndOff() throws Exception {
        var key = kms.key();
        var on = Map.<String, Object>of("KeyId", key, "EnableAutomaticRotation", true, "RotationInterval", "30d");
        kms.call("UpdateRotationPolicy", on);
        shows(key, "AutomaticRotation", "Enabled");
        shows(key, "RotationInterval", "2592000s");
        kms.call("UpdateRotationPolicy", Map.of("KeyId", key, "EnableAutomaticRotation", false));
        shows(key, "AutomaticRotation", "Disabled");
    }

    private void shows(String key, String field, String value) throws Exception {
        assertEquals(value, kms.describe(key).get(field), field);
    }

    private void protect(String key, boolean on) throws Exception {
        var arn = kms.describe(key).get("Arn");
        kms.call("SetDeletionProtection", Map.of("ProtectedResourceArn", arn, "EnableDeletionProtection", on));
    }

    private static Map<String, Object> deletion(String key) {
        return Map.of("KeyId", key, "PendingWindowInDays", 7);
    }
}
