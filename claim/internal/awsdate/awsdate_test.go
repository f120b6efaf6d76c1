package awsdate_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/internal/awsdate"
)

func TestOfError(t *testing.T) {
	answer := func(h http.Header) error {
		return fmt.Errorf("wrapped: %w", &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{Header: h}}, Err: errors.New("cause"),
		})
	}
	got, ok := awsdate.OfError(answer(http.Header{"Date": {"Sun, 22 Nov 2026 05:20:17 GMT"}}))
	require.True(t, ok)
	require.Equal(t, time.Date(2026, 11, 22, 5, 20, 17, 0, time.UTC), got)

	for name, err := range map[string]error{
		"no answer":     errors.New("reset"),
		"half a answer": &smithyhttp.ResponseError{},
		"no date":       answer(http.Header{}),
		"odd date":      answer(http.Header{"Date": {"yesterday"}}),
		"from a cache":  answer(http.Header{"Date": {"Sun, 22 Nov 2026 05:20:17 GMT"}, "Age": {"9"}}),
	} {
		_, ok := awsdate.OfError(err)
		require.False(t, ok, name)
	}
	_, ok = awsdate.OfResult(middleware.Metadata{})
	require.False(t, ok)
}
