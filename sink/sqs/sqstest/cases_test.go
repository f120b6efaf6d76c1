package sqstest_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// ask is one request to a server.
type ask func(t *testing.T, x *target) string

// standard sends a batch to a fresh standard queue.
func standard(entries ...types.SendMessageBatchRequestEntry) ask { return sendTo("", nil, entries) }

// small sends a batch to a queue that takes 1,024 bytes a message.
func small(entries ...types.SendMessageBatchRequestEntry) ask {
	return sendTo("", map[string]string{"MaximumMessageSize": "1024"}, entries)
}

// fifo sends a batch to a fresh FIFO queue.
func fifo(entries ...types.SendMessageBatchRequestEntry) ask {
	return sendTo(".fifo", map[string]string{"FifoQueue": "true"}, entries)
}

func sendTo(suffix string, attrs map[string]string, entries []types.SendMessageBatchRequestEntry) ask {
	return func(t *testing.T, x *target) string {
		if entries == nil {
			entries = []types.SendMessageBatchRequestEntry{}
		}
		queue := x.queue(t, suffix, attrs)
		out, err := x.c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &queue, Entries: entries})
		if err != nil {
			return answer(err)
		}
		require.Len(t, out.Successful, len(entries)-len(out.Failed), "every entry is answered")
		return answer(nil, out.Failed...)
	}
}

type entry = types.SendMessageBatchRequestEntry

// e makes an entry, changed by the options.
func e(id, body string, with ...func(*entry)) entry {
	out := entry{Id: &id, MessageBody: &body}
	for _, f := range with {
		f(&out)
	}
	return out
}

func many(n int, body string) []entry {
	var out []entry
	for i := range n {
		out = append(out, e(strconv.Itoa(i), body))
	}
	return out
}

// attr adds a string or number attribute.
func attr(name, kind, value string) func(*entry) {
	return func(m *entry) {
		if m.MessageAttributes == nil {
			m.MessageAttributes = map[string]types.MessageAttributeValue{}
		}
		m.MessageAttributes[name] = types.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
}

func attrs(n int) func(*entry) {
	return func(m *entry) {
		for i := range n {
			attr("a"+strconv.Itoa(i), "String", "v")(m)
		}
	}
}

func binaryAttr(name, kind string, value []byte) func(*entry) {
	return func(m *entry) {
		m.MessageAttributes = map[string]types.MessageAttributeValue{name: {DataType: &kind, BinaryValue: value}}
	}
}

func traced(value string) func(*entry) {
	return func(m *entry) {
		m.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &value}}
	}
}

func delayed(s int32) func(*entry) { return func(m *entry) { m.DelaySeconds = s } }
func group(s string) func(*entry)  { return func(m *entry) { m.MessageGroupId = &s } }
func dedup(s string) func(*entry)  { return func(m *entry) { m.MessageDeduplicationId = &s } }

const mib = 1 << 20

func x(n int) string { return strings.Repeat("x", n) }

// difference is what another server answers, and why that is not what AWS does.
type difference struct{ answer, why string }

