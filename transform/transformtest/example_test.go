package transformtest_test

import (
	"context"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/transformtest"
)

// mask is the transform under test: it puts stars in the place of a name.
var mask = transform.Map(func(_ context.Context, dst []byte, rec source.Record) ([]byte, error) {
	if !gjson.ValidBytes(rec.Data) {
		return nil, fault.Corruptf("mask: invalid JSON")
	}
	name := gjson.GetBytes(rec.Data, "name")
	if !name.Exists() {
		return append(dst, rec.Data...), nil
	}
	dst = append(dst, rec.Data[:name.Index]...)
	dst = append(dst, `"***"`...)
	return append(dst, rec.Data[name.Index+len(name.Raw):]...), nil
})

func TestMask(t *testing.T) {
	transformtest.Run(t, mask, []transformtest.Case{
		{Name: "masks the field", In: `{"name":"ada","id":1}`, Want: `{"name":"***","id":1}`},
		{Name: "leaves others alone", In: `{"id":1}`, Want: `{"id":1}`},
		{Name: "rejects non-JSON", In: `oops`, Err: fault.ClassCorrupt},
	})
}

// In a test of your own, t is the test's.
func ExampleRun() {
	TestMask := func(t *testing.T) {
		transformtest.Run(t, mask, []transformtest.Case{
			{Name: "masks the field", In: `{"name":"ada","id":1}`, Want: `{"name":"***","id":1}`},
			{Name: "rejects non-JSON", In: `oops`, Err: fault.ClassCorrupt},
		})
	}
	_ = TestMask
	// Output:
}
