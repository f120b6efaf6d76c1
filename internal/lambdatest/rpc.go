package lambdatest

import (
	"net"
	"net/rpc"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/unspool-go/unspool/internal/testtool"
)

// Serve serves a handler, whatever [lambda.Start] takes, in the test's own process,
// by the RPC server of aws-lambda-go over a pipe.
func Serve(t testing.TB, handler any) *Function {
	t.Helper()
	server := rpc.NewServer()
	//nolint:staticcheck // deprecated for others than a runtime, which is what this stands in for
	if err := server.Register(lambda.NewFunction(lambda.NewHandler(handler))); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	go server.ServeConn(far)
	client := rpc.NewClient(near)
	t.Cleanup(func() { _ = client.Close() })
	return &Function{call: caller(client)}
}

// StartRPC starts the function that a program is, in RPC mode, with env and little
// else in its environment.
func StartRPC(t testing.TB, program string, env []string) *Function {
	t.Helper()
	port := strconv.Itoa(testtool.Port(t))
	p := start(t, program, append([]string{"_LAMBDA_SERVER_PORT=" + port}, env...))
	var client *rpc.Client
	connect := time.NewTicker(10 * time.Millisecond)
	defer connect.Stop()
	for client == nil {
		select {
		case <-p.exited:
			t.Fatal(p.ended())
		case <-connect.C:
		}
		client, _ = rpc.Dial("tcp", "localhost:"+port) // until it listens
	}
	t.Cleanup(func() { _ = client.Close() })
	return &Function{caller(client), p}
}

func caller(client *rpc.Client) func([]byte, time.Time) (messages.InvokeResponse, error) {
	return func(payload []byte, deadline time.Time) (messages.InvokeResponse, error) {
		var response messages.InvokeResponse
		err := client.Call("Function.Invoke", &messages.InvokeRequest{
			Payload:   payload,
			RequestId: "request",
			Deadline:  messages.InvokeRequest_Timestamp{Seconds: deadline.Unix(), Nanos: int64(deadline.Nanosecond())},
		}, &response)
		return response, err
	}
}
