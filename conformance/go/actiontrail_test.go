package conformance

// The audit log through ActionTrail's own client: what was done is looked up, page by page.

import (
	"slices"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/actiontrail"
)

func TestEventsOfAKeyAreLookedUp(t *testing.T) {
	config := sdk.NewConfig().WithScheme("HTTP")
	trail, err := actiontrail.NewClientWithOptions(region, config, credentials.NewAccessKeyCredential(root.keyID, root.secret))
	if err != nil {
		t.Fatal(err)
	}
	trail.Domain = endpoint
	lookup := func(attribute, value, next string) *actiontrail.LookupEventsResponse {
		request := actiontrail.CreateLookupEventsRequest()
		request.LookupAttribute = &[]actiontrail.LookupEventsLookupAttribute{{Key: attribute, Value: value}}
		request.Direction, request.MaxResults, request.NextToken = "FORWARD", "2", next
		answer, err := trail.LookupEvents(request)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	each(t, func(k kms) {
		key := k.newKey(object{"Description": "looked up"})
		k.call("DisableKey", object{"KeyId": key})
		k.fails("Rejected.Disabled", 409, "Encrypt", object{"KeyId": key, "Plaintext": "aGk="})
		var names, errors []string
		for next := ""; ; {
			page := lookup("ResourceName", key, next)
			for _, event := range page.Events {
				names = append(names, text(event, "eventName"))
				code, _ := event["errorCode"].(string)
				errors = append(errors, code)
				k.same("account", text(event, "userIdentity.accountId"), account)
				k.same("AccessKey", text(event, "userIdentity.accessKeyId"), root.keyID)
				k.same("kind", text(event, "resourceType"), "ACS::KMS::Key")
			}
			if next = page.NextToken; next == "" {
				break
			}
		}
		if !slices.Equal(names, []string{"CreateKey", "DisableKey", "Encrypt"}) {
			k.Errorf("events: %v", names)
		}
		if !slices.Equal(errors, []string{"", "", "Rejected.Disabled"}) {
			k.Errorf("error codes: %v", errors)
		}
	})
	if found := lookup("ResourceType", "ACS::ECS::Instance", "").Events; len(found) > 0 {
		t.Errorf("events of another product: %v", found)
	}
}
