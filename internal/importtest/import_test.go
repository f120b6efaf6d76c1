package importtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A layer says which packages of this module the packages it matches may
// import directly. Patterns are those of [path.Match]; the first layer that
// matches a package rules it.
type layer struct {
	packages []string
	may      []string
	why      string
}

// layers is section "Layout" of docs/design.md, as a test.
var layers = []layer{
	{[]string{"processor/fault"}, nil,
		"fault is the vocabulary of every stage: a driver must get it without anything else of ours"},
	{[]string{"source"}, []string{"processor/fault", "internal/jsonscan"},
		"the source port knows no stage that comes after it"},
	{[]string{"transform"}, []string{"source", "processor/fault", "internal/jsonscan"},
		"a transform is handed records: it knows sources, and neither sinks nor claims"},
	{[]string{"sink"}, []string{"processor/fault"},
		"the sink port is handed finished messages: it knows neither sources nor transforms"},
	{[]string{"claim"}, []string{"processor/fault"},
		"a claim is on a key, which is a string: the port needs no other stage"},

	{[]string{"source/sourcetest"}, []string{"source", "processor/fault"},
		"anyone's driver runs this suite: it must not pull in our drivers"},
	{[]string{"transform/transformtest"}, []string{"transform", "source", "processor/fault", "internal/jsonscan"},
		"anyone's transform runs this suite: it must not pull in sinks, claims or the processor"},
	{[]string{"transform/clean"}, []string{"transform", "source", "processor/fault", "internal/jsonscan"},
		"a transform of ours is one like anyone's"},
	{[]string{"sink/sinktest"}, []string{"sink", "processor/fault"},
		"anyone's driver runs this suite: it must not pull in our drivers"},
	{[]string{"claim/claimtest"}, []string{"claim", "processor/fault"},
		"anyone's driver runs this suite: it must not pull in our drivers"},
	{[]string{"processor/processortest"}, []string{"processor", "source", "transform", "sink", "claim", "processor/fault", "claim/memory", "sink/memory", "internal/*"},
		"anyone's service runs this suite: it must not pull in a driver but those in memory"},

	{[]string{"source/gs/gsevent"}, []string{"source", "processor/fault"},
		"events are read by functions that have no use for a client of Google Cloud"},
	{[]string{"source/gs"}, []string{"source", "source/gs/gsevent", "processor/fault", "internal/*"},
		"a driver stands on its port and its vendor's client alone, so that it can be read, tested and replaced alone"},
	{[]string{"source/*"}, []string{"source", "processor/fault", "internal/*"},
		"a driver stands on its port and its vendor's client alone, so that it can be read, tested and replaced alone"},
	{[]string{"sink/*"}, []string{"sink", "processor/fault", "internal/*"},
		"a driver stands on its port and its vendor's client alone, so that it can be read, tested and replaced alone"},
	{[]string{"sink/sqs/offload"}, []string{"sink", "sink/sqs", "processor/fault", "internal/*"},
		"a store of large bodies is a part of the SQS driver, apart so that only its users compile an S3 client"},
	{[]string{"sink/sqs/sqstest", "sink/dynamodb/dynamodbtest"}, []string{"internal/standin", "internal/jsonscan"},
		"a stand-in for a service that shared code with its client would share its mistakes"},
	{[]string{"claim/*", "claim/internal/*"}, []string{"claim", "claim/internal/*", "processor/fault", "internal/*"},
		"a driver stands on its port and its vendor's client alone, so that it can be read, tested and replaced alone"},

	{[]string{"processor"}, []string{"source", "transform", "sink", "claim", "processor/fault", "internal/*"},
		"the processor works with anyone's drivers: it imports the ports and no driver"},

	{[]string{"processor/cut"}, []string{"source", "sink", "processor/fault", "internal/*"},
		"cutting is a way of its own from a source to storage or a sink: it needs neither claims nor the processor, and no driver"},

	{[]string{"processor/s3store", "processor/gsstore"}, []string{"processor/fault", "internal/*"},
		"a store for destinations is registered by who wants it, and the processor must not know it: only its users compile its client"},
	{[]string{"processor/sqsstore"}, []string{"sink", "sink/sqs", "processor/fault", "internal/*"},
		"a destination that is a queue is written as a sink of it is, with its batches, checksums and classes of errors"},

	{[]string{"processor/redrive"}, []string{"processor", "source", "sink", "processor/fault", "internal/*"},
		"what lies aside is replayed beside the processor, which must not know of it, and without any queue's client"},
	{[]string{"processor/redrive/sqsbox"}, []string{"processor/redrive", "sink", "processor/fault", "internal/*"},
		"a queue of dead letters stands apart so that only its users compile its client"},

	{[]string{"processor/output"}, []string{"processor", "processor/fault", "internal/*"},
		"what a custom processor may use beside the processor, which must not know it"},

	{[]string{"processor/adapter/gcp"}, []string{"processor", "source", "source/gs/gsevent", "processor/fault", "internal/usercode"},
		"events of Google Cloud are read and answered without a client of it, which takes minutes to compile"},
	{[]string{"processor/adapter/*"}, []string{"processor", "source", "source/*", "sink/sqs/offload", "claim", "processor/fault", "internal/*"},
		"an adapter turns a vendor's events into requests: it knows the source whose events they are, and no sink or claim store"},
	{[]string{"processor/adapter/aws/streampoll"}, []string{"processor/adapter/aws", "processor/fault", "claim", "claim/memory", "internal/*"},
		"a consumer of a stream shares shards through anyone's claim store, and alone keeps them in memory"},
	{[]string{"processor/adapter/*/*"}, []string{"processor", "processor/adapter/*", "processor/fault", "internal/*"},
		"a part of an adapter stands apart so that only its users compile its client"},

	{[]string{"processor/completion"}, []string{"source", "processor/fault", "internal/*"},
		"whether a set is complete is a question of its own: it needs a listing at most, and no driver"},
	{[]string{"processor/completion/completiontest"}, []string{"processor/completion", "processor/fault"},
		"anyone's driver runs this suite: it must not pull in our drivers"},
	{[]string{"processor/completion/memory", "processor/completion/redis"}, []string{"processor/completion", "processor/fault"},
		"a driver stands on its port and its vendor's client alone, so that it can be read, tested and replaced alone"},
	{[]string{"processor/completion/dynamodb"}, []string{"processor/completion", "processor/fault", "claim/dynamodb", "internal/*"},
		"a driver stands on its port and its vendor's client alone; its table is made as that of claims is"},
	{[]string{"processor/completion/aws"}, []string{"processor/completion", "processor/fault", "source/s3", "internal/*"},
		"it reads events of S3 and sends messages to SQS: the processor is none of its business"},

	{[]string{"internal/standin"}, nil,
		"what stand-ins for services share must not be what their clients are made of"},
	{[]string{"internal/*"}, []string{"source", "processor/fault", "internal/*"},
		"what several stages share lies below them: it must not know them"},
	{[]string{"examples/*", "examples/*/*", "examples/*/*/*"}, []string{"*", "*/*", "*/*/*", "*/*/*/*"},
		"examples put everything together"},
}

