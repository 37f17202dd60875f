package yaoku.conformance;

import com.aliyuncs.http.FormatType;

/** What every scenario runs under; the older SDK twice, with its default of JSON and with XML. */
enum Sdk {
    CURRENT, OLDER, OLDER_XML;

    static final String ENDPOINT = System.getenv("YAOKU_ENDPOINT");
    static final String KEY_ID = System.getenv("YAOKU_ACCESS_KEY_ID");
    static final String SECRET = System.getenv("YAOKU_ACCESS_KEY_SECRET");
    static final String REGION = System.getenv("YAOKU_REGION");
    static final String ACCOUNT = System.getenv("YAOKU_ACCOUNT_ID");

    Kms connect() {
        return connect(KEY_ID, SECRET);
    }

    Kms connect(String keyId, String secret) {
        return switch (this) {
            case CURRENT -> new CurrentKms(keyId, secret);
            case OLDER -> new OlderKms(keyId, secret, null);
            case OLDER_XML -> new OlderKms(keyId, secret, FormatType.XML);
        };
    }
}
