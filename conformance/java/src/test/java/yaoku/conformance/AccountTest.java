package yaoku.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static yaoku.conformance.Kms.items;
import static yaoku.conformance.Kms.texts;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Paging over all that an account has, and the account: points 7 and 8 of the conformance list. */
@ParameterizedClass(name = "{0}")
@EnumSource(Sdk.class)
class AccountTest {
    private final Kms kms;

    AccountTest(Sdk sdk) {
        kms = sdk.connect();
    }

    @Test
    void pagesHoldEachKeyOnce() throws Exception {
        var made = new ArrayList<String>();
        for (var n = 0; n < 250; n++) {
            made.add(kms.key());
        }
        onceOverPages("ListKeys", "Keys", "KeyId", 100, made);
    }

    @Test
    void pagesHoldEachAliasOnce() throws Exception {
        var key = kms.key();
        var made = new ArrayList<String>();
        for (var n = 0; n < 25; n++) {
            var alias = "alias/%s/%d".formatted(UUID.randomUUID(), n);
            kms.call("CreateAlias", Map.of("AliasName", alias, "KeyId", key));
            made.add(alias);
        }
        onceOverPages("ListAliases", "Aliases", "AliasName", 10, made);
    }

    private void onceOverPages(String action, String list, String name, int size, List<String> made) throws Exception {
        var found = new ArrayList<String>();
        for (var number = 1; ; number++) {
            var page = kms.call(action, Map.of("PageNumber", number, "PageSize", size));
            assertEquals(List.of(number, size), List.of(page.get("PageNumber"), page.get("PageSize")));
            var names = texts(items(page, list), name);
            found.addAll(names);
            assertTrue(names.size() <= size, () -> "a page of " + names.size());
            if (names.isEmpty()) {
                assertEquals(found.size(), page.get("TotalCount"));
                break;
            }
        }
        var distinct = new HashSet<>(found);
        assertEquals(distinct.size(), found.size(), "something is on two pages");
        assertTrue(distinct.containsAll(made), "something is on no page");
    }

    @Test
    void regionsAreTheOneServed() throws Exception {
        assertEquals(List.of(Map.of("RegionId", Sdk.REGION)), items(kms.call("DescribeRegions"), "Regions"));
    }

    @Test
    void accountIsEnabled() throws Exception {
        assertEquals("Enabled", kms.call("DescribeAccountKmsStatus").get("AccountStatus"));
    }

    @Test
    void serviceIsAlreadyOpen() {
        kms.fails("Forbidden.Opened", 400, "OpenKmsService", Map.of());
    }
}
