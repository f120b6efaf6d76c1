package s3_test

import (
	"errors"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// stored is a bucket with the objects of testdata, as the first release wrote
// them, so that every later one still understands them. They are never changed.
func stored(t *testing.T) *bucket {
	t.Helper()
	b := &bucket{objects: make(map[string]string), ops: make(map[string]int)}
	for name, key := range storedKeys {
		text, err := os.ReadFile("testdata/" + name + ".json")
		require.NoError(t, err)
		b.objects["claims/"+nameOf(key)] = strings.TrimSuffix(string(text), "\n")
	}
	return b
}

var storedKeys = map[string]string{"processing": "2026/a.json", "released": "2026/b.json", "finished": "\x00retry/c-retry01"}

// setFormat makes an object one of another format.
func setFormat(t testing.TB, api *awss3.Client, name, format string) {
	t.Helper()
	ctx, bucket := t.Context(), "claims-bucket"
	out, err := api.GetObject(ctx, &awss3.GetObjectInput{Bucket: &bucket, Key: &name})
	require.NoError(t, err)
	body, err := io.ReadAll(out.Body)
	require.NoError(t, errors.Join(err, out.Body.Close()))
	text := strings.Replace(string(body), `"format":1`, `"format":`+format, 1)
	_, err = api.PutObject(ctx, &awss3.PutObjectInput{Bucket: &bucket, Key: &name, Body: strings.NewReader(text)})
	require.NoError(t, err)
}

// What is stored goes on with a later version of the worker where it stood.
func TestStoredObjectsAreUnderstood(t *testing.T) {
	ctx, store := t.Context(), open(t, stored(t))
	keys := []string{"2026/a.json", "2026/b.json", "\x00retry/c-retry01"}
	entries, err := store.Inspect(ctx, keys)
	require.NoError(t, err)
	require.Equal(t, []claim.Entry{
		{
			Key: "2026/a.json", State: claim.Processing, Owner: "host/1", Attempt: 2, Progress: `{"o":4096}`,
			ClaimedAt: time.UnixMilli(1790000000000), Expires: time.UnixMilli(4102444800000),
		},
		{
			Key: "2026/b.json", Owner: "host/2", Attempt: 3, Progress: "\xff", Reason: "read cut short",
			ClaimedAt: time.UnixMilli(1790000001000),
		},
		{
			Key: "\x00retry/c-retry01", State: claim.Finished, Owner: "host/3", Attempt: 1,
			ClaimedAt: time.UnixMilli(1790000002000), DoneAt: time.UnixMilli(1790000003000),
		},
	}, entries)
	counts, err := store.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, claim.Counts{Processing: 1, Waiting: 1, Finished: 1}, counts)

	results, err := store.Claim(ctx, "new/1", "nonce", keys, time.Minute)
	require.NoError(t, err)
	require.Equal(t, []claim.Status{claim.Held, claim.Granted, claim.Done}, []claim.Status{results[0].Status, results[1].Status, results[2].Status})
	require.Equal(t, 4, results[1].Lease.Attempt)
	require.Equal(t, "\xff", results[1].Lease.Progress)
	held := claim.Lease{Key: "2026/a.json", Token: "TOKEN1", Progress: `{"o":5000}`}
	require.NoError(t, store.Extend(ctx, []claim.Lease{held}, time.Minute))
	require.NoError(t, store.Complete(ctx, []claim.Lease{held, results[1].Lease}))
	require.NoError(t, store.Forget(ctx, keys))
	counts, err = store.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, claim.Counts{}, counts)
}

// An object of a later format is refused by every step, with an error that says
// why, and is left as it is.
func TestLaterFormatsAreRefused(t *testing.T) {
	ctx := t.Context()
	for name, key := range storedKeys {
		b := stored(t)
		object := "claims/" + nameOf(key)
		b.objects = map[string]string{object: strings.Replace(b.objects[object], `"format":1`, `"format":2,"new":{}`, 1)}
		want := maps.Clone(b.objects)
		store := open(t, b)
		l := claim.Lease{Key: key, Token: map[string]string{"processing": "TOKEN1", "released": "TOKEN2", "finished": "TOKEN3"}[name]}
		list := func(entries func(func(claim.Entry, error) bool)) (err error) {
			for _, e := range entries {
				err = e
			}
			return err
		}
		_, claimed := store.Claim(ctx, "old/1", "nonce-1", []string{key}, time.Minute)
		_, inspected := store.Inspect(ctx, []string{key})
		_, counted := store.Count(ctx)
		for op, err := range map[string]error{
			"claim": claimed, "inspect": inspected, "count": counted,
			"extend":    store.Extend(ctx, []claim.Lease{l}, time.Minute),
			"complete":  store.Complete(ctx, []claim.Lease{l}),
			"release":   store.Release(ctx, []claim.Return{{Lease: l}}),
			"forget":    store.Forget(ctx, []string{key}),
			"expired":   list(store.Expired(ctx, 0)),
			"completed": list(store.Completed(ctx)),
		} {
			require.ErrorContains(t, err, "has format 2, and this version reads up to 1", "%s: %s", name, op)
			require.Equal(t, fault.ClassFatal, fault.Of(err), "%s: %s", name, op)
		}
		require.Equal(t, want, b.objects, name)
	}
}

// A lease that a later version took over while this worker thought it was its own
// is not written over.
func TestALeaseThatALaterVersionTookIsRefused(t *testing.T) {
	b := &bucket{}
	ctx, store := t.Context(), open(t, b)
	results, err := store.Claim(ctx, "old/1", "1", []string{"k"}, time.Minute)
	require.NoError(t, err)
	object := "claims/" + nameOf("k")
	b.objects[object] = strings.Replace(b.objects[object], `"format":1`, `"format":2`, 1)
	want := maps.Clone(b.objects)
	require.ErrorContains(t, store.Complete(ctx, []claim.Lease{results[0].Lease}), "has format 2")
	require.Equal(t, want, b.objects)
}
