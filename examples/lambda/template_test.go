package lambda

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/examples/lambda/template"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
	"github.com/unspool-go/unspool/processor/completion"
	sets "github.com/unspool-go/unspool/processor/completion/dynamodb"
)

// stack is the template, with what tests often want of it.
type stack struct {
	template.Template
	*testing.T
}

func newStack(t *testing.T) stack {
	t.Helper()
	tmpl, err := template.Read("template.yaml")
	require.NoError(t, err)
	return stack{tmpl, t}
}

// folderOf is the folder of a function, as its archive of code says.
func (s stack) folderOf(function string) string {
	code, _ := s.At(function, "Code").(string)
	return strings.TrimSuffix(path.Base(code), ".zip")
}

func (s stack) number(resource string, at ...string) int {
	n, ok := s.At(resource, at...).(int)
	require.True(s, ok, "%s: %v is no number", resource, at)
	return n
}

func (s stack) list(resource string, at ...string) []any {
	l, ok := s.At(resource, at...).([]any)
	require.True(s, ok, "%s: %v is no list", resource, at)
	return l
}

// There is each function, once, built and called as provided.al2023 wants it.
func TestTemplateFunctions(t *testing.T) {
	s := newStack(t)
	var folders []string
	for _, f := range s.All("AWS::Lambda::Function") {
		folders = append(folders, s.folderOf(f))
		assert.Equal(t, "provided.al2023", s.At(f, "Runtime"), f)
		assert.Equal(t, "bootstrap", s.At(f, "Handler"), f)
		assert.Equal(t, []any{"arm64"}, s.At(f, "Architectures"), f)
		assert.Equal(t, "../../build/"+s.folderOf(f)+".zip", s.At(f, "Code"), f)
		assert.LessOrEqual(t, s.number(f, "Timeout"), 900, f)
		assert.Equal(t, f+"Role", template.Target(s.At(f, "Role")), "%s: a role of its own", f)
		log := s.At(f+"Log", "LogGroupName").(map[string]any)["Fn::Sub"]
		assert.Equal(t, "/aws/lambda/"+s.At(f, "FunctionName").(map[string]any)["Fn::Sub"].(string), log, "%s: its log does not stay for ever", f)
		assert.Positive(t, s.number(f+"Log", "RetentionInDays"))
	}
	slices.Sort(folders)
	assert.Equal(t, functions, folders)
}

// The three that drain are started by schedules, as often as the design says, and
// again by nothing else.
func TestTemplateSchedules(t *testing.T) {
	s := newStack(t)
	want := map[string]string{"Loader": "rate(5 minutes)", "Checker": "rate(5 minutes)", "Archiver": "rate(1 hour)"}
	have := map[string]string{}
	for _, rule := range s.All("AWS::Events::Rule") {
		for _, target := range s.list(rule, "Targets") {
			function := template.Target(target.(map[string]any)["Arn"])
			have[function], _ = s.At(rule, "ScheduleExpression").(string)
			assert.Equal(t, function, template.Target(s.At(function+"Permission", "FunctionName")))
			assert.Equal(t, rule, template.Target(s.At(function+"Permission", "SourceArn")))
			assert.Equal(t, 0, s.At(function+"Invocations", "MaximumRetryAttempts"))
		}
	}
	assert.Equal(t, want, have)
	assert.Equal(t, 900, s.At("Loader", "Timeout"))
}

