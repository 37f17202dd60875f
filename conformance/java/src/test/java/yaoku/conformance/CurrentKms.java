package yaoku.conformance;

import com.aliyun.kms20160120.Client;
import com.aliyun.tea.TeaException;
import com.aliyun.tea.TeaModel;
import com.aliyun.teaopenapi.models.Config;
import java.lang.reflect.InvocationTargetException;
import java.util.Map;

/** com.aliyun:kms20160120 */
final class CurrentKms implements Kms {
    private static final String MODELS = "com.aliyun.kms20160120.models.";
    private final Client client;

    CurrentKms(String keyId, String secret) {
        var config = new Config()
                .setAccessKeyId(keyId)
                .setAccessKeySecret(secret)
                .setEndpoint(Sdk.ENDPOINT)
                .setProtocol("http")
                .setRegionId(Sdk.REGION);
        try {
            client = new Client(config);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public Map<String, Object> call(String action, Map<String, Object> params) throws Exception {
        var response = (TeaModel) send(action, params);
        return ((TeaModel) response.getClass().getMethod("getBody").invoke(response)).toMap();
    }

    private Object send(String action, Map<String, Object> params) throws Exception {
        var method = action.substring(0, 1).toLowerCase() + action.substring(1);
        try {
            if (takesNothing(method)) {
                return Client.class.getMethod(method).invoke(client);
            }
            var type = Class.forName(MODELS + action + "Request");
            var request = type.getMethod("build", Map.class).invoke(null, params);
            return Client.class.getMethod(method, type).invoke(client, request);
        } catch (InvocationTargetException e) {
            throw (Exception) e.getCause();
        }
    }

    private static boolean takesNothing(String method) {
        try {
            Client.class.getMethod(method);
            return true;
        } catch (NoSuchMethodException e) {
            return false;
        }
    }

    @Override
    public Class<? extends Exception> exception() {
        return TeaException.class;
    }

    @Override
    public Failure failure(Exception raised) {
        var exception = (TeaException) raised;
        var requestId = String.valueOf(exception.getData().get("RequestId"));
        return new Failure(exception.getCode(), exception.getMessage(), requestId, exception.getStatusCode());
    }
}