// matches reports whether any pattern matches the package.
func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, pkg)
		return ok && err == nil
	})
}

// upward returns what is wrong with the direct imports of one package.
func upward(g graph, pkg string) []string {
	i := slices.IndexFunc(layers, func(l layer) bool { return matches(l.packages, pkg) })
	if i < 0 {
		return []string{fmt.Sprintf("%s has no place in the layers of this test: decide what it may import", pkg)}
	}
	var wrong []string
	for _, to := range g[pkg] {
		if own(to) && !matches(layers[i].may, to) {
			wrong = append(wrong, fmt.Sprintf("%s must not import %s: %s", pkg, to, layers[i].why))
		}
	}
	return wrong
}

// third names the modules that whoever imports a core package compiles, and
// what for. A module that is not named here is not wanted there: above all no
// vendor's client.
var third = map[string]string{
	"github.com/tidwall/gjson":      "projection by path",
	"github.com/tidwall/match":      "of gjson",
	"github.com/tidwall/pretty":     "of gjson",
	"github.com/viant/afs":          "destinations on any storage",
	"github.com/go-errors/errors":   "of afs",
	"github.com/pkg/errors":         "of afs",
	"golang.org/x/crypto":           "of afs, for scp",
	"go.uber.org/zap":               "the few lines the processor logs",
	"go.uber.org/multierr":          "of zap",
	"go.yaml.in/yaml/v3":            "processor.LoadConfig",
	"golang.org/x/sys":              "files",
	"golang.org/x/time":             "rate limits",
	"github.com/google/uuid":        "unique names",
	"github.com/klauspost/compress": "gzip and zstd",
}

// core is what a user without any cloud compiles.
var core = []string{
	"processor", "processor/fault",
	"processor/completion", "processor/completion/memory",
	"source", "source/dir",
	"transform",
	"sink", "sink/file", "sink/memory",
	"claim", "claim/disk", "claim/memory",
}

