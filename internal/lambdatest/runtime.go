package lambdatest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
)

// runtimeAPI is the Runtime API of Lambda for one instance of a function:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type runtimeAPI struct {
	next chan invocation // taken by the function when it asks for work

	mu      sync.Mutex
	number  int
	waiting map[string]chan messages.InvokeResponse // by request id
	init    chan messages.InvokeResponse_Error      // what the function says that it cannot start
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
}

// StartRuntime starts the function that a program is, with env and little else in
// its environment, and is the Runtime API that it asks for work.
func StartRuntime(t testing.TB, program string, env []string) *Function {
	t.Helper()
	api := &runtimeAPI{
		next: make(chan invocation), waiting: map[string]chan messages.InvokeResponse{},
		init: make(chan messages.InvokeResponse_Error, 1),
	}
	server := httptest.NewServer(api.routes())
	t.Cleanup(server.Close) // after the process is gone, which waits for work
	p := start(t, program, append([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://")}, env...))
	return &Function{func(payload []byte, deadline time.Time) (messages.InvokeResponse, error) {
		return api.invoke(p, payload, deadline)
	}, p}
}

func (r *runtimeAPI) invoke(p *process, payload []byte, deadline time.Time) (messages.InvokeResponse, error) {
	r.mu.Lock()
	r.number++
	id := "request-" + strconv.Itoa(r.number)
	answer := make(chan messages.InvokeResponse, 1)
	r.waiting[id] = answer
	r.mu.Unlock()
	select {
	case r.next <- invocation{id, payload, deadline}:
	case failure := <-r.init:
		return messages.InvokeResponse{Error: &failure}, nil
	case <-p.exited:
		return messages.InvokeResponse{}, p.ended()
	}
	select {
	case response := <-answer:
		return response, nil
	case <-p.exited:
	}
	select { // its last words
	case response := <-answer:
		return response, nil
	default:
		return messages.InvokeResponse{}, p.ended()
	}
}

func (r *runtimeAPI) routes() http.Handler {
	const version = "/2018-06-01/runtime"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+version+"/invocation/next", r.serveNext)
	mux.HandleFunc("POST "+version+"/invocation/{id}/response", func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		r.answer(w, q, messages.InvokeResponse{Payload: body}, err)
	})
	mux.HandleFunc("POST "+version+"/invocation/{id}/error", func(w http.ResponseWriter, q *http.Request) {
		var failure messages.InvokeResponse_Error
		err := json.NewDecoder(q.Body).Decode(&failure)
		r.answer(w, q, messages.InvokeResponse{Error: &failure}, err)
	})
	mux.HandleFunc("POST "+version+"/init/error", func(w http.ResponseWriter, q *http.Request) {
		var failure messages.InvokeResponse_Error
		if err := json.NewDecoder(q.Body).Decode(&failure); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case r.init <- failure:
		default: // the first counts
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

func (r *runtimeAPI) serveNext(w http.ResponseWriter, q *http.Request) {
	select {
	case i := <-r.next:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:function")
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(i.payload) // a function that is gone is noticed by its exit
	case <-q.Context().Done():
	}
}

func (r *runtimeAPI) answer(w http.ResponseWriter, q *http.Request, response messages.InvokeResponse, err error) {
	r.mu.Lock()
	waiting := r.waiting[q.PathValue("id")]
	delete(r.waiting, q.PathValue("id"))
	r.mu.Unlock()
	if waiting == nil || err != nil {
		http.Error(w, "no such invocation, or no such body", http.StatusBadRequest)
		return
	}
	waiting <- response
	w.WriteHeader(http.StatusAccepted)
}
