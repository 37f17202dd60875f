package yaoku.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static yaoku.conformance.Kms.encode;
import static yaoku.conformance.Kms.items;
import static yaoku.conformance.Kms.text;
import static yaoku.conformance.Kms.texts;
import static yaoku.conformance.Kms.with;

import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Point 16 of the conformance list. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class SecretsTest {
    private static final String NOT_FOUND = "Forbidden.ResourceNotFound";
    private final Kms kms;
    private final String name = "conformance/" + UUID.randomUUID();
    private final Map<String, Object> secret = Map.of("SecretName", name);

    SecretsTest(Sdk sdk) {
        kms = sdk.connect();
    }

    @Test
    void life() throws Exception {
        var key = kms.key();
        var tags = "[{\"TagKey\":\"team\",\"TagValue\":\"red\"}]";
        create(Map.of("Description", "描述 & description", "EncryptionKeyId", key, "Tags", tags));
        var shown = kms.call("DescribeSecret", with(secret, Map.of("FetchTags", "true")));
        assertEquals("acs:kms:%s:%s:secret/%s".formatted(Sdk.REGION, Sdk.ACCOUNT, name), text(shown, "Arn"));
        assertEquals("描述 & description", text(shown, "Description"));
        assertEquals(key, text(shown, "EncryptionKeyId"));
        assertEquals(List.of("red"), texts(items(shown, "Tags"), "TagValue"));
        kms.call("UpdateSecret", with(secret, Map.of("Description", "new")));
        assertEquals("new", text(kms.call("DescribeSecret", secret), "Description"));
        var filters = "[{\"Key\":\"SecretName\",\"Values\":[\"%s\"]}]".formatted(name);
        assertEquals(List.of(name), texts(items(kms.call("ListSecrets", Map.of("Filters", filters)), "SecretList"), "SecretName"));
        kms.call("DisableKey", Map.of("KeyId", key));
        kms.fails("Rejected.Disabled", 409, "GetSecretValue", secret);
        kms.call("EnableKey", Map.of("KeyId", key));
        kms.call("DeleteSecret", with(secret, Map.of("RecoveryWindowInDays", "7")));
        kms.fails("Rejected.ResourceInDeleteWindow", 409, "GetSecretValue", secret);
        kms.call("RestoreSecret", secret);
        assertEquals("first", data(Map.of()));
        kms.call("DeleteSecret", with(secret, Map.of("ForceDeleteWithoutRecovery", "true")));
        kms.fails(NOT_FOUND, 404, "GetSecretValue", secret);
    }

    @Test
    void versionsAndStages() throws Exception {
        var first = "值 +&=*~'\" first";
        create(Map.of("SecretData", first));
        kms.fails("Rejected.ResourceExist", 409, "CreateSecret", version("v1", "x"));
        kms.call("PutSecretValue", version("v2", "second"));
        kms.call("PutSecretValue", with(version("v3", "third"), Map.of("VersionStages", "[\"blue\"]")));
        for (var stage : Map.of("ACSCurrent", "second", "ACSPrevious", first, "blue", "third").entrySet()) {
            assertEquals(stage.getValue(), data(Map.of("VersionStage", stage.getKey())), stage.getKey());
        }
        moveStage("ACSCurrent", "MoveToVersion");
        assertEquals("third", data(Map.of()));
        assertEquals("second", data(Map.of("VersionId", "v2")));
        moveStage("blue", "RemoveFromVersion");
        kms.fails(NOT_FOUND, 404, "GetSecretValue", with(secret, Map.of("VersionStage", "blue")));
        var listed = kms.call("ListSecretVersionIds", with(secret, Map.of("IncludeDeprecated", "true")));
        assertEquals(List.of("v1", "v2", "v3"), texts(items(listed, "VersionIds"), "VersionId"));
    }

    @Test
    void bytes() throws Exception {
        var bytes = encode(new byte[30_720]);
        create(Map.of("SecretData", bytes, "SecretDataType", "binary"));
        assertEquals(bytes, data(Map.of()));
    }

    @Test
    void password() throws Exception {
        var params = Map.<String, Object>of("PasswordLength", "48", "ExcludePunctuation", "true");
        assertTrue(text(kms.call("GetRandomPassword", params), "RandomPassword").matches("[A-Za-z0-9]{48}"));
    }

    private void create(Map<String, Object> params) throws Exception {
        kms.call("CreateSecret", with(version("v1", "first"), params));
    }

    private Map<String, Object> version(String id, String data) {
        return Map.of("SecretName", name, "VersionId", id, "SecretData", data);
    }

    private void moveStage(String stage, String parameter) throws Exception {
        kms.call("UpdateSecretVersionStage", with(secret, Map.of("VersionStage", stage, parameter, "v3")));
    }

    private String data(Map<String, Object> params) throws Exception {
        return text(kms.call("GetSecretValue", with(secret, params)), "SecretData");
    }
}
