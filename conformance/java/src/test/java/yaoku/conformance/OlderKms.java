package yaoku.conformance;

import com.aliyuncs.AcsRequest;
import com.aliyuncs.AcsResponse;
import com.aliyuncs.DefaultAcsClient;
import com.aliyuncs.exceptions.ClientException;
import com.aliyuncs.http.FormatType;
import com.aliyuncs.http.ProtocolType;
import com.aliyuncs.profile.DefaultProfile;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/** com.aliyun:aliyun-java-sdk-kms */
final class OlderKms implements Kms {
    private static final String MODELS = "com.aliyuncs.kms.model.v20160120.";
    // Escaped, `&`, `=` and quotes would not be on the wire as they are.
    private static final Gson JSON = new GsonBuilder().disableHtmlEscaping().create();
    private final DefaultAcsClient client;
    private final FormatType format;

    /** A null format leaves the SDK's default. */
    OlderKms(String keyId, String secret, FormatType format) {
        this.client = new DefaultAcsClient(DefaultProfile.getProfile(Sdk.REGION, keyId, secret));
        this.format = format;
    }

    @Override
    public Map<String, Object> call(String action, Map<String, Object> params) throws Exception {
        return toMap(client.getAcsResponse(request(action, params)));
    }

    FormatType formatOfAnswer(String action, Map<String, Object> params) throws Exception {
        return client.doAction(request(action, params)).getHttpContentType();
    }

    @SuppressWarnings("unchecked")
    private AcsRequest<AcsResponse> request(String action, Map<String, Object> params) throws Exception {
        var request = (AcsRequest<AcsResponse>) fill(Class.forName(MODELS + action + "Request"), params);
        request.setSysProtocol(ProtocolType.HTTP);
        request.setSysEndpoint(Sdk.ENDPOINT);
        if (format != null) {
            request.setSysAcceptFormat(format);
        }
        return request;
    }

    private static Object fill(Class<?> type, Map<?, ?> params) throws Exception {
        var object = type.getDeclaredConstructor().newInstance();
        for (var param : params.entrySet()) {
            var setter = setter(type, "set" + param.getKey());
            setter.invoke(object, fit(param.getValue(), setter.getGenericParameterTypes()[0]));
        }
        return object;
    }

    /** A list's setter is named in the plural. */
    private static Method setter(Class<?> type, String name) {
        return Stream.of(type.getMethods())
                .filter(method -> Set.of(name, name + "s").contains(method.getName()))
                .findFirst()
                .orElseThrow(() -> new AssertionError(type + " has no " + name));
    }

    /** An object is JSON where the SDK takes text, and one of the SDK's own where it takes a list of them. */
    private static Object fit(Object value, Type type) throws Exception {
        if (value instanceof List<?> list) {
            var item = ((ParameterizedType) type).getActualTypeArguments()[0];
            var fitted = new ArrayList<>();
            for (var element : list) {
                fitted.add(fit(element, item));
            }
            return fitted;
        }
        if (value instanceof Map<?, ?> map) {
            return type == String.class ? JSON.toJson(map) : fill((Class<?>) type, map);
        }
        return value;
    }

    private static Map<String, Object> toMap(Object response) throws Exception {
        var map = new HashMap<String, Object>();
        for (var method : response.getClass().getDeclaredMethods()) {
            if (method.getName().startsWith("get") && method.getParameterCount() == 0) {
                map.put(method.getName().substring("get".length()), plain(method.invoke(response)));
            }
        }
        return map;
    }

    private static Object plain(Object value) throws Exception {
        if (value instanceof List<?> list) {
            var items = new ArrayList<>();
            for (var item : list) {
                items.add(plain(item));
            }
            return items;
        }
        return value != null && value.getClass().getName().startsWith(MODELS) ? toMap(value) : value;
    }

    @Override
    public Class<? extends Exception> exception() {
        return ClientException.class;
    }

    @Override
    public Failure failure(Exception raised) {
        var exception = (ClientException) raised;
        return new Failure(exception.getErrCode(), exception.getErrMsg(), exception.getRequestId(), null);
    }
}