// foreign returns the modules that pkg depends on and that core packages must
// not, each with the chain of imports that leads there.
func foreign(g graph, pkg string) []string {
	var wrong []string
	for to, chain := range g.reach(pkg) {
		if own(to) || permitted(to) {
			continue
		}
		if last := chain[len(chain)-2]; !own(last) && !permitted(last) {
			continue // told by the package that pulled it in
		}
		wrong = append(wrong, fmt.Sprintf(
			"%s must not depend on %s (%s): whoever imports it would compile that too, and core packages compile no vendor's client",
			pkg, to, strings.Join(chain, " -> ")))
	}
	slices.Sort(wrong)
	return wrong
}

func permitted(to string) bool {
	for m := range third {
		if to == m || strings.HasPrefix(to, m+"/") {
			return true
		}
	}
	return false
}

// google are the modules that whoever imports one of googlers compiles: they are
// several times the rest of the module.
var google = []string{
	"cloud.google.com/", "google.golang.org/api/", "google.golang.org/grpc", "google.golang.org/genproto/",
	"go.opentelemetry.io/", "github.com/googleapis/", "github.com/envoyproxy/",
}

// googlers are the packages for Google Cloud. Examples may be built with them.
var googlers = []string{
	"source/gs", "processor/gsstore", "processor/adapter/gcp/pubsubpull", "internal/gcpclient", "internal/gcsfake",
	"examples/*", "examples/*/*",
}

// toGoogle says that pkg depends on a client of Google Cloud, if it does, and how.
func toGoogle(g graph, pkg string) []string {
	for to, chain := range g.reach(pkg) {
		if slices.ContainsFunc(google, func(m string) bool { return strings.HasPrefix(to, m) }) {
			return []string{fmt.Sprintf("%s must not depend on %s (%s): only who asks for Google Cloud compiles its clients",
				pkg, to, strings.Join(chain, " -> "))}
		}
	}
	return nil
}

func TestOnlyItsOwnPackagesCompileGoogleCloud(t *testing.T) {
	g := load(t)
	for _, pkg := range g.packages() {
		if matches(googlers, pkg) {
			continue
		}
		for _, wrong := range toGoogle(g, pkg) {
			t.Error(wrong)
		}
	}
	assert.NotEmpty(t, toGoogle(g, "source/gs"), "the list of modules knows none that it uses")
	assert.NotEmpty(t, toGoogle(g, "processor/adapter/gcp/pubsubpull"))
}

func TestImportsRunOneWay(t *testing.T) {
	g := load(t)
	for _, pkg := range g.packages() {
		for _, wrong := range upward(g, pkg) {
			t.Error(wrong)
		}
	}
}

func TestCorePackagesCompileNoVendorClient(t *testing.T) {
	g := load(t)
	for _, pkg := range core {
		if _, ok := g[pkg]; !ok {
			t.Errorf("core package %s is gone: mend the list", pkg)
		}
		for _, wrong := range foreign(g, pkg) {
			t.Error(wrong)
		}
	}
}

// The checks themselves are tested on a module that breaks the rules.
func TestABreachIsNamedWithItsReason(t *testing.T) {
	const sdk = "github.com/aws/aws-sdk-go-v2/service/sqs"
	g := graph{
		"processor":                {"sink", "sink/sqs"},
		"sink":                     {"processor/fault"},
		"sink/sqs":                 {"sink", sdk},
		"claim/redis":              {"claim", "claim/disk"},
		"claim":                    {"processor/fault"},
		"claim/disk":               {"claim"},
		"processor/fault":          nil,
		"surprise":                 nil,
		sdk:                        {"github.com/aws/smithy-go"},
		"github.com/aws/smithy-go": nil,
	}
	assert.Equal(t, []string{
		"processor must not import sink/sqs: the processor works with anyone's drivers: it imports the ports and no driver",
	}, upward(g, "processor"))
	require.Len(t, upward(g, "claim/redis"), 1)
	assert.Contains(t, upward(g, "claim/redis")[0], "claim/redis must not import claim/disk")
	require.Len(t, upward(g, "surprise"), 1)
	assert.Contains(t, upward(g, "surprise")[0], "has no place")
	assert.Empty(t, upward(g, "sink/sqs"))

	require.Len(t, foreign(g, "processor"), 1, "only the package that pulls the rest in is named")
	assert.Contains(t, foreign(g, "processor")[0], "(processor -> sink/sqs -> "+sdk+")")
	assert.Empty(t, foreign(g, "claim"))
}
