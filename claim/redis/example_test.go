package redis_test

import (
	"fmt"
	"path"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim/redis"
)

// Names that begin with their day, such as 2026/11/22/a.json, need not be
// remembered for longer than they are listed.
func ExampleNew() {
	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	store, err := redis.New(client, redis.Config{
		Prefix:  "orders",
		Horizon: 30 * 24 * time.Hour,
		KeyTime: func(key string) (time.Time, bool) {
			day, err := time.Parse("2006/01/02", path.Dir(key))
			return day, err == nil
		},
	})
	fmt.Println(store.Skipped(), err)

	_, err = redis.New(client, redis.Config{Prefix: "{orders}", Horizon: time.Second})
	fmt.Println(err)
	// Output:
	// 0 <nil>
	// configure claim store in redis: Prefix is "{orders}": want at most 64 letters, digits and any of "._-/:"
	// Horizon is 1s: want at least 1m0s, or 0
	// Horizon is set without KeyTime: the age of a name is unknown
}
