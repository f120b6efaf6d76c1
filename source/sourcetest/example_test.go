package sourcetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// A connection that is cut in the middle, once.
func ExampleMemory_Inject() {
	m := sourcetest.NewMemory(map[string]string{"a.json": `{"id":1}`})
	m.Inject("a.json", sourcetest.Fault{At: 4, Err: errors.New("connection reset"), Times: 1})
	for range 2 {
		r, _, err := m.Open(context.Background(), source.Object{Key: "a.json", Size: -1}, 0, -1)
		if err != nil {
			panic(err)
		}
		data, err := io.ReadAll(r)
		fmt.Printf("%q, error: %v\n", data, err)
		r.Close()
	}
	// Output:
	// "{\"id", error: memory: read "a.json": connection reset
	// "{\"id\":1}", error: <nil>
}