// cases is the table: every limit of SQS from both sides. want is AWS's answer
// by its documentation or as recorded from it.
var cases = []struct {
	name  string
	ask   ask
	want  string
	faux  *difference
	local *difference
}{
	{name: "one message", ask: standard(e("a", "1")), want: "ok"},
	{name: "ten messages", ask: standard(many(10, "1")...), want: "ok"},
	{name: "eleven messages", ask: standard(many(11, "1")...), want: "TooManyEntriesInBatchRequest"},
	{name: "no messages", ask: standard(), want: "EmptyBatchRequest"},

	{name: "id of 80", ask: standard(e(x(80), "1")), want: "ok"},
	{name: "id of 81", ask: standard(e(x(81), "1")), want: "InvalidBatchEntryId",
		faux: &difference{"ok", "does not bound the length"}},
	{name: "empty id", ask: standard(e("", "1")), want: "InvalidBatchEntryId"},
	{name: "id with a dot", ask: standard(e("a.b", "1")), want: "InvalidBatchEntryId"},
	{name: "id with every character", ask: standard(e("aZ09_-", "1")), want: "ok"},
	{name: "ids twice", ask: standard(e("a", "1"), e("a", "2")), want: "BatchEntryIdsNotDistinct"},

	{name: "empty body", ask: standard(e("a", ""), e("b", "1")), want: "a MissingParameter",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "body of 1 MiB", ask: standard(e("a", x(mib))), want: "ok"},
	{name: "body over 1 MiB", ask: standard(e("a", x(mib+1))), want: "BatchRequestTooLong"},
	{name: "bodies of 1 MiB together", ask: standard(e("a", x(mib/2)), e("b", x(mib/2))), want: "ok"},
	{name: "bodies over 1 MiB together", ask: standard(e("a", x(mib/2)), e("b", x(mib/2+1))), want: "BatchRequestTooLong"},
	{name: "bytes count, not characters", ask: standard(e("a", strings.Repeat("é", mib/2+1))), want: "BatchRequestTooLong",
		local: &difference{"ok", "counts UTF-16 units"}},
	{name: "escapes do not count", ask: standard(e("a", strings.Repeat("\"", mib))), want: "ok"},
	{name: "attributes count, just fitting", ask: standard(e("a", x(mib-12), attr("name", "String", "v1"))), want: "ok"},
	{name: "attributes count, over", ask: standard(e("a", x(mib-11), attr("name", "String", "v1"))), want: "BatchRequestTooLong"},
	{name: "trace header does not count", ask: standard(e("a", x(mib), traced("Root=1-5759e988-bd862e3fe1be46a994272793"))), want: "ok"},

	{name: "small queue, fitting", ask: small(e("a", x(1024))), want: "ok"},
	{name: "small queue, over", ask: small(e("a", x(1025)), e("b", x(1024))), want: "a InvalidParameterValue"},
	{name: "small queue, attributes count", ask: small(e("a", x(1013), attr("name", "String", "v1")), e("b", x(1012), attr("name", "String", "v1"))), want: "a InvalidParameterValue"},
	{name: "small queue does not bound the batch", ask: small(many(10, x(1024))...), want: "ok"},

	{name: "tab, line feed, carriage return", ask: standard(e("a", "\t\n\r")), want: "ok"},
	{name: "control characters", ask: standard(e("a", "\x00"), e("b", "\x01"), e("c", "\x0b"), e("d", "\x1f"), e("e", " ")),
		want:  "a InvalidMessageContents, b InvalidMessageContents, c InvalidMessageContents, d InvalidMessageContents",
		local: &difference{"ok", "does not check characters"}},
	{name: "delete and C1 controls", ask: standard(e("a", "\u007f\u0080\u0085\u009f")), want: "ok"},
	{name: "ends of the plane", ask: standard(e("a", "\ud7ff"), e("b", "\ue000"), e("c", "\ufffd"), e("d", "\ufffe"), e("e", "\uffff")),
		want:  "d InvalidMessageContents, e InvalidMessageContents",
		local: &difference{"ok", "does not check characters"}},
	{name: "astral characters", ask: standard(e("a", "\U00010000"), e("b", "😀"), e("c", "\U0010ffff")), want: "ok",
		faux: &difference{"a InvalidMessageContents, b InvalidMessageContents, c InvalidMessageContents", "checks UTF-16 units and refuses surrogate pairs"}},

	{name: "ten attributes", ask: standard(e("a", "1", attrs(10))), want: "ok"},
	{name: "eleven attributes", ask: standard(e("a", "1", attrs(11))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute name of 256", ask: standard(e("a", "1", attr(x(256), "String", "v"))), want: "ok"},
	{name: "attribute name of 257", ask: standard(e("a", "1", attr(x(257), "String", "v"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute name characters", ask: standard(e("a", "1", attr("a-Z_0.9", "String", "v"))), want: "ok"},
	{name: "attribute name with a space", ask: standard(e("a", "1", attr("a b", "String", "v"))), want: "a InvalidParameterValue",
		faux:  &difference{"ok", "does not check attributes"},
		local: &difference{"ok", "checks less than the documentation says"}},
	{name: "attribute name AWS.", ask: standard(e("a", "1", attr("AWS.x", "String", "v"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute name amazon.", ask: standard(e("a", "1", attr("amazon.x", "String", "v"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute name, leading dot", ask: standard(e("a", "1", attr(".x", "String", "v"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute name, trailing dot", ask: standard(e("a", "1", attr("x.", "String", "v"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute name, doubled dot", ask: standard(e("a", "1", attr("x..y", "String", "v"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute without value", ask: standard(e("a", "1", attr("x", "String", ""))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "attribute of a custom type", ask: standard(e("a", "1", attr("x", "String.sort", "v"))), want: "ok"},
	{name: "attribute of an unknown type", ask: standard(e("a", "1", attr("x", "Text", "v"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "number", ask: standard(e("a", "1", attr("x", "Number", "-1.5e3"))), want: "ok"},
	{name: "no number", ask: standard(e("a", "1", attr("x", "Number", "one"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},
	{name: "binary", ask: standard(e("a", "1", binaryAttr("x", "Binary", []byte{0, 1}))), want: "ok"},
	{name: "binary in a string", ask: standard(e("a", "1", binaryAttr("x", "String", []byte{1}))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "does not check attributes"}},

	{name: "delay of 900", ask: standard(e("a", "1", delayed(900))), want: "ok"},
	{name: "delay of 901", ask: standard(e("a", "1", delayed(901)), e("b", "1")), want: "a InvalidParameterValue",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "negative delay", ask: standard(e("a", "1", delayed(-1))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "group on a standard queue", ask: standard(e("a", "1", group("g"))), want: "ok"},
	{name: "deduplication id on a standard queue", ask: standard(e("a", "1", dedup("d"))), want: "a InvalidParameterValue",
		faux: &difference{"ok", "checks less than the documentation says"}},

	{name: "FIFO", ask: fifo(e("a", "1", group("g"), dedup("d"))), want: "ok"},
	{name: "FIFO without group", ask: fifo(e("a", "1", dedup("d")), e("b", "1", group("g"), dedup("e"))), want: "InvalidParameterValue",
		faux: &difference{"a MissingParameter", "fails the entry; AWS was recorded to fail the call"}},
	{name: "FIFO without deduplication id", ask: fifo(e("a", "1", group("g"))), want: "InvalidParameterValue",
		faux: &difference{"a InvalidParameterValue", "fails the entry; AWS was recorded to fail the call"}},
	{name: "FIFO by content", ask: sendTo(".fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}, []entry{e("a", "1", group("g"))}), want: "ok"},
	{name: "FIFO ids of 128", ask: fifo(e("a", "1", group(x(128)), dedup(x(128)))), want: "ok"},
	{name: "FIFO group of 129", ask: fifo(e("a", "1", group(x(129)), dedup("d"))), want: "InvalidParameterValue",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "FIFO deduplication id of 129", ask: fifo(e("a", "1", group("g"), dedup(x(129)))), want: "InvalidParameterValue",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "FIFO with delay", ask: fifo(e("a", "1", group("g"), dedup("d"), delayed(1))), want: "InvalidParameterValue",
		faux: &difference{"a InvalidParameterValue", "fails the entry, as it does for a missing group"}},

	{name: "unknown queue", ask: func(t *testing.T, x *target) string {
		queue := x.queue(t, "", nil) + "-not"
		_, err := x.c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &queue, Entries: many(1, "1")})
		return answer(err)
	}, want: "QueueDoesNotExist"},

	{name: "single, empty body", ask: single("", nil, sqs.SendMessageInput{MessageBody: aws.String("")}), want: "MissingParameter"},
	{name: "single, 1 MiB", ask: single("", nil, sqs.SendMessageInput{MessageBody: aws.String(x(mib))}), want: "ok"},
	{name: "single, over 1 MiB", ask: single("", nil, sqs.SendMessageInput{MessageBody: aws.String(x(mib + 1))}), want: "InvalidParameterValue"},
	{name: "single, characters", ask: single("", nil, sqs.SendMessageInput{MessageBody: aws.String("\uffff")}), want: "InvalidMessageContents",
		local: &difference{"ok", "does not check characters"}},
	{name: "single, FIFO without group", ask: single(".fifo", map[string]string{"FifoQueue": "true"}, sqs.SendMessageInput{MessageBody: aws.String("1"), MessageDeduplicationId: aws.String("d")}), want: "MissingParameter"},
	{name: "single, FIFO without deduplication id", ask: single(".fifo", map[string]string{"FifoQueue": "true"}, sqs.SendMessageInput{MessageBody: aws.String("1"), MessageGroupId: aws.String("g")}), want: "InvalidParameterValue"},

	{name: "queue name with a space", ask: create("a b", nil), want: "InvalidParameterValue",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "queue name of 81", ask: create(x(81), nil), want: "InvalidParameterValue",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "FIFO attribute without the suffix", ask: create("plain", map[string]string{"FifoQueue": "true"}), want: "InvalidParameterValue",
		local: &difference{"InvalidAttributeName", "finds the attribute unknown rather than the name wrong"}},
	{name: "FIFO suffix without the attribute", ask: create("plain.fifo", nil), want: "InvalidParameterValue",
		faux: &difference{"ok", "takes the suffix for the attribute"}},
	{name: "MaximumMessageSize too low", ask: create("low", map[string]string{"MaximumMessageSize": "1023"}), want: "InvalidAttributeValue",
		local: &difference{"InvalidParameterValue", "does not use the modelled error"}},
	{name: "MaximumMessageSize too high", ask: create("high", map[string]string{"MaximumMessageSize": "1048577"}), want: "InvalidAttributeValue",
		local: &difference{"InvalidParameterValue", "does not use the modelled error"}},
	{name: "VisibilityTimeout too high", ask: create("hidden", map[string]string{"VisibilityTimeout": "43201"}), want: "InvalidAttributeValue",
		local: &difference{"InvalidParameterValue", "does not use the modelled error"}},
	{name: "unknown attribute", ask: create("odd", map[string]string{"Colour": "red"}), want: "InvalidAttributeName",
		faux: &difference{"ok", "checks less than the documentation says"}},
	{name: "the same name with other attributes", ask: func(t *testing.T, x *target) string {
		require.Equal(t, "ok", create("same", map[string]string{"DelaySeconds": "1"})(t, x))
		require.Equal(t, "ok", create("same", map[string]string{"DelaySeconds": "1"})(t, x))
		return create("same", map[string]string{"DelaySeconds": "2"})(t, x)
	}, want: "QueueNameExists"},
	{name: "URL of an unknown name", ask: func(t *testing.T, x *target) string {
		_, err := x.c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("nobody")})
		return answer(err)
	}, want: "QueueDoesNotExist"},
	{name: "default MaximumMessageSize", ask: func(t *testing.T, x *target) string {
		queue := x.queue(t, "", nil)
		out, err := x.c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{"All"}})
		require.NoError(t, err)
		return out.Attributes["MaximumMessageSize"]
	}, want: "1048576"},

	{name: "receive eleven", ask: receive(sqs.ReceiveMessageInput{MaxNumberOfMessages: 11}), want: "InvalidParameterValue"},
	{name: "wait 21 s", ask: receive(sqs.ReceiveMessageInput{WaitTimeSeconds: 21}), want: "InvalidParameterValue"},
	{name: "hide for 43,201 s", ask: receive(sqs.ReceiveMessageInput{VisibilityTimeout: 43_201}), want: "InvalidParameterValue"},
	{name: "delete with garbage", ask: func(t *testing.T, x *target) string {
		queue := x.queue(t, "", nil)
		_, err := x.c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: aws.String("garbage")})
		return answer(err)
	}, want: "ReceiptHandleIsInvalid",
		faux: &difference{"ok", "does not parse handles"}},
	{name: "hide with garbage", ask: func(t *testing.T, x *target) string {
		queue := x.queue(t, "", nil)
		_, err := x.c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &queue, ReceiptHandle: aws.String("garbage"), VisibilityTimeout: 1})
		return answer(err)
	}, want: "ReceiptHandleIsInvalid",
		faux: &difference{"MessageNotInflight", "does not parse handles"}},

	{name: "a received message is hidden, counted, shown again and deleted", ask: lifecycle, want: "count 1, hidden, count 2, deleted",
		local: &difference{"count , hidden, count , deleted", "knows only the deprecated AttributeNames"}},
	{name: "a FIFO duplicate has the first one's id and is delivered once", ask: duplicate, want: "same id, one message"},
	{name: "a FIFO group waits for its message in flight", ask: groupOrder, want: "g1, h1, nothing, g2",
		local: &difference{"g1, g2, h1", "does not hold a group back"}},
	{name: "a message received too often goes to the dead letters", ask: redrive, want: "received twice, then dead",
		local: &difference{"not received twice", "moves a message at maxReceiveCount, not beyond it"}},
}

func single(suffix string, attrs map[string]string, in sqs.SendMessageInput) ask {
	return func(t *testing.T, x *target) string {
		in := in
		in.QueueUrl = aws.String(x.queue(t, suffix, attrs))
		_, err := x.c.SendMessage(t.Context(), &in)
		return answer(err)
	}
}

func create(name string, attrs map[string]string) ask {
	return func(t *testing.T, x *target) string {
		_, err := x.c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs})
		return answer(err)
	}
}

func receive(in sqs.ReceiveMessageInput) ask {
	return func(t *testing.T, x *target) string {
		in := in
		in.QueueUrl = aws.String(x.queue(t, "", nil))
		_, err := x.c.ReceiveMessage(t.Context(), &in)
		return answer(err)
	}
}

// await receives one message that was sent, for which a server may need a moment
// after its answer; nil where there is none within a second.
func await(t *testing.T, x *target, queue string) *types.Message {
	t.Helper()
	return receiveOne(t, x, &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 1})
}

// take receives one message, nil where there is none at once.
func take(t *testing.T, x *target, queue string) *types.Message {
	t.Helper()
	return receiveOne(t, x, &sqs.ReceiveMessageInput{QueueUrl: &queue})
}

func receiveOne(t *testing.T, x *target, in *sqs.ReceiveMessageInput) *types.Message {
	t.Helper()
	in.MessageSystemAttributeNames, in.VisibilityTimeout = []types.MessageSystemAttributeName{"All"}, 600
	out, err := x.c.ReceiveMessage(t.Context(), in)
	require.NoError(t, err)
	if len(out.Messages) == 0 {
		return nil
	}
	return &out.Messages[0]
}

func lifecycle(t *testing.T, x *target) string {
	queue := x.queue(t, "", nil)
	_, err := x.c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("1")})
	require.NoError(t, err)
	var steps []string
	first := await(t, x, queue)
	steps = append(steps, "count "+first.Attributes["ApproximateReceiveCount"])
	if take(t, x, queue) == nil {
		steps = append(steps, "hidden")
	}
	_, err = x.c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &queue, ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 0})
	require.NoError(t, err)
	second := await(t, x, queue)
	steps = append(steps, "count "+second.Attributes["ApproximateReceiveCount"])
	_, err = x.c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: second.ReceiptHandle})
	require.NoError(t, err)
	out, err := x.c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{"All"}})
	require.NoError(t, err)
	if out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" && out.Attributes["ApproximateNumberOfMessages"] == "0" {
		steps = append(steps, "deleted")
	}
	return strings.Join(steps, ", ")
}

func duplicate(t *testing.T, x *target) string {
	queue := x.queue(t, ".fifo", map[string]string{"FifoQueue": "true"})
	var ids []string
	for range 2 {
		out, err := x.c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("1"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d")})
		require.NoError(t, err)
		ids = append(ids, *out.MessageId)
	}
	id := "other id"
	if ids[0] == ids[1] {
		id = "same id"
	}
	m := await(t, x, queue)
	require.NotNil(t, m)
	_, err := x.c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle})
	require.NoError(t, err)
	if await(t, x, queue) != nil {
		return id + ", two messages"
	}
	return id + ", one message"
}

func groupOrder(t *testing.T, x *target) string {
	queue := x.queue(t, ".fifo", map[string]string{"FifoQueue": "true"})
	for _, body := range []string{"g1", "g2", "h1"} {
		_, err := x.c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body, MessageGroupId: aws.String(body[:1]), MessageDeduplicationId: &body})
		require.NoError(t, err)
	}
	var got []string
	var handles []*string
	for range 3 {
		m := await(t, x, queue)
		if m == nil {
			got = append(got, "nothing")
			break
		}
		got, handles = append(got, *m.Body), append(handles, m.ReceiptHandle)
	}
	_, err := x.c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: handles[0]})
	require.NoError(t, err)
	if m := await(t, x, queue); m != nil {
		got = append(got, *m.Body)
	}
	return strings.Join(got, ", ")
}

func redrive(t *testing.T, x *target) string {
	dead := x.queue(t, "", nil)
	out, err := x.c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &dead, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	require.NoError(t, err)
	queue := x.queue(t, "", map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"2"}`, out.Attributes["QueueArn"])})
	_, err = x.c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("1")})
	require.NoError(t, err)
	for range 2 {
		m := await(t, x, queue)
		if m == nil {
			return "not received twice"
		}
		_, err := x.c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0})
		require.NoError(t, err)
	}
	if take(t, x, queue) != nil {
		return "received a third time"
	}
	if m := take(t, x, dead); m == nil || *m.Body != "1" {
		return "received twice, then lost"
	}
	return "received twice, then dead"
}
