package s3store_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/s3store"
)

// cuts breaks every connection of a GET after so many bytes.
func cuts(after int64) func(string, *http.Request) s3fake.Fault {
	return func(op string, _ *http.Request) s3fake.Fault {
		if op == "GetObject" {
			return s3fake.Fault{Cut: after}
		}
		return s3fake.Fault{}
	}
}

func TestReadingGoesOnWhereItWasCut(t *testing.T) {
	content := noise(1_000_000)
	server := &s3fake.Server{Fault: cuts(99_999)}
	m := manager(t, server.Client())
	upload(t, m, object, content)
	if read(t, m, object) != content {
		t.Error("the content is another")
	}
	assert.Equal(t, 11, server.Count("GetObject"))

	whole := manager(t, rangeless{server.Client()}) // it sends everything each time
	r, err := whole.OpenURL(t.Context(), object)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, r)
	require.Error(t, err, "the connection never lasts so long")
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
	require.NoError(t, r.Close())
}

// rangeless is a store that knows no ranges.
type rangeless struct{ s3store.Client }

func (c rangeless) GetObject(ctx context.Context, in *s3.GetObjectInput, optFns ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	in.Range = nil
	return c.Client.GetObject(ctx, in, optFns...)
}

func TestAStoreWithoutRangesIsReadAnew(t *testing.T) {
	content := noise(1_000_000)
	server := &s3fake.Server{Fault: once("GetObject", s3fake.Fault{Cut: 99_999}, 2)}
	m := manager(t, rangeless{server.Client()})
	upload(t, m, object, content)
	_, err := m.OpenURL(t.Context(), object)
	require.NoError(t, err)
	if read(t, m, object) != content {
		t.Error("the content is another")
	}
}

func TestACutIsNeverTheEnd(t *testing.T) {
	server := new(s3fake.Server)
	m := manager(t, server.Client())
	upload(t, m, object, noise(1000))
	for name, f := range map[string]s3fake.Fault{
		"dropped": {Drop: true}, "busy": {Status: 503, Code: "SlowDown"},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			server := &s3fake.Server{Fault: func(op string, _ *http.Request) s3fake.Fault {
				if op != "GetObject" {
					return s3fake.Fault{}
				}
				if n.Add(1) == 1 {
					return s3fake.Fault{Cut: 500}
				}
				return f
			}}
			m := manager(t, server.Client())
			upload(t, m, object, noise(1000))
			r, err := m.OpenURL(t.Context(), object)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			assert.Len(t, got, 500)
			require.Error(t, err)
			assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
			require.NoError(t, r.Close())
		})
	}
}

// A body that ends early and says that this was all.
func TestAnEndBeforeTheSizeIsNotTheEnd(t *testing.T) {
	m := manager(t, short{new(s3fake.Server).Client()})
	upload(t, m, object, noise(1000))
	r, err := m.OpenURL(t.Context(), object)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// short is a store that sends no more than ten bytes, at the beginning.
type short struct{ s3store.Client }

func (c short) GetObject(ctx context.Context, in *s3.GetObjectInput, optFns ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	out, err := c.Client.GetObject(ctx, in, optFns...)
	if err == nil {
		limit := int64(10)
		if in.Range != nil {
			limit = 0
		}
		out.Body = io.NopCloser(io.LimitReader(out.Body, limit))
	}
	return out, err
}

// An object that was deleted and written anew is not the rest of the old one.
func TestAnObjectThatChangesInTheMiddleIsAnError(t *testing.T) {
	server := &s3fake.Server{Fault: cuts(500)}
	m := manager(t, server.Client())
	upload(t, m, object, noise(1000))
	r, err := m.OpenURL(t.Context(), object)
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 500))
	require.NoError(t, err)
	require.NoError(t, m.Delete(t.Context(), object))
	upload(t, m, object, noise(2000)[1000:]) // as long as the old one
	_, err = io.ReadAll(r)
	require.Error(t, err)
	require.NotErrorIs(t, err, fs.ErrNotExist)
}

func TestTheEndOfTheContextEndsReading(t *testing.T) {
	server := &s3fake.Server{Fault: cuts(500)}
	m := manager(t, server.Client())
	upload(t, m, object, noise(1000))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := m.OpenURL(ctx, object)
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 500))
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, server.Count("GetObject"))
}
