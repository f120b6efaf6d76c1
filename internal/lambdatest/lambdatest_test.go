package lambdatest_test

import (
	"context"
	"errors"
	"log"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/lambdatest"
)

// TestMain is also a function, where the environment is that of one.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" && os.Getenv("_LAMBDA_SERVER_PORT") == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("BROKEN") != "" {
		log.Fatal("SETTING: not set")
	}
	lambda.Start(handle)
}

type event struct{ Do string }

type answer struct{ Left time.Duration }

// handle answers with the time it has left.
func handle(ctx context.Context, e event) (answer, error) {
	deadline, _ := ctx.Deadline()
	switch e.Do {
	case "fail":
		return answer{}, errors.New("no such thing")
	case "exit":
		log.Fatal("out of memory")
	case "late":
		<-ctx.Done()
	}
	return answer{time.Until(deadline)}, nil
}

// Both modes of the runtime, with a real process: answers, errors, deadlines, and a
// process that ends.
func TestProcesses(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	for name, start := range map[string]func(testing.TB, string, []string) *lambdatest.Function{
		"runtime": lambdatest.StartRuntime, "rpc": lambdatest.StartRPC,
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, program, nil)
			for range 3 {
				a, err := f.Invoke([]byte(`{}`), time.Now().Add(time.Hour))
				left := lambdatest.Returned[answer](t, a, err).Left
				assert.Greater(t, left, 30*time.Minute)
				assert.LessOrEqual(t, left, time.Hour)
				assert.True(t, a.InTime())
			}
			a, err := f.Invoke([]byte(`{"Do":"fail"}`), time.Now().Add(time.Hour))
			require.NoError(t, err)
			require.NotNil(t, a.Failure)
			assert.Equal(t, "no such thing", a.Failure.Message)
			a, err = f.Invoke([]byte(`{"Do":"late"}`), time.Now().Add(10*time.Millisecond))
			require.NoError(t, err)
			assert.False(t, a.InTime())
			_, err = f.Invoke([]byte(`{"Do":"exit"}`), time.Now().Add(time.Hour))
			require.Error(t, err)
			_, err = f.Invoke([]byte(`{}`), time.Now().Add(time.Hour))
			require.Error(t, err, "nobody is there any more")

			f = start(t, program, nil)
			var killed sync.WaitGroup
			killed.Go(f.Kill)
			_, err = f.Invoke([]byte(`{"Do":"late"}`), time.Now().Add(time.Hour))
			require.Error(t, err, "it ends with the process")
			killed.Wait()
		})
	}
}

// A function that does not start says why.
func TestAFunctionThatDoesNotStart(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	_, err = lambdatest.StartRuntime(t, program, []string{"BROKEN=yes"}).Invoke([]byte(`{}`), time.Now().Add(time.Hour))
	require.ErrorContains(t, err, "SETTING: not set")
}

// Deadlines of minutes pass in no time.
func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lambdatest.Serve(t, handle)
		a, err := f.Invoke([]byte(`{}`), time.Now().Add(15*time.Minute))
		assert.Equal(t, 15*time.Minute, lambdatest.Returned[answer](t, a, err).Left)
		a, err = f.Invoke([]byte(`{"Do":"late"}`), time.Now().Add(15*time.Minute))
		assert.Equal(t, time.Duration(0), lambdatest.Returned[answer](t, a, err).Left)
		assert.False(t, a.InTime())
	})
}
