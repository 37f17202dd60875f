package yaoku.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.aliyuncs.http.FormatType;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The older SDK reads whichever format comes, so only this shows that what it asked for is what it read. */
class FormatTest {
    @ParameterizedTest(name = "{0}")
    @EnumSource(names = {"JSON", "XML"})
    void successAndFailureAreIn(FormatType format) throws Exception {
        var kms = new OlderKms(Sdk.KEY_ID, Sdk.SECRET, format);
        assertEquals(format, kms.formatOfAnswer("DescribeRegions", Map.of()));
        assertEquals(format, kms.formatOfAnswer("DescribeKey", Map.of("KeyId", UUID.randomUUID().toString())));
    }
}
