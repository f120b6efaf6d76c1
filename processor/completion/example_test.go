package completion_test

import (
	"context"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
)

func Example() {
	ctx := context.Background()
	store := memory.New() // package redis or dynamodb where there are several processes
	monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	observer, err := completion.New(completion.Config{
		Store: store,
		Policy: completion.Policy{
			Window: 5, Delay: completion.Divided(30 * time.Second),
			// What is known beforehand decides at once.
			Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
				return completion.Expectation{Count: 2}, nil
			},
		},
		Complete: func(_ context.Context, c completion.Completion) error {
			fmt.Println(c.Set, "is", c.Outcome, "with", c.Count.Objects, "objects")
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	set := completion.Set{Bucket: "results", Prefix: "out/", Run: "7"}
	for _, key := range []string{"part-1", "part-2", "part-1"} { // one is told of twice
		if _, err := monitor.Arrive(ctx, set, completion.Object(key, 0)); err != nil {
			fmt.Println(err)
		}
	}
	if _, err := observer.Watch(ctx, set, nil); err != nil {
		fmt.Println(err)
	}
	// Output: results/out/#7 is complete with 2 objects
}

func ExamplePropose() {
	// When the objects of past sets came, as a listing has it: every second, but for a
	// pause of twenty seconds in one of a hundred.
	var past [][]time.Time
	for set := range 20 {
		at := time.Date(2026, 11, 1+set, 0, 0, 0, 0, time.UTC)
		var times []time.Time
		for i := range 100 {
			if at = at.Add(time.Second); i == 50 {
				at = at.Add(20 * time.Second)
			}
			times = append(times, at)
		}
		past = append(past, times)
	}
	p, err := completion.Propose(past, completion.Wish{FalsePositives: 0.01, Lag: 5 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d looks, %v apart: quiet for %v, seen after %v\n",
		p.Window, p.Delay.Round(time.Second), p.Policy().Quiet().Round(time.Second), p.Detection().Round(time.Second))
	// Output: 5 looks, 14s apart: quiet for 1m8s, seen after 1m15s
}
