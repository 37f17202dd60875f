package yaoku.caching;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.aliyuncs.DefaultAcsClient;
import com.aliyuncs.RpcAcsRequest;
import com.aliyuncs.http.ProtocolType;
import com.aliyuncs.kms.model.v20160120.CreateSecretRequest;
import com.aliyuncs.kms.model.v20160120.PutSecretValueRequest;
import com.aliyuncs.kms.secretsmanager.client.SecretCacheClientBuilder;
import com.aliyuncs.profile.DefaultProfile;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** The official caching client for Java, set up from the environment as its documentation has it. */
class CachingTest {
    /** Makes and changes what the caching client reads. */
    private final DefaultAcsClient owner = new DefaultAcsClient(DefaultProfile.getProfile(
            System.getenv("YAOKU_REGION"), System.getenv("YAOKU_ACCESS_KEY_ID"), System.getenv("YAOKU_ACCESS_KEY_SECRET")));

    @Test
    void aSecretIsReadOnceAndAgainWhenItIsRefreshed() throws Exception {
        var name = "caching/" + UUID.randomUUID();
        var create = new CreateSecretRequest();
        create.setSecretName(name);
        create.setVersionId("v1");
        create.setSecretData("first");
        send(create);
        try (var client = SecretCacheClientBuilder.newClient()) {
            assertEquals("first", client.getStringValue(name));
            var put = new PutSecretValueRequest();
            put.setSecretName(name);
            put.setVersionId("v2");
            put.setSecretData("second");
            send(put);
            assertEquals("first", client.getStringValue(name));
            assertTrue(client.refreshNow(name));
            assertEquals("second", client.getStringValue(name));
            var info = client.getSecretInfo(name);
            assertEquals("v2", info.getVersionId());
            assertEquals("Generic", info.getSecretType());
        }
    }

    @Test
    void aSecretThatIsNotThereIsAnError() throws Exception {
        try (var client = SecretCacheClientBuilder.newClient()) {
            assertThrows(Exception.class, () -> client.getSecretInfo("caching/none"));
        }
    }

    private void send(RpcAcsRequest<?> request) throws Exception {
        request.setSysProtocol(ProtocolType.HTTPS);
        request.setSysEndpoint(System.getenv("YAOKU_ENDPOINT"));
        owner.getAcsResponse(request);
    }
}
