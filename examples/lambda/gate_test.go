package lambda

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/examples/lambda/template"
)

// gate stands before SQS and DynamoDB, and lets each function do there what its role in
// the template allows, and nothing else. Functions sign with their own names as keys;
// queues and tables are called as the template calls them.
type gate struct {
	stack stack
	sqs   http.Handler
	table http.Handler
	away  atomic.Bool // DynamoDB is

	mu      sync.Mutex
	used    map[string]map[string]bool // by function, of actions and resources
	refused []string
}

// newGate returns the gate, and the URL at which it stands for both services.
func newGate(t *testing.T, s stack, queues, tables string) (*gate, string) {
	t.Helper()
	proxy := func(to string) http.Handler {
		u, err := url.Parse(to)
		require.NoError(t, err)
		p := httputil.NewSingleHostReverseProxy(u)
		transport := http.DefaultTransport.(*http.Transport).Clone()
		t.Cleanup(transport.CloseIdleConnections)
		p.Transport = transport
		p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
		return p
	}
	g := &gate{stack: s, sqs: proxy(queues), table: proxy(tables), used: map[string]map[string]bool{}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, server.URL
}

// signer finds the key that signed a request.
var signer = regexp.MustCompile(`Credential=(\w+)/`)

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	key := signer.FindStringSubmatch(r.Header.Get("Authorization"))
	service, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if err != nil || key == nil || !ok {
		http.Error(w, "not signed, or not of this world", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	backend, actions := g.table, dynamodbActions
	if service == "AmazonSQS" {
		backend, actions = g.sqs, sqsActions
	}
	for _, a := range actions(operation, gjson.ParseBytes(body)) {
		if !g.allow(key[1], a) {
			refuse(w, http.StatusBadRequest, "AccessDeniedException")
			return
		}
	}
	if service != "AmazonSQS" && g.away.Load() {
		refuse(w, http.StatusInternalServerError, "InternalServerError")
		return
	}
	backend.ServeHTTP(w, r)
}

// refuse answers with an error, as both services do.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":"com.amazonaws#%s","message":"no"}`, code) // who asked may be gone
}

// permission is an action on a resource of the stack.
type permission struct{ action, resource string }

func sqsActions(operation string, body gjson.Result) []permission {
	queue := body.Get("QueueUrl").String()
	queue = queue[strings.LastIndex(queue, "/")+1:]
	return []permission{{"sqs:" + operation, strings.TrimSuffix(queue, ".fifo")}}
}

// dynamodbActions are those of an operation: a transaction needs those of its parts.
func dynamodbActions(operation string, body gjson.Result) []permission {
	var all []permission
	switch operation {
	case "TransactWriteItems":
		for _, item := range body.Get("TransactItems").Array() {
			for kind, part := range item.Map() { // one
				all = append(all, permission{"dynamodb:" + kind + "Item", part.Get("TableName").String()})
			}
		}
	default:
		all = append(all, permission{"dynamodb:" + operation, body.Get("TableName").String()})
	}
	return all
}

// allow reports whether a function may do something, and notes it.
func (g *gate) allow(function string, p permission) bool {
	allowed := g.stack.allows(function, p.action, p.resource)
	g.mu.Lock()
	defer g.mu.Unlock()
	what := p.action + " " + p.resource
	if !allowed {
		g.refused = append(g.refused, function+": "+what)
		return false
	}
	if g.used[function] == nil {
		g.used[function] = map[string]bool{}
	}
	g.used[function][what] = true
	return true
}

// requireLeast fails unless a function has used all that its role allows, but for its log,
// and was refused nothing.
func (g *gate) requireLeast(t *testing.T, function string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	require.Empty(t, g.refused)
	var allowed []string
	for _, statement := range g.stack.statements(function + "Role") {
		for _, action := range texts(statement["Action"]) {
			if !strings.HasPrefix(action, "logs:") {
				allowed = append(allowed, action+" "+template.Target(statement["Resource"]))
			}
		}
	}
	slices.Sort(allowed)
	require.Equal(t, allowed, slices.Sorted(maps.Keys(g.used[function])), "%s: least privilege", function)
}
