package awsclient_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/awsclient"
)

func TestTheSDKsClientGetsRoomForConnections(t *testing.T) {
	base := awshttp.NewBuildableClient()
	for _, c := range []aws.HTTPClient{nil, base} {
		tuned := awsclient.Tuned(c, func(t *http.Transport) { t.WriteBufferSize = 7 })
		transport := tuned.(*awshttp.BuildableClient).GetTransport()
		require.Equal(t, awsclient.Connections, transport.MaxIdleConns)
		require.Equal(t, awsclient.Connections, transport.MaxIdleConnsPerHost)
		require.Equal(t, 7, transport.WriteBufferSize)
	}
	require.NotEqual(t, awsclient.Connections, base.GetTransport().MaxIdleConns, "the caller's own is left alone")
}

func TestAClientOfTheCallersIsKept(t *testing.T) {
	own := &http.Client{}
	require.Same(t, own, awsclient.Tuned(own))
}
