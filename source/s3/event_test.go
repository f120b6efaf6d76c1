package s3_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
)

// direct is what S3 sends, with two events of one kind.
func direct(name string) string {
	return fmt.Sprintf(`{"Records":[
	{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2","eventTime":"2026-01-02T03:04:05.678Z","eventName":%q,
	 "userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},
	 "responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURIY8"},
	 "s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule","bucket":{"name":"feed","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},"arn":"arn:aws:s3:::feed"},
	 "object":{"key":"in/Happy+Face%%2B%%C3%%BC+%%2520.json","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}},
	{"eventVersion":"2.6","eventSource":"aws:s3","eventTime":"2026-01-02T03:04:06Z","eventName":%q,
	 "s3":{"bucket":{"name":"feed"},"object":{"key":"in/b","sequencer":"0055AED6DCD90281E6"}}}]}`, name, name)
}

// in puts a message into another.
func in(format, message string) string {
	text, _ := json.Marshal(message) // a string
	return fmt.Sprintf(format, text)
}

const (
	sns       = `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:us-east-1:1:t","Subject":"Amazon S3 Notification","Message":%s,"Timestamp":"2026-01-02T03:04:05.678Z","SignatureVersion":"1"}`
	sqsLambda = `{"Records":[{"messageId":"m","receiptHandle":"r","body":%s,"attributes":{},"messageAttributes":{},"md5OfBody":"x","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-2:1:q","awsRegion":"us-east-2"}]}`
	snsLambda = `{"Records":[{"EventVersion":"1.0","EventSubscriptionArn":"arn","EventSource":"aws:sns","Sns":{"Type":"Notification","Message":%s}}]}`
	testEvent = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"bucketname","RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"}`
	bridge    = `{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"Object Created","source":"aws.s3","account":"111122223333","time":"2026-01-02T03:04:05Z","region":"ca-central-1","resources":["arn:aws:s3:::feed"],
	"detail":{"version":"0","bucket":{"name":"feed"},"object":{"key":"in/Happy Face+ü %20.json","size":1024,"etag":"d41d8cd98f00b204e9800998ecf8427e","version-id":"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e","sequencer":"00617F08299329D189"},"request-id":"N4N7GDK58NMKJ12R","requester":"123456789012","source-ip-address":"1.2.3.4","reason":"PutObject"}}`
)

func TestEventsInEachWayTheyArrive(t *testing.T) {
	created := direct("ObjectCreated:Put")
	for name, message := range map[string]string{
		"direct":                        created,
		"SNS":                           in(sns, created),
		"SQS to Lambda":                 in(sqsLambda, created),
		"SNS to Lambda":                 in(snsLambda, created),
		"SNS in SQS to Lambda":          in(sqsLambda, in(sns, created)),
		"compatible stores":             strings.ReplaceAll(created, "aws:s3", "minio:s3"),
		"with the prefix of the config": strings.ReplaceAll(created, "ObjectCreated:Put", "s3:ObjectCreated:Put"),
	} {
		events, err := s3.ParseEvents([]byte(message))
		require.NoError(t, err, name)
		assert.Equal(t, []s3.Event{
			{
				Bucket:    "feed",
				Object:    source.Object{Key: "in/Happy Face+ü %20.json", Version: "d41d8cd98f00b204e9800998ecf8427e", Size: 1024},
				VersionID: "096fKKXTRTtl3on89fVO.nfljtsv6qko", Name: "ObjectCreated:Put",
				Time: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Sequencer: "0055AED6DCD90281E5",
			},
			{
				Bucket: "feed", Object: source.Object{Key: "in/b", Size: -1}, Name: "ObjectCreated:Put",
				Time: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), Sequencer: "0055AED6DCD90281E6",
			},
		}, events, name)
	}
	for name, message := range map[string]string{
		"EventBridge": bridge, "EventBridge in SQS": in(sqsLambda, bridge), "EventBridge in SNS in SQS": in(sqsLambda, in(sns, bridge)),
	} {
		events, err := s3.ParseEvents([]byte(message))
		require.NoError(t, err, name)
		require.Len(t, events, 1, name)
		assert.Equal(t, "in/Happy Face+ü %20.json", events[0].Object.Key, "not encoded there")
		assert.Equal(t, "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", events[0].VersionID)
		assert.True(t, events[0].Created())
	}
	several := strings.TrimSuffix(in(sqsLambda, created), "]}") + "," + strings.TrimPrefix(in(sqsLambda, testEvent), `{"Records":[`)
	events, err := s3.ParseEvents([]byte(several))
	require.NoError(t, err)
	assert.Len(t, events, 2, "several messages")
}

func TestATestEventIsNoEvent(t *testing.T) {
	for _, message := range []string{testEvent, in(sns, testEvent), in(sqsLambda, testEvent)} {
		events, err := s3.ParseEvents([]byte(message))
		require.NoError(t, err)
		assert.Empty(t, events)
	}
}

func TestKindsOfEvents(t *testing.T) {
	for _, c := range []struct {
		name             string
		created, removed bool
	}{
		{"ObjectCreated:Put", true, false},
		{"ObjectCreated:Post", true, false},
		{"ObjectCreated:Copy", true, false},
		{"ObjectCreated:CompleteMultipartUpload", true, false},
		{"ObjectRemoved:Delete", false, true},
		{"ObjectRemoved:DeleteMarkerCreated", false, true},
		{"LifecycleExpiration:Delete", false, true},
		{"ObjectRestore:Completed", false, false},
		{"ObjectTagging:Put", false, false},
	} {
		events, err := s3.ParseEvents([]byte(direct(c.name)))
		require.NoError(t, err)
		assert.Equal(t, c.created, events[0].Created(), c.name)
		assert.Equal(t, c.removed, events[0].Removed(), c.name)
	}
	events, err := s3.ParseEvents([]byte(strings.Replace(bridge, "Object Created", "Object Deleted", 1)))
	require.NoError(t, err)
	assert.True(t, events[0].Removed())
}

func TestWhatIsNoEvent(t *testing.T) {
	deep := direct("ObjectCreated:Put")
	for range 5 {
		deep = in(sns, deep)
	}
	created := direct("ObjectCreated:Put")
	for name, message := range map[string]string{
		"nothing":                 ``,
		"no JSON":                 `secret`,
		"another value":           `[]`,
		"null":                    `null`,
		"another object":          `{"id":"secret"}`,
		"cut":                     created[:200],
		"more":                    created + created,
		"an event of others":      `{"Records":[{"eventSource":"aws:kinesis","kinesis":{}}]}`,
		"EventBridge of others":   strings.Replace(bridge, "aws.s3", "aws.ec2", 1),
		"another version":         strings.Replace(created, `"2.1"`, `"3.0"`, 1),
		"no version":              strings.Replace(created, `"2.1"`, `""`, 1),
		"a name that is not":      strings.Replace(created, "Happy+Face", "Happy%zz", 1),
		"no name":                 strings.Replace(created, `"key":"in/b"`, `"k":""`, 1),
		"no bucket":               strings.Replace(created, `"bucket":{"name":"feed"}`, `"bucket":{}`, 1),
		"no kind":                 strings.Replace(created, `"ObjectCreated:Put"`, `""`, 1),
		"a negative size":         strings.Replace(created, "1024", "-1024", 1),
		"a size of text":          strings.Replace(created, "1024", `"secret"`, 1),
		"a record of nothing":     `{"Records":[{}]}`,
		"SQS with something else": in(sqsLambda, `{"id":"secret"}`),
		"a subscription":          `{"Type":"SubscriptionConfirmation","Message":"You have chosen to subscribe"}`,
		"deeply wrapped":          deep,
	} {
		events, err := s3.ParseEvents([]byte(message))
		assert.Error(t, err, name)
		assert.Empty(t, events, name)
		assert.True(t, fault.Is(err, fault.ClassCorrupt), name)
		assert.NotContains(t, fmt.Sprint(err), "secret", name)
	}
}

func TestObjectOfAnEventIsTheOneListed(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{Suffixes: []string{".json"}})
	f.put("in/Happy Face+ü %20.json", "{}")
	events, err := s3.ParseEvents([]byte(strings.ReplaceAll(direct("ObjectCreated:Put"), "d41d8cd98f00b204e9800998ecf8427e", "99914b932bd37a50b983c5e7c90ae93b")))
	require.NoError(t, err)
	o, ok := s.ObjectOf(events[0])
	require.True(t, ok)
	want := listed(t, s)
	assert.Equal(t, want.Key, o.Key)
	assert.Equal(t, want.Version, o.Version, "so that claims agree")
	_, ok = s.ObjectOf(events[1])
	assert.False(t, ok, "not with that suffix")
	for _, change := range []func(*s3.Event){
		func(e *s3.Event) { e.Bucket = "other" },
		func(e *s3.Event) { e.Object.Key = "out/a.json" },
		func(e *s3.Event) { e.Object.Key = "in/.hidden.json" },
		func(e *s3.Event) { e.Name = "ObjectRemoved:Delete" },
	} {
		e := events[0]
		change(&e)
		_, ok := s.ObjectOf(e)
		assert.False(t, ok, "%+v", e)
	}
}

func FuzzParseEvents(f *testing.F) {
	created := direct("ObjectCreated:Put")
	for _, message := range []string{created, in(sns, created), in(sqsLambda, in(sns, created)), in(snsLambda, created), bridge, testEvent, `{"Records":[{}]}`, `null`} {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		events, err := s3.ParseEvents(message)
		if err != nil {
			require.Empty(t, events)
			require.True(t, fault.Is(err, fault.ClassCorrupt))
			return
		}
		for _, e := range events {
			require.NotEmpty(t, e.Bucket)
			require.NotEmpty(t, e.Object.Key)
			require.NotEmpty(t, e.Name)
			require.GreaterOrEqual(t, e.Object.Size, int64(-1))
			require.False(t, e.Created() && e.Removed())
		}
	})
}
