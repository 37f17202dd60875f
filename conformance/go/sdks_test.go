// Package conformance drives the server with both official Go SDKs.
//
// Both stand behind one small face, so that every scenario runs under each: call sends a request of the SDK's own type
// through the client's own method, and gives the SDK's own response as plain maps; explain reads the SDK's own error.
package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	current "github.com/alibabacloud-go/kms-20160120/v3/client"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	oldererrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	older "github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
)

var (
	endpoint = setting("YAOKU_ENDPOINT")
	root     = credential{keyID: setting("YAOKU_ACCESS_KEY_ID"), secret: setting("YAOKU_ACCESS_KEY_SECRET")}
	region   = setting("YAOKU_REGION")
	account  = setting("YAOKU_ACCOUNT_ID")
	other    = credential{keyID: setting("YAOKU_OTHER_ACCESS_KEY_ID"), secret: setting("YAOKU_OTHER_ACCESS_KEY_SECRET")}
	// otherAccount is the account whose root has the credential other.
	otherAccount = setting("YAOKU_OTHER_ACCOUNT_ID")
)

// credential is an AccessKey, and of a session also its SecurityToken.
type credential struct{ keyID, secret, token string }

// setting insists on a variable, because the SDKs take an empty one and crash later.
func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set")
	}
	return value
}

// object is a set of parameters, or a response or a part of one.
type object = map[string]any

// face is what the scenarios see of an SDK.
type face interface {
	call(action string, params object) (object, error)
	// explain gives ok = false for an error that does not come from the server.
	explain(err error) (said failure, ok bool)
}

// failure is what an SDK's error says.
type failure struct {
	code, message, requestID string
	status                   int
}

// connect makes a client of one SDK.
type connect func(who credential) (face, error)

var sdks = []struct {
	name    string
	connect connect
}{{"current", connectCurrent}, {"older", connectOlder}}

// currentSDK is github.com/alibabacloud-go/kms-20160120.
type currentSDK struct{ client *current.Client }

func connectCurrent(who credential) (face, error) {
	config := &openapi.Config{
		AccessKeyId:     &who.keyID,
		AccessKeySecret: &who.secret,
		Endpoint:        &endpoint,
		RegionId:        &region,
		Protocol:        tea.String("http"),
	}
	if who.token != "" {
		config.SecurityToken = &who.token
	}
	client, err := current.NewClient(config)
	return currentSDK{client}, err
}

func (s currentSDK) call(action string, params object) (object, error) {
	method := reflect.ValueOf(s.client).MethodByName(action)
	if !method.IsValid() {
		return nil, fmt.Errorf("the SDK has no %s", action)
	}
	if method.Type().NumIn() == 0 {
		return invoke(method)
	}
	request := reflect.New(method.Type().In(0).Elem())
	if err := convert(params, request.Interface()); err != nil {
		return nil, err
	}
	return invoke(method, request)
}

func (currentSDK) explain(err error) (failure, bool) {
	var raised *tea.SDKError
	if !errors.As(err, &raised) || raised.Data == nil {
		return failure{}, false
	}
	// The error's own Message is never empty, because the SDK writes more around what the server said.
	var data struct{ Message, RequestId string }
	if json.Unmarshal([]byte(*raised.Data), &data) != nil {
		return failure{}, false
	}
	return failure{
		code:      tea.StringValue(raised.Code),
		message:   data.Message,
		requestID: data.RequestId,
		status:    tea.IntValue(raised.StatusCode),
	}, true
}

// olderSDK is github.com/aliyun/alibaba-cloud-sdk-go: a client of one of its services, and the constructors of that
// service's requests, because only they know product, version and action of a request.
type olderSDK struct {
	client       any
	constructors []any
}

func connectOlder(who credential) (face, error) {
	client, err := older.NewClientWithOptions(region, olderConfig(), who.older())
	if err == nil {
		client.Domain = endpoint
	}
	return olderSDK{client, olderRequests}, err
}

func olderConfig() *sdk.Config { return sdk.NewConfig().WithScheme("HTTP") }

func (who credential) older() auth.Credential {
	if who.token != "" {
		return credentials.NewStsTokenCredential(who.keyID, who.secret, who.token)
	}
	return credentials.NewAccessKeyCredential(who.keyID, who.secret)
}

func (s olderSDK) call(action string, params object) (object, error) {
	request, err := s.request(action)
	if err != nil {
		return nil, err
	}
	for name, value := range params {
		if err := setField(request.Elem().FieldByName(name), value); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", name, action, err)
		}
	}
	return invoke(reflect.ValueOf(s.client).MethodByName(action), request)
}

