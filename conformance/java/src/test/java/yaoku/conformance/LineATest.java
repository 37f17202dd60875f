package yaoku.conformance;

import java.util.Optional;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/** Prints a line a test, which Maven when told to be quiet does not. */
public class LineATest implements TestExecutionListener {
    private TestPlan plan;
    private int passed;
    private int failed;

    @Override
    public void testPlanExecutionStarted(TestPlan started) {
        plan = started;
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        var failure = result.getStatus() != Status.SUCCESSFUL;
        // A container is only told of when it fails, as when no key can be made for its tests.
        if (!test.isTest() && !failure) {
            return;
        }
        if (failure) {
            failed++;
        } else {
            passed++;
        }
        System.out.println((failure ? "FAILED " : "passed ") + path(test));
    }

    @Override
    public void testPlanExecutionFinished(TestPlan finished) {
        System.out.println(passed + " passed, " + failed + " failed");
    }

    /** Such as `CryptoTest OLDER_XML reencrypt`. */
    private String path(TestIdentifier test) {
        Optional<TestIdentifier> parent = plan.getParent(test).filter(it -> it.getParentId().isPresent());
        return parent.map(it -> path(it) + " ").orElse("") + test.getDisplayName().replaceFirst("\\(.*", "");
    }
}
