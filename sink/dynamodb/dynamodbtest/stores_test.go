package dynamodbtest_test

import (
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	claimdynamodb "github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/completiontest"
	completiondynamodb "github.com/unspool-go/unspool/processor/completion/dynamodb"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// mute is a way to a server that can lose answers.
type mute struct {
	next http.RoundTripper
	on   atomic.Bool
}

func (m *mute) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.next.RoundTrip(r)
	if err == nil && m.on.Load() {
		resp.Body.Close()
		return nil, errors.New("the answer was lost")
	}
	return resp, err
}

func through(srv *dynamodbtest.Server, rt http.RoundTripper) *awsdynamodb.Client {
	return awsdynamodb.New(awsdynamodb.Options{BaseEndpoint: aws.String(srv.URL()), Region: "us-east-1", Credentials: anyone, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: rt}})
}

// The claim store that is written for DynamoDB keeps its rules here.
func TestClaims(t *testing.T) {
	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
	transport := newHTTP(t).Transport
	var tables atomic.Int64
	opts := claimtest.Options{Expiry: time.Minute, Advance: srv.Advance, Keys: 20, Workers: 4}
	if testing.Short() {
		opts.Keys = 6
	}
	claimtest.RunFleet(t, func(t testing.TB) claimtest.Fleet {
		table := "claims-" + strconv.FormatInt(tables.Add(1), 10)
		store := func(api claimdynamodb.API) claim.Claimer {
			s, err := claimdynamodb.New(api, claimdynamodb.Config{Table: table, Parallel: 8})
			require.NoError(t, err)
			return s
		}
		client := through(srv, transport)
		require.NoError(t, claimdynamodb.CreateTable(t.Context(), client, table))
		return claimtest.Fleet{
			Store:  store(client),
			Worker: func(testing.TB, time.Duration) claim.Claimer { return store(client) },
			Faulty: func(testing.TB) claimtest.Faulty {
				way := &mute{next: transport}
				return claimtest.Faulty{Store: store(through(srv, way)), Mute: way.on.Store}
			},
		}
	}, opts)
}

// So does the store of completion, with its transactions.
func TestArrivals(t *testing.T) {
	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
	transport := newHTTP(t).Transport
	var tables atomic.Int64
	var table string
	open := func(t testing.TB, rt http.RoundTripper) completion.Store {
		s, err := completiondynamodb.New(through(srv, rt), completiondynamodb.Config{Table: table})
		require.NoError(t, err)
		return s
	}
	completiontest.Run(t, func(t testing.TB) completion.Store {
		table = "sets-" + strconv.FormatInt(tables.Add(1), 10)
		require.NoError(t, completiondynamodb.CreateTable(t.Context(), through(srv, transport), table))
		return open(t, transport)
	}, completiontest.Options{
		Arrivals: 150, Workers: 4,
		Another: func(t testing.TB) completion.Store { return open(t, transport) },
		Faulty: func(t testing.TB) (completion.Store, func(bool)) {
			way := &mute{next: transport}
			return open(t, way), way.on.Store
		},
	})
}
