package memory_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/claim/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	claimtest.Run(t, func(testing.TB) claim.Claimer { return memory.New() }, claimtest.Options{Bubble: true})
}

func Example() {
	ctx := context.Background()
	store := memory.New()

	results, _ := store.Claim(ctx, "worker-1", "call-1", []string{"a.json", "b.json"}, time.Minute)
	fmt.Println(results[0].Status, results[1].Status)
	_ = store.Complete(ctx, []claim.Lease{results[0].Lease})

	results, _ = store.Claim(ctx, "worker-2", "call-1 of worker-2", []string{"a.json", "b.json", "c.json"}, time.Minute)
	fmt.Println(results[0].Status, results[1].Status, results[2].Status)
	// Output:
	// granted granted
	// done held granted
}

func BenchmarkMemory(b *testing.B) {
	ctx := b.Context()
	store := memory.New()
	keys := make([]string, b.N)
	for i := range keys {
		keys[i] = fmt.Sprintf("2026/11/21/object-%09d.json", i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	call := 0
	for block := range slices.Chunk(keys, 256) {
		call++
		results, err := store.Claim(ctx, "w", fmt.Sprint(call), block, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		leases := make([]claim.Lease, len(results))
		for i := range results {
			leases[i] = results[i].Lease
		}
		if err := store.Complete(ctx, leases); err != nil {
			b.Fatal(err)
		}
	}
}
