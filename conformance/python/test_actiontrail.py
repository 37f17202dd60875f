"""The audit log through ActionTrail's own SDK."""

import pytest
from alibabacloud_actiontrail20200706 import models
from alibabacloud_actiontrail20200706.client import Client
from alibabacloud_tea_openapi.utils_models import Config

from conftest import ACCOUNT, ENDPOINT, KEY_ID, REGION, SECRET


@pytest.fixture
def trail():
    config = Config(
        access_key_id=KEY_ID, access_key_secret=SECRET, endpoint=ENDPOINT, protocol="http", region_id=REGION
    )
    return Client(config)


def lookup(trail, key=None, value=None, **params):
    attribute = [models.LookupEventsRequestLookupAttribute(key=key, value=value)] if key else None
    return trail.lookup_events(models.LookupEventsRequest(lookup_attribute=attribute, **params)).body


def test_events_of_a_key_are_found(kms, trail):
    key = kms.key(Description="looked up")
    blob = kms.encrypt(key, b"hi")
    kms.decrypt(blob)
    events = lookup(trail, "ResourceName", key, direction="FORWARD").events
    assert [event["eventName"] for event in events] == ["CreateKey", "Encrypt", "Decrypt"]
    made = events[0]
    assert made["userIdentity"]["accountId"] == ACCOUNT
    assert made["userIdentity"]["accessKeyId"] == KEY_ID
    assert made["requestParameters"]["Description"] == "looked up"
    assert made["responseElements"]["KeyMetadata"]["KeyId"] == key
    assert made["referencedResources"] == {"ACS::KMS::Key": [key]}
    assert lookup(trail, "EventId", made["eventId"]).events == [made]


def test_pages(kms, trail):
    key = kms.key()
    for _ in range(5):
        kms.describe(key)
    found, token = [], None
    while True:
        page = lookup(trail, "ResourceName", key, max_results="2", next_token=token)
        found += [event["eventName"] for event in page.events]
        token = page.next_token
        if token is None:
            break
    assert found == ["DescribeKey"] * 5 + ["CreateKey"]
