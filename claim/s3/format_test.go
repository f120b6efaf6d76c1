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
	"github.com/unspool-go/unspool/claim/internal/storetest"
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

var storedKeys = map[string]string{"processing": storetest.Processing, "released": storetest.Released, "finished": storetest.Finished}

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
	storetest.Understood(t, open(t, stored(t)))
}

// An object of a later format is refused by every step, with an error that says
// why, and is left as it is.
func TestLaterFormatsAreRefused(t *testing.T) {
	for name, key := range storedKeys {
		b := stored(t)
		object := "claims/" + nameOf(key)
		b.objects = map[string]string{object: strings.Replace(b.objects[object], `"format":1`, `"format":2,"new":{}`, 1)}
		want := maps.Clone(b.objects)
		store := open(t, b)
		token := map[string]string{"processing": "TOKEN1", "released": "TOKEN2", "finished": "TOKEN3"}[name]
		storetest.Refused(t, store, key, token, "has format 2, and this version reads up to 1")
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