func (olderSDK) explain(err error) (failure, bool) {
	var raised *oldererrors.ServerError
	if !errors.As(err, &raised) {
		return failure{}, false
	}
	return failure{
		code:      raised.ErrorCode(),
		message:   raised.Message(),
		requestID: raised.RequestId(),
		status:    raised.HttpStatus(),
	}, true
}

// olderRequests are the constructors of requests to KMS.
var olderRequests = []any{
	older.CreateAsymmetricDecryptRequest,
	older.CreateAsymmetricEncryptRequest,
	older.CreateAsymmetricSignRequest,
	older.CreateAsymmetricVerifyRequest,
	older.CreateCancelKeyDeletionRequest,
	older.CreateCreateAliasRequest,
	older.CreateCreateKeyRequest,
	older.CreateCreateKeyVersionRequest,
	older.CreateCreateSecretRequest,
	older.CreateDecryptRequest,
	older.CreateDeleteAliasRequest,
	older.CreateDeleteKeyMaterialRequest,
	older.CreateDeleteSecretRequest,
	older.CreateDescribeAccountKmsStatusRequest,
	older.CreateDescribeKeyRequest,
	older.CreateDescribeKeyVersionRequest,
	older.CreateDescribeRegionsRequest,
	older.CreateDescribeSecretRequest,
	older.CreateDisableKeyRequest,
	older.CreateEnableKeyRequest,
	older.CreateEncryptRequest,
	older.CreateExportDataKeyRequest,
	older.CreateGenerateAndExportDataKeyRequest,
	older.CreateGenerateDataKeyRequest,
	older.CreateGenerateDataKeyWithoutPlaintextRequest,
	older.CreateGetParametersForImportRequest,
	older.CreateGetPublicKeyRequest,
	older.CreateGetRandomPasswordRequest,
	older.CreateGetSecretValueRequest,
	older.CreateImportKeyMaterialRequest,
	older.CreateListAliasesByKeyIdRequest,
	older.CreateListAliasesRequest,
	older.CreateListKeysRequest,
	older.CreateListKeyVersionsRequest,
	older.CreateListResourceTagsRequest,
	older.CreateListSecretsRequest,
	older.CreateListSecretVersionIdsRequest,
	older.CreateListTagResourcesRequest,
	older.CreateOpenKmsServiceRequest,
	older.CreatePutSecretValueRequest,
	older.CreateReEncryptRequest,
	older.CreateRestoreSecretRequest,
	older.CreateScheduleKeyDeletionRequest,
	older.CreateSetDeletionProtectionRequest,
	older.CreateTagResourceRequest,
	older.CreateTagResourcesRequest,
	older.CreateUntagResourceRequest,
	older.CreateUntagResourcesRequest,
	older.CreateUpdateAliasRequest,
	older.CreateUpdateKeyDescriptionRequest,
	older.CreateUpdateRotationPolicyRequest,
	older.CreateUpdateSecretRequest,
	older.CreateUpdateSecretVersionStageRequest,
}

func (s olderSDK) request(action string) (reflect.Value, error) {
	for _, constructor := range s.constructors {
		request := reflect.ValueOf(constructor).Call(nil)[0]
		if request.Interface().(requests.AcsRequest).GetActionName() == action {
			return request, nil
		}
	}
	return reflect.Value{}, fmt.Errorf("no constructor for %s", action)
}

// setField sets a field of an older request, whose numbers, booleans and JSON maps are all kinds of strings.
func setField(field reflect.Value, value any) error {
	if !field.IsValid() {
		return errors.New("the SDK has no such parameter")
	}
	if field.Kind() != reflect.String {
		return convert(value, field.Addr().Interface())
	}
	switch value := value.(type) {
	case object:
		text, err := json.Marshal(value)
		field.SetString(string(text))
		return err
	default:
		field.SetString(fmt.Sprint(value))
		return nil
	}
}

// invoke calls a client's method. The current SDK's responses have the server's answer in Body.
func invoke(method reflect.Value, arguments ...reflect.Value) (object, error) {
	results := method.Call(arguments)
	if err, failed := results[1].Interface().(error); failed {
		return nil, err
	}
	response := results[0].Elem()
	if body := response.FieldByName("Body"); body.IsValid() {
		response = body
	}
	var answer object
	err := convert(response.Interface(), &answer)
	return answer, err
}

// convert goes through JSON, and refuses a parameter that the target does not have.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(to)
}
