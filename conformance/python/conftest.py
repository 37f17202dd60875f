"""Both SDKs behind one small face, so that every scenario runs under each.

`kms.call(action, **params)` sends a request with the SDK's own request type and gives the body as plain dictionaries;
a failure is raised by the SDK as its own exception, and told apart by `kms.error`.
"""

import base64
import importlib
import json
import os

import pytest

ENDPOINT = os.environ["YAOKU_ENDPOINT"]
KEY_ID = os.environ["YAOKU_ACCESS_KEY_ID"]
SECRET = os.environ["YAOKU_ACCESS_KEY_SECRET"]
REGION = os.environ["YAOKU_REGION"]
ACCOUNT = os.environ["YAOKU_ACCOUNT_ID"]
OTHER_ACCOUNT = os.environ["YAOKU_OTHER_ACCOUNT_ID"]
OTHER_KEY_ID = os.environ["YAOKU_OTHER_ACCESS_KEY_ID"]
OTHER_SECRET = os.environ["YAOKU_OTHER_ACCESS_KEY_SECRET"]


class Failure:
    """What an SDK's exception says."""

    def __init__(self, code, message, request_id, status):
        self.code, self.message, self.request_id, self.status = code, message, request_id, status


class Kms:
    """What the scenarios need beyond single calls."""

    def key(self, **params):
        return self.call("CreateKey", **params)["KeyMetadata"]["KeyId"]

    def describe(self, key):
        return self.call("DescribeKey", KeyId=key)["KeyMetadata"]

    def encrypt(self, key, plaintext, **params):
        text = base64.b64encode(plaintext).decode()
        return self.call("Encrypt", KeyId=key, Plaintext=text, **params)["CiphertextBlob"]

    def decrypt(self, blob, **params):
        return base64.b64decode(self.call("Decrypt", CiphertextBlob=blob, **params)["Plaintext"])

    def fails(self, code, status, action, **params):
        with pytest.raises(self.exception) as raised:
            self.call(action, **params)
        failure = self.error(raised.value)
        assert failure.code == code, f"{action}: {failure.code} {failure.message}"
        assert failure.status == status, f"{action}: HTTP status"
        assert failure.message, f"{action}: no message"
        assert len(failure.request_id) == 36, f"{action}: request id {failure.request_id!r}"
        return failure


class Current(Kms):
    """alibabacloud_kms20160120"""

    package = "alibabacloud_kms20160120"

    def __init__(self, key_id=KEY_ID, secret=SECRET, token=None):
        from alibabacloud_tea_openapi.models import Config
        from Tea.exceptions import TeaException

        config = Config(
            access_key_id=key_id,
            access_key_secret=secret,
            security_token=token,
            endpoint=ENDPOINT,
            protocol="http",
            region_id=REGION,
        )
        module = importlib.import_module(self.package + ".client")
        self.models = importlib.import_module(self.package + ".models")
        self.client, self.exception = module.Client(config), TeaException
        try:
            from darabonba.exceptions import DaraException

            self.exception = (TeaException, DaraException)
        except ImportError:
            pass

    def call(self, action, **params):
        method = "".join("_" + c.lower() if c.isupper() else c for c in action).lstrip("_")
        request = getattr(self.models, action + "Request", None)
        if request is None:
            return getattr(self.client, method)().body.to_map()
        return getattr(self.client, method)(request().from_map(params)).body.to_map()

    def error(self, raised):
        data = getattr(raised, "data", None) or {}
        request_id = getattr(raised, "request_id", None) or data.get("RequestId") or ""
        status = getattr(raised, "status_code", None) or data.get("statusCode") or data.get("httpCode")
        return Failure(raised.code, raised.message, request_id, status)


class Ram(Current):
    """alibabacloud_ram20150501"""

    package = "alibabacloud_ram20150501"


class Sts(Current):
    """alibabacloud_sts20150401"""

    package = "alibabacloud_sts20150401"


class Older(Kms):
    """aliyun-python-sdk-kms"""

    def __init__(self, key_id=KEY_ID, secret=SECRET, token=None):
        from aliyunsdkcore.acs_exception.exceptions import ServerException
        from aliyunsdkcore.auth.credentials import StsTokenCredential
        from aliyunsdkcore.client import AcsClient

        if token is None:
            self.client = AcsClient(key_id, secret, REGION)
        else:
            self.client = AcsClient(region_id=REGION, credential=StsTokenCredential(key_id, secret, token))
        self.exception = ServerException

    def call(self, action, **params):
        module = __import__(f"aliyunsdkkms.request.v20160120.{action}Request", fromlist=["x"])
        request = getattr(module, action + "Request")()
        request.set_protocol_type("http")
        request.set_accept_format("json")
        request.set_endpoint(ENDPOINT)
        for name, value in params.items():
            if isinstance(value, dict):
                value = json.dumps(value, ensure_ascii=False)
            if name == "Tag":
                value = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in value]
            setter = {"Tag": "set_Tags", "ResourceId": "set_ResourceIds", "TagKey": "set_TagKeys"}
            plural = action in ("TagResources", "UntagResources", "ListTagResources")
            chosen = setter.get(name) if plural and hasattr(request, setter.get(name, "-")) else f"set_{name}"
            if hasattr(request, chosen):
                getattr(request, chosen)(value)
            else:
                request.add_query_param(name, value)
        return json.loads(self.client.do_action_with_exception(request))

    def error(self, raised):
        return Failure(raised.get_error_code(), raised.get_error_msg(), raised.get_request_id(), raised.get_http_status())


@pytest.fixture(params=[Current, Older], ids=["current", "older"], scope="session")
def sdk(request):
    """The class of one SDK, for clients with other credentials."""
    return request.param


@pytest.fixture(scope="session")
def kms(sdk):
    return sdk()