// A batch that succeeded in part is never taken for one that succeeded, no message is
// delivered again while it is worked on, and none is lost after one failure.
func TestTemplateQueues(t *testing.T) {
	s := newStack(t)
	mappings := s.All("AWS::Lambda::EventSourceMapping")
	require.NotEmpty(t, mappings)
	for _, m := range mappings {
		assert.Equal(t, []any{"ReportBatchItemFailures"}, s.At(m, "FunctionResponseTypes"), m)
		queue, function := template.Target(s.At(m, "EventSourceArn")), template.Target(s.At(m, "FunctionName"))
		waits, _ := s.At(m, "MaximumBatchingWindowInSeconds").(int)
		assert.GreaterOrEqual(t, s.number(queue, "VisibilityTimeout"), 6*s.number(function, "Timeout")+waits, "%s and %s", queue, function)
		assert.True(t, s.number(m, "BatchSize") <= 10 || waits > 0, "%s: Lambda refuses larger batches that do not wait", m)
	}
	for _, q := range s.All("AWS::SQS::Queue") {
		assert.Equal(t, 1209600, s.At(q, "MessageRetentionPeriod"), "%s: two weeks", q)
		if strings.HasSuffix(q, "DeadLetters") {
			continue
		}
		assert.GreaterOrEqual(t, s.number(q, "RedrivePolicy", "maxReceiveCount"), 5, q)
		assert.Equal(t, q+"DeadLetters", template.Target(s.At(q, "RedrivePolicy", "deadLetterTargetArn")))
		assert.Equal(t, s.At(q, "FifoQueue"), s.At(q+"DeadLetters", "FifoQueue"), "%s: SQS refuses another kind", q)
	}
	assert.Equal(t, "S3EventDeadLetters", template.Target(s.At("S3EventInvocations", "DestinationConfig", "OnFailure", "Destination")))
}

// S3 tells of what the loader lists, and not of what either puts aside: they claim in
// the same table, and read the same folder.
func TestTemplateEventsShareTheFolder(t *testing.T) {
	s := newStack(t)
	told := s.list("Bucket", "NotificationConfiguration", "LambdaConfigurations")
	require.Len(t, told, 1)
	assert.Contains(t, fmt.Sprint(told[0]), "Name:prefix Value:in/]")
	for _, name := range []string{"CLAIMS", "SOURCE", "ASIDE", "QUEUE", "SELECT", "PROCESSOR"} {
		assert.NotNil(t, s.At("Loader", "Environment", "Variables", name))
		assert.Equal(t, s.At("Loader", "Environment", "Variables", name), s.At("S3Event", "Environment", "Variables", name), name)
	}
}

// S3 may call and send to what the bucket says, from this bucket of this account alone,
// and before there is the bucket; and it tells of no object twice.
func TestTemplateS3MayTell(t *testing.T) {
	s := newStack(t)
	var prefixes []string
	for _, kind := range []string{"LambdaConfigurations", "QueueConfigurations"} {
		for _, told := range s.list("Bucket", "NotificationConfiguration", kind) {
			told := told.(map[string]any)
			assert.Equal(t, "s3:ObjectCreated:*", told["Event"])
			prefixes = append(prefixes, regexp.MustCompile(`Value:([^\]]*)`).FindStringSubmatch(fmt.Sprint(told["Filter"]))[1])
			before := s.Resources["Bucket"].DependsOn
			if function := template.Target(told["Function"]); function != "" {
				assert.Contains(t, before, function+"Permission")
			} else {
				assert.Contains(t, before, s.policyOf(template.Target(told["Queue"])))
			}
		}
	}
	assert.Equal(t, []string{"in/", "out/"}, prefixes)
}

