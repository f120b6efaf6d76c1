package claim_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
)

// A worker claims a block of keys, keeps the leases alive while it works, and
// finishes the block in one call.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := memory.New()
	keeper, err := claim.NewKeeper(store, claim.KeeperConfig{Owner: "worker-1", TTL: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- keeper.Run(ctx) }()

	block, err := keeper.Claim(ctx, []string{"a.json", "b.json", "c.json"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var done []claim.Hold
	var back []claim.GiveBack
	for i, r := range block.Results {
		if r.Status != claim.Granted {
			continue
		}
		hold := claim.Hold{Block: block, Index: i}
		switch {
		case block.Remaining(i) < 10*time.Second: // too little to send anything
			back = append(back, claim.GiveBack{Hold: hold})
		case r.Lease.Key == "b.json":
			back = append(back, claim.GiveBack{Hold: hold, Counted: true, Reason: "no JSON", Delay: time.Hour})
		default:
			done = append(done, hold)
		}
	}
	fmt.Println("complete:", keeper.Complete(ctx, done))
	fmt.Println("release:", keeper.Release(ctx, back))
	fmt.Println("still held:", keeper.Live())

	cancel()
	fmt.Println("run:", <-ended)
	counts, _ := store.Count(context.Background())
	fmt.Printf("%+v\n", counts)
	// Output:
	// complete: <nil>
	// release: <nil>
	// still held: 0
	// run: <nil>
	// {Processing:0 Expired:0 Waiting:1 Finished:2}
}

// After a run, entries that could not be completed are told apart by index.
func ExampleBatchError() {
	ctx := context.Background()
	store := memory.New()
	results, _ := store.Claim(ctx, "worker-1", "call-1", []string{"a.json", "b.json"}, time.Minute)
	good, bad := results[0].Lease, results[1].Lease
	bad.Token = "somebody else's"

	err := store.Complete(ctx, []claim.Lease{good, bad})
	if batch, ok := errors.AsType[*claim.BatchError](err); ok {
		for _, f := range batch.Failed {
			fmt.Println(f.Index, f.Err)
		}
	}
	// Output:
	// 1 complete "b.json": lease lost
}
