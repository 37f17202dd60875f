package yaoku.conformance;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static yaoku.conformance.Kms.items;
import static yaoku.conformance.Kms.texts;
import static yaoku.conformance.Kms.with;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Points 5 and 6 of the conformance list. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class AliasesAndTagsTest {
    private static final byte[] TEXT = "hi".getBytes(UTF_8);
    private final Kms kms;
    private final String key;
    private final String other;
    private final String mark = UUID.randomUUID().toString();
    private final String alias = "alias/" + mark;
    private final String arn = "acs:kms:%s:%s:%s".formatted(Sdk.REGION, Sdk.ACCOUNT, alias);

    AliasesAndTagsTest(Sdk sdk) throws Exception {
        kms = sdk.connect();
        key = kms.key();
        other = kms.key();
    }

    @Test
    void aliasAndItsArnStandForTheKey() throws Exception {
        createAlias();
        for (var name : List.of(alias, arn)) {
            assertArrayEquals(TEXT, kms.decrypt(kms.encrypt(name, TEXT)));
            assertEquals(key, kms.describe(name).get("KeyId"));
        }
    }

    @Test
    void aliasIsListed() throws Exception {
        createAlias();
        var shown = Map.<String, Object>of("AliasName", alias, "AliasArn", arn, "KeyId", key);
        var listed = kms.call("ListAliasesByKeyId", Map.of("KeyId", key, "PageNumber", 1, "PageSize", 10));
        assertEquals(List.of(shown), items(listed, "Aliases"));
    }

    @Test
    void aliasMovesToAnotherKey() throws Exception {
        createAlias();
        kms.call("UpdateAlias", Map.of("AliasName", alias, "KeyId", other));
        assertEquals(other, kms.describe(alias).get("KeyId"));
    }

    @Test
    void deletedAliasIsUnknown() throws Exception {
        createAlias();
        kms.call("DeleteAlias", Map.of("AliasName", alias));
        kms.fails("Forbidden.AliasNotFound", 404, "DescribeKey", Map.of("KeyId", alias));
    }

    @Test
    void keyIsTagged() throws Exception {
        var tags = "[{\"TagKey\":\"mark\",\"TagValue\":\"%s\"}]".formatted(mark);
        kms.call("TagResource", Map.of("KeyId", key, "Tags", tags));
        assertEquals(List.of(Map.of("KeyId", key, "TagKey", "mark", "TagValue", mark)), tagsOfKey());
        kms.call("UntagResource", Map.of("KeyId", key, "TagKeys", "[\"mark\"]"));
        assertEquals(List.of(), tagsOfKey());
    }

    @Test
    void keysAreTaggedTogether() throws Exception {
        tagBoth();
        assertEquals(Set.of(key, other), Set.copyOf(texts(tagsOfBoth(), "ResourceId")));
        assertEquals(List.of("项目", "项目"), texts(tagsOfBoth(), "TagKey"));
        kms.call("UntagResources", with(both(), Map.of("TagKey", List.of("项目"))));
        assertEquals(List.of(), tagsOfBoth());
    }

    @Test
    void keysAreFilteredByTagAndState() throws Exception {
        tagBoth();
        kms.call("DisableKey", Map.of("KeyId", other));
        var name = filter("TagKey", "项目");
        var value = filter("TagValue", mark);
        assertEquals(Set.of(key, other), keys(name, value));
        assertEquals(Set.of(other), keys(name, value, filter("KeyState", "Disabled")));
    }

    private void createAlias() throws Exception {
        kms.call("CreateAlias", Map.of("AliasName", alias, "KeyId", key));
    }

    private List<Map<String, Object>> tagsOfKey() throws Exception {
        return items(kms.call("ListResourceTags", Map.of("KeyId", key)), "Tags");
    }

    private void tagBoth() throws Exception {
        kms.call("TagResources", with(both(), Map.of("Tag", List.of(Map.of("Key", "项目", "Value", mark)))));
    }

    private List<Map<String, Object>> tagsOfBoth() throws Exception {
        return items(kms.call("ListTagResources", both()), "TagResources");
    }

    private Map<String, Object> both() {
        return Map.of("RegionId", Sdk.REGION, "ResourceType", "key", "ResourceId", List.of(key, other));
    }

    private static String filter(String name, String value) {
        return "{\"Key\":\"%s\",\"Values\":[\"%s\"]}".formatted(name, value);
    }

    private Set<String> keys(String... filters) throws Exception {
        var found = items(kms.call("ListKeys", Map.of("Filters", List.of(filters).toString())), "Keys");
        return Set.copyOf(texts(found, "KeyId"));
    }
}
