package disk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
)

func Example() {
	dir, err := os.MkdirTemp("", "claims")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	store, err := disk.Open(dir, disk.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = disk.Open(dir, disk.Config{})
	fmt.Println("a second process is refused:", errors.Is(err, disk.ErrLocked))

	results, _ := store.Claim(ctx, "worker-1", "call-1", []string{"a.json", "b.json"}, time.Minute)
	fmt.Println(results[0].Status, results[1].Status)
	_ = store.Complete(ctx, []claim.Lease{results[0].Lease}) // durable when it returns
	_ = store.Close()                                        // the lease of b.json is void now

	store, err = disk.Open(dir, disk.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	results, _ = store.Claim(ctx, "worker-1", "call-2", []string{"a.json", "b.json"}, time.Minute)
	fmt.Println(results[0].Status, results[1].Status, "attempt", results[1].Lease.Attempt)
	// Output:
	// a second process is refused: true
	// granted granted
	// done granted attempt 2
}

// OpenReadOnly looks at a store that another process has open.
func ExampleOpenReadOnly() {
	dir, err := os.MkdirTemp("", "claims")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := disk.Open(dir, disk.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	results, _ := store.Claim(ctx, "worker-1", "call-1", []string{"a.json", "b.json"}, time.Minute)
	_ = store.Complete(ctx, []claim.Lease{results[0].Lease})

	view, err := disk.OpenReadOnly(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer view.Close()
	counts, _ := view.Count(ctx)
	fmt.Printf("%+v\n", counts)
	for entry := range view.Completed(ctx) {
		fmt.Println(entry.Key)
	}
	// Output:
	// {Processing:1 Expired:0 Waiting:0 Finished:1}
	// a.json
}
