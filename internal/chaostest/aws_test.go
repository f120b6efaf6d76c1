//go:build linux

package chaostest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/claim/s3"
	"github.com/unspool-go/unspool/internal/testtool"
)

// kindDynamoDB is claim/dynamodb on DynamoDB Local.
const kindDynamoDB = "dynamodb"

// kindS3 is claim/s3 on versitygw.
const kindS3 = "s3"

const (
	claimsTable  = "claims"
	claimsBucket = "claims-bucket"
)

// The credentials of all stand-ins.
const awsKey, awsSecret = "key", "secretsecret"

// awsConfig is that of a client of a stand-in at addr.
func awsConfig(addr string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr),
		Credentials: credentials.NewStaticCredentialsProvider(awsKey, awsSecret, ""),
	}
}

func openDynamoDB(addr string) (*dynamodb.Store, error) {
	return dynamodb.New(dynamoClient(addr), dynamodb.Config{Table: claimsTable, Parallel: 32})
}

func dynamoClient(addr string) *awsdynamodb.Client { return dynamodb.NewClient(awsConfig(addr)) }

// daemon is a server of one test.
type daemon struct {
	listen  string
	command func() *exec.Cmd
	answers func() error
	cmd     *exec.Cmd
	done    chan struct{}
}

func (d *daemon) start(t testing.TB) {
	d.cmd = d.command()
	require.NoError(t, d.cmd.Start())
	done := make(chan struct{})
	d.done = done
	cmd := d.cmd
	go func() {
		_ = cmd.Wait() // it is always killed
		close(done)
	}()
	for began := time.Now(); d.answers() != nil; time.Sleep(10 * time.Millisecond) {
		select {
		case <-done:
			t.Fatalf("%s ended: %v", filepath.Base(cmd.Path), cmd.ProcessState)
		default:
		}
		require.Less(t, time.Since(began), patience, "%s does not answer", filepath.Base(cmd.Path))
	}
}

func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // it may have ended
	<-d.done
}

func (d *daemon) addr() string { return d.listen }

func (d *daemon) restart(t testing.TB, _ func()) (kept moment, crash span) {
	crash.from = now()
	d.kill()
	d.start(t)
	crash.to = now()
	return never, crash
}

func startDynamoDB(t testing.TB) *daemon {
	jar, java, folder := testtool.Find(t, "dynamodb-local"), testtool.Find(t, "java"), t.TempDir()
	d := &daemon{listen: testtool.Addr(t)}
	_, port, err := net.SplitHostPort(d.listen)
	require.NoError(t, err)
	d.command = func() *exec.Cmd {
		cmd := exec.Command(java, "-Xmx768m", "-XX:TieredStopAtLevel=1",
			"-Djava.library.path="+filepath.Join(filepath.Dir(jar), "DynamoDBLocal_lib"),
			"-jar", jar, "-inMemory", "-sharedDb", "-disableTelemetry", "-port", port)
		cmd.Dir = folder
		return cmd
	}
	d.answers = testtool.Listening(d.listen)
	d.start(t)
	t.Cleanup(d.kill)
	require.NoError(t, dynamodb.CreateTable(t.Context(), dynamoClient(d.listen), claimsTable))
	return d
}

func openS3(addr string) (*s3.Store, error) {
	return s3.New(s3Client(addr), s3.Config{Bucket: claimsBucket, Prefix: "claims/", Parallel: 16})
}

func s3Client(addr string) *awss3.Client {
	return s3.NewClient(awsConfig(addr), func(o *awss3.Options) { o.UsePathStyle = true })
}

func startS3(t testing.TB) *daemon {
	gateway, folder := testtool.Find(t, "versitygw"), t.TempDir()
	d := &daemon{listen: testtool.Addr(t)}
	d.command = func() *exec.Cmd {
		cmd := exec.Command(gateway, "--quiet", "--health", "/health", "--port", d.listen, "posix", folder)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+awsKey, "ROOT_SECRET_KEY="+awsSecret)
		return cmd
	}
	d.answers = testtool.Listening(d.listen)
	d.start(t)
	t.Cleanup(d.kill)
	_, err := s3Client(d.listen).CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(claimsBucket)})
	require.NoError(t, err)
	return d
}