// policyOf is the policy by which S3 may send to a queue.
func (s stack) policyOf(queue string) string {
	s.Helper()
	bucket := map[string]any{"Fn::Sub": "arn:${AWS::Partition}:s3:::" + s.At("Bucket", "BucketName").(map[string]any)["Fn::Sub"].(string)}
	for _, name := range s.All("AWS::SQS::QueuePolicy") {
		if template.Target(s.list(name, "Queues")[0]) != queue {
			continue
		}
		assert.Equal(s, []any{map[string]any{
			"Effect": "Allow", "Principal": map[string]any{"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
			"Resource": map[string]any{"Fn::GetAtt": queue + ".Arn"},
			"Condition": map[string]any{
				"StringEquals": map[string]any{"aws:SourceAccount": map[string]any{"Ref": "AWS::AccountId"}},
				"ArnEquals":    map[string]any{"aws:SourceArn": bucket},
			},
		}}, s.list(name, "PolicyDocument", "Statement"))
		return name
	}
	s.Fatalf("%s: S3 may not send to it", queue)
	return ""
}

// An event that is not counted at once comes again after the visibility time-out: with
// what the parameters are without being set, a folder does not complete before, and the
// alarm comes first.
func TestTemplateWaitsForEvents(t *testing.T) {
	s := newStack(t)
	delay, err := time.ParseDuration(s.Parameters["Delay"].Default.(string))
	require.NoError(t, err)
	quiet := completion.Policy{Window: s.Parameters["Window"].Default.(int), Delay: completion.Constant(delay)}.Quiet()
	comesAgain := time.Duration(s.number("Arrivals", "VisibilityTimeout")) * time.Second
	assert.Greater(t, quiet, comesAgain+2*time.Minute, "and gaps of two minutes")
	assert.Less(t, s.Parameters["CountLag"].Default, int(quiet/time.Second))
	_, err = time.ParseDuration(s.Parameters["MaxAge"].Default.(string))
	require.NoError(t, err)
	hours := comesAgain * time.Duration(s.number("Arrivals", "RedrivePolicy", "maxReceiveCount"))
	assert.Greater(t, hours, 3*time.Hour, "an outage gives nothing up")
}

// The tables are as the stores make them, on demand, and are not deleted with the stack;
// nor are the objects.
func TestTemplateKeeps(t *testing.T) {
	s := newStack(t)
	tables := s.All("AWS::DynamoDB::Table")
	require.Equal(t, []string{"Claims", "Sets"}, tables)
	for _, table := range tables {
		assert.Equal(t, "PAY_PER_REQUEST", s.At(table, "BillingMode"))
		assert.Equal(t, []any{map[string]any{"AttributeName": "k", "AttributeType": "B"}}, s.At(table, "AttributeDefinitions"))
		assert.Equal(t, []any{map[string]any{"AttributeName": "k", "KeyType": "HASH"}}, s.At(table, "KeySchema"))
		assert.Equal(t, map[string]any{"AttributeName": "e", "Enabled": true}, s.At(table, "TimeToLiveSpecification"))
	}
	for _, name := range append(tables, s.All("AWS::S3::Bucket")...) {
		assert.Equal(t, "Retain", s.Resources[name].DeletionPolicy, name)
	}
}

// wild are the resources in which a star is needed: what is below a folder of the
// bucket.
var wild = regexp.MustCompile(`^arn:\$\{AWS::Partition\}:s3:::\$\{AWS::StackName\}-\$\{AWS::AccountId\}-\$\{AWS::Region\}/[a-z/]+/\*$`)

// No role may do more than its function needs. What of the store of sets a monitor and an
// observer need each, TestSets proves.
func TestTemplateRoles(t *testing.T) {
	s := newStack(t)
	worker := dynamodb.WorkerActions()
	operator := append(slices.Clone(worker), dynamodb.InspectorActions()...)
	claims := map[string][]string{"Loader": worker, "S3Event": worker, "Checker": operator, "Archiver": operator}
	for _, f := range s.All("AWS::Lambda::Function") {
		role := s.At(f, "Role")
		tables := map[string][]string{}
		assert.Nil(t, s.At(template.Target(role), "ManagedPolicyArns"), f)
		for _, statement := range s.statements(template.Target(role)) {
			assert.Equal(t, "Allow", statement["Effect"])
			actions := texts(statement["Action"])
			for _, action := range actions {
				assert.Regexp(t, `^[a-z0-9]+:[A-Za-z]+$`, action, "%s: no star", f)
			}
			switch resource := statement["Resource"].(type) {
			case map[string]any:
				if arn, ok := resource["Fn::Sub"].(string); ok && strings.Contains(arn, "*") {
					assert.Regexp(t, wild, arn, f)
				}
			default:
				t.Errorf("%s: %v says nothing of one resource", f, resource)
			}
			resource := template.Target(statement["Resource"])
			tables[resource] = append(tables[resource], actions...)
		}
		assert.ElementsMatch(t, claims[f], tables["Claims"], "%s: as claim/dynamodb documents", f)
		assert.Subset(t, sets.Actions(), tables["Sets"], "%s: as processor/completion/dynamodb documents", f)
	}
	for _, m := range s.All("AWS::Lambda::EventSourceMapping") {
		function, queue := template.Target(s.At(m, "FunctionName")), template.Target(s.At(m, "EventSourceArn"))
		for _, action := range receives {
			assert.True(t, s.allows(function, action, queue), "%s: Lambda receives as the function", m)
		}
	}
}

// receives are the actions on its queue that Lambda does for an event source mapping, in
// the role of the function.
var receives = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

// allows reports whether the role of a function allows an action on a resource of the
// stack.
func (s stack) allows(function, action, resource string) bool {
	return slices.ContainsFunc(s.statements(template.Target(s.At(function, "Role"))), func(statement map[string]any) bool {
		return template.Target(statement["Resource"]) == resource && slices.Contains(texts(statement["Action"]), action)
	})
}

// statements are those of all policies of a role.
func (s stack) statements(role string) []map[string]any {
	var all []map[string]any
	for _, policy := range s.list(role, "Policies") {
		document := policy.(map[string]any)["PolicyDocument"].(map[string]any)
		for _, statement := range document["Statement"].([]any) {
			all = append(all, statement.(map[string]any))
		}
	}
	return all
}

// texts are the actions of a statement, which may be one or several.
func texts(value any) []string {
	if one, ok := value.(string); ok {
		return []string{one}
	}
	var all []string
	for _, v := range value.([]any) {
		all = append(all, v.(string))
	}
	return all
}

// vendor are the metrics of AWS's own that alarms are on, with their dimension.
var vendor = map[string]string{
	"AWS/Lambda Errors":                          "FunctionName",
	"AWS/SQS ApproximateNumberOfMessagesVisible": "QueueName", "AWS/SQS ApproximateAgeOfOldestMessage": "QueueName",
}

// Every alarm is on a metric of a function or queue of the stack, and each of ours on
// one that a real run of that function writes, or that is made of its log: whose lines
// TestSets reads. What must not go unnoticed has one.
func TestTemplateAlarms(t *testing.T) {
	s := newStack(t)
	written := map[string]map[string]bool{}
	for _, f := range s.All("AWS::Lambda::Function") {
		switch {
		case len(s.filters(f)) > 0:
			written[f] = map[string]bool{}
			for _, filter := range s.filters(f) {
				written[f][filter.metric] = true
			}
		case runs(s.folderOf(f)):
			written[f] = metricsOf(t, s.folderOf(f))
		}
	}
	on := map[string]bool{}
	for _, alarm := range s.All("AWS::CloudWatch::Alarm") {
		namespace, metric := s.At(alarm, "Namespace").(string), s.At(alarm, "MetricName").(string)
		dimensions := s.list(alarm, "Dimensions")
		require.Len(t, dimensions, 1, alarm)
		dimension := dimensions[0].(map[string]any)
		of := template.Target(dimension["Value"])
		require.Contains(t, s.Resources, of, alarm)
		on[of+" "+metric] = true
		if namespace == emf.Namespace {
			assert.Equal(t, emf.FunctionName, dimension["Name"], alarm)
			assert.True(t, written[of] == nil || written[of][metric], "%s: %s writes no %s", alarm, of, metric)
		} else {
			assert.Equal(t, vendor[namespace+" "+metric], dimension["Name"], alarm)
		}
		assert.NotEmpty(t, s.At(alarm, "AlarmDescription"), alarm)
		assert.NotNil(t, s.At(alarm, "AlarmActions"), alarm)
		assert.Contains(t, []any{"breaching", "notBreaching"}, s.At(alarm, "TreatMissingData"), alarm)
	}
	need := []string{
		"Loader LagMs", "Loader CorruptRatio", "S3Event CorruptRatio", "SQSConsumer CorruptRatio",
		"Loader FailedErrors", "S3Event FailedErrors", "SQSConsumer FailedErrors", "Checker Failed", "Loader RuntimeMs",
		"Arrivals ApproximateAgeOfOldestMessage", "Observers ApproximateAgeOfOldestMessage",
		"Observer Incomplete", "Monitor Late", "Observer Late", "Observer LooksFailed",
	}
	for _, q := range s.All("AWS::SQS::Queue") {
		if strings.HasSuffix(q, "DeadLetters") {
			need = append(need, q+" ApproximateNumberOfMessagesVisible")
		}
	}
	for _, f := range s.All("AWS::Lambda::Function") {
		need = append(need, f+" Errors")
	}
	for _, n := range need {
		assert.True(t, on[n], "no alarm on %s", n)
	}
}

// filter makes a metric of the lines in the log of a function that have a message.
type filter struct{ metric, message string }

// filters are those of a function's log.
func (s stack) filters(function string) []filter {
	s.Helper()
	var all []filter
	for _, name := range s.All("AWS::Logs::MetricFilter") {
		if template.Target(s.At(name, "LogGroupName")) != function+"Log" {
			continue
		}
		pattern := regexp.MustCompile(`^\{ \$\.msg = "(\w+)" \}$`).FindStringSubmatch(s.At(name, "FilterPattern").(string))
		require.Len(s, pattern, 2, name)
		for _, made := range s.list(name, "MetricTransformations") {
			made := made.(map[string]any)
			require.Equal(s, emf.Namespace, made["MetricNamespace"], name)
			require.Equal(s, []any{map[string]any{"Key": emf.FunctionName, "Value": "$." + emf.FunctionName}}, made["Dimensions"], name)
			all = append(all, filter{made["MetricName"].(string), pattern[1]})
		}
	}
	return all
}

// metricsOf runs a function, with something to do, and returns the names of the metrics
// in its line.
func metricsOf(t *testing.T, function string) map[string]bool {
	t.Helper()
	p := newWorld(t).place(t, "metrics")
	key := p.put(t, "x.json", 0, 10)
	event := map[string]string{"s3event": string(eventOf(key)), "sqsconsumer": string(batchOf(t, map[string]string{"m": `{"id":1}`}))}[function]
	if event == "" {
		event = "{}"
	}
	_, line := (&meter{Function: p.start(t, modes[0], function)}).invoke(t, []byte(event), time.Minute)
	require.Equal(t, "function", line.Get(emf.FunctionName).String())
	names := map[string]bool{}
	for _, directive := range line.Get("_aws.CloudWatchMetrics").Array() {
		require.Equal(t, `[["FunctionName"]]`, directive.Get("Dimensions").Raw)
		for _, m := range directive.Get("Metrics").Array() {
			name := m.Get("Name").String()
			require.Equal(t, gjson.Number, line.Get(name).Type, "%s: %s", function, name)
			names[name] = true
		}
	}
	require.NotEmpty(t, names)
	return names
}

// What refers to something, refers to something there.
func TestTemplateRefers(t *testing.T) {
	s := newStack(t)
	text, err := json.Marshal(s.Template)
	require.NoError(t, err)
	known := func(name string) bool {
		_, resource := s.Resources[name]
		_, parameter := s.Parameters[name]
		return resource || parameter || strings.HasPrefix(name, "AWS::")
	}
	var names []string
	for _, m := range regexp.MustCompile(`"(?:Ref|Fn::GetAtt)":"([\w:]+)`).FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	for _, m := range regexp.MustCompile(`\$\{([\w:]+)`).FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	require.Greater(t, len(names), 100)
	for _, name := range names {
		assert.True(t, known(name), "nothing is called %s", name)
	}
}

// Each function has less than a hundred lines.
func TestFunctionsAreShort(t *testing.T) {
	for _, f := range functions {
		text, err := os.ReadFile(fmt.Sprintf("%s/main.go", f))
		require.NoError(t, err)
		assert.Less(t, strings.Count(string(text), "\n"), 100, f)
	}
}
