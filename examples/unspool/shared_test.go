package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
)

// startRedis starts a server of the test's own, and returns the URL of a claim
// store on it.
func startRedis(t *testing.T) string {
	t.Helper()
	server := testtool.Find(t, "redis-server")
	addr := testtool.Addr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	cmd := exec.Command(server, "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "")
	probe := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1})
	testtool.Start(t, cmd, func() error { return probe.Ping(context.Background()).Err() })
	require.NoError(t, probe.Close())
	return fmt.Sprintf("redis://%s/0?prefix=%s", addr, "test")
}

// startDynamoDB starts a server of the test's own with a table for claims, puts it
// into the environment, and returns the URL of a claim store on it.
func startDynamoDB(t *testing.T) string {
	t.Helper()
	jar, java := testtool.Find(t, "dynamodb-local"), testtool.Find(t, "java")
	addr := testtool.Addr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	cmd := exec.Command(java, "-Xmx256m", "-XX:TieredStopAtLevel=1",
		"-Djava.library.path="+filepath.Join(filepath.Dir(jar), "DynamoDBLocal_lib"),
		"-jar", jar, "-inMemory", "-sharedDb", "-disableTelemetry", "-port", port)
	cmd.Dir = t.TempDir() // it leaves a file behind
	testtool.Start(t, cmd, testtool.Listening(addr))
	setAWS(t, "AWS_ENDPOINT_URL_DYNAMODB", addr)
	cfg, err := awsSettings(t.Context())
	require.NoError(t, err)
	require.NoError(t, dynamodb.CreateTable(t.Context(), dynamodb.NewClient(cfg), "claims"))
	return "dynamodb:claims"
}

// startS3 starts a server of the test's own with a bucket, puts it into the
// environment, and returns the URL of a claim store on it.
func startS3(t *testing.T) string {
	t.Helper()
	gateway := testtool.Find(t, "versitygw")
	addr := testtool.Addr(t)
	cmd := exec.Command(gateway, "--quiet", "--port", addr, "posix", t.TempDir())
	setAWS(t, "AWS_ENDPOINT_URL_S3", addr)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+os.Getenv("AWS_ACCESS_KEY_ID"), "ROOT_SECRET_KEY="+os.Getenv("AWS_SECRET_ACCESS_KEY"))
	testtool.Start(t, cmd, testtool.Listening(addr))
	cfg, err := awsSettings(t.Context())
	require.NoError(t, err)
	_, err = awss3.NewFromConfig(cfg).CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("bucket")})
	require.NoError(t, err)
	return "s3://bucket/claims"
}

// setAWS makes an environment in which a service is at addr.
func setAWS(t *testing.T, endpoint, addr string) {
	t.Helper()
	for name, value := range map[string]string{
		endpoint: "http://" + addr, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "accesskey", "AWS_SECRET_ACCESS_KEY": "secretkey",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

// All commands work on claims that many machines share, while others work: a run
// ends by itself when all that is left is held, and operators see, set right what
// died, and take nothing from who is alive.
func TestSharedClaims(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(*testing.T) string
		late  time.Duration // how long after its end a lease may still seem alive
	}{{"redis", startRedis, 0}, {"dynamodb", startDynamoDB, 6 * time.Second}, {"s3", startS3, 6 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			if !full() && c.name != "redis" {
				t.Skip("at full scale only: leases there end seconds late")
			}
			newFleetOfTwo(t, c.start(t), c.late).workThrough()
		})
	}
}

// fleetOfTwo is a spool of which another worker holds one file, and one that died
// held two, of which the second has used up its attempts.
type fleetOfTwo struct {
	*testing.T
	spool
	location           string
	store              processor.Claims
	live, dead, poison string      // keys
	lease              claim.Lease // of live
}

func newFleetOfTwo(t *testing.T, location string, late time.Duration) *fleetOfTwo {
	f := &fleetOfTwo{T: t, spool: newSpool(t, spooltest.Config{Files: 20}), location: location}
	var closeStore func() error
	var err error
	f.store, closeStore, err = openClaims(t.Context(), location, toDrain)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closeStore()) })
	f.live, f.dead, f.poison = f.key(0), f.key(1), f.key(2)
	results, err := f.store.Claim(t.Context(), "other/1", "n1", []string{f.live}, time.Hour)
	require.NoError(t, err)
	f.lease = results[0].Lease
	for i := range 2 {
		results, err := f.store.Claim(t.Context(), "other/2", fmt.Sprint("p", i), []string{f.poison}, time.Hour)
		require.NoError(t, err)
		require.NoError(t, f.store.Release(t.Context(), []claim.Return{{Lease: results[0].Lease, Counted: true, Reason: "read cut short"}}))
	}
	_, err = f.store.Claim(t.Context(), "other/2", "n2", []string{f.dead, f.poison}, time.Millisecond)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		entries, err := f.store.Inspect(t.Context(), []string{f.dead, f.poison})
		require.NoError(t, err)
		return time.Since(entries[0].Expires) > late && time.Since(entries[1].Expires) > late && f.counts().Expired == 2
	}, 30*time.Second, 10*time.Millisecond)
	return f
}

// key is that of the i-th file.
func (f *fleetOfTwo) key(i int) string { return filepath.ToSlash(spooltest.Make(f.cfg, i).Name) }

func (f *fleetOfTwo) counts() claim.Counts {
	counts, err := f.store.Count(f.Context())
	require.NoError(f, err)
	return counts
}

// does runs a command on the fleet's claims, expects its exit status and returns
// what it says.
func (f *fleetOfTwo) does(status int, command string, more ...string) string {
	f.Helper()
	args := append([]string{command, "--source", f.folder, "--claims", f.location}, more...)
	code, out, errs := runHere(f.T, args...)
	require.Equal(f, status, code, "%q: %s%s", args, out, errs)
	assert.NotContains(f, out+errs, "secretkey")
	return out
}

// workThrough does all there is to do, command by command.
func (f *fleetOfTwo) workThrough() {
	out := f.does(exitOK, "status", "--grace", "0")
	assert.Contains(f, out, "stuck       2\n")
	assert.Contains(f, out, "            "+f.dead+": attempt 1, expired ")
	assert.Contains(f, out, "source      20 objects: 17 new, 1 processing, 2 expired\n")
	survey := unmarshal[processor.SurveyReport](f.T, f.does(exitOK, "status", "--grace", "0", "--json"))
	assert.Equal(f, claim.Counts{Processing: 1, Expired: 2}, survey.Counts)
	assert.EqualValues(f, 17, survey.Source.New)
	story := unmarshal[processor.Story](f.T, f.does(exitOK, "explain", "--json", f.poison))
	assert.Equal(f, processor.StandingExpired, story.Standing)
	assert.Equal(f, "other/2", story.Owner)
	assert.Equal(f, 3, story.Attempt)
	assert.Contains(f, f.does(exitOK, "explain", f.live), "state       processing\nowner       other/1\nattempts    1\n")

	out = f.does(exitFailed, "release", f.live, f.key(3))
	assert.Contains(f, out, f.live+": left alone: held by other/1, expires in ")
	assert.Contains(f, out, f.key(3)+": left alone: nobody has claimed it\n")
	assert.Contains(f, f.does(exitFailed, "retry", f.live), f.live+": left alone: held by other/1, expires in ")

	f.checkAll()
	sink := "file://" + filepath.Join(f.TempDir(), "out")
	out = f.does(exitOK, "run", "--sink", sink)
	assert.Contains(f, out, "status     ok")
	assert.Contains(f, out, "objects    18 finished, 1 done before, 1 held or waiting\n")

	assert.Contains(f, f.does(exitFailed, "release", f.dead), f.dead+": left alone: it is finished, and nothing of it failed\n")
	assert.Contains(f, f.does(exitFailed, "retry", f.dead), f.dead+": left alone: it is finished, and nothing of it failed\n")
	assert.Contains(f, f.does(exitOK, "retry", f.poison), f.poison+": forgotten: the next run processes it from its beginning, 1 parts deleted from failed\n")
	outcome := unmarshal[processor.Outcome](f.T, f.does(exitOK, "retry", "--whole", "--json", f.dead))
	assert.Equal(f, processor.DidForget, outcome.Did)
	assert.Contains(f, f.does(exitOK, "run", "--sink", sink), "objects    2 finished, 17 done before, 1 held or waiting\n")

	f.archiveAll()
}

// checkAll has what died given back, or given up, and what lives left alone.
func (f *fleetOfTwo) checkAll() {
	check := func() processor.CheckReport {
		return unmarshal[processor.CheckReport](f.T, f.does(exitOK, "check", "--grace", "0", "--max-retries", "2", "--json"))
	}
	r := check()
	assert.Equal(f, []int64{2, 1, 1, 1}, []int64{r.Expired, r.Released, r.Failed, r.Counts.Processing})
	r = check()
	assert.Zero(f, r.Expired)
	assert.Contains(f, f.does(exitOK, "check", "--grace", "0"), "expired     0\n")
	assert.Contains(f, f.does(exitOK, "release", f.dead), f.dead+": released: any worker can take it\n")
	tickets := envelopes(f.T, f.folder+".unspool-failed")
	require.Len(f, tickets, 1)
	assert.Contains(f, tickets[0].Reason, "claimed 3 times without being finished, last by other/2")
	assert.Contains(f, f.does(exitOK, "explain", f.poison), "1 records, 1 tickets")
}

// archiveAll takes all away, which ends what the claims know of it.
func (f *fleetOfTwo) archiveAll() {
	archive := filepath.Join(f.TempDir(), "archive")
	out := f.does(exitOK, "archive", "--to", archive, "--after", "0")
	assert.Contains(f, out, "objects     19 archived")
	assert.Contains(f, out, "left        1, 1 not finished\n")
	require.NoError(f, f.store.Complete(f.Context(), []claim.Lease{f.lease}), "the other one goes on")
	require.NoError(f, os.Remove(filepath.Join(f.folder, f.live)), "and takes its file away")
	f.does(exitOK, "archive", "--forget", "1ms")
	assert.EqualValues(f, 1, f.counts().Finished, "nothing is forgotten while the source is empty")
	require.NoError(f, os.WriteFile(filepath.Join(f.folder, "late.json"), []byte(`{"id":1}`), 0o600))
	require.Eventually(f, func() bool {
		return strings.Contains(f.does(exitOK, "archive", "--forget", "1s"), "forgotten   1 ")
	}, 30*time.Second, 100*time.Millisecond)
	assert.Equal(f, claim.Counts{}, f.counts(), "not a claim is left")
	for i := range 20 {
		if key := f.key(i); key != f.live {
			assert.FileExists(f, filepath.Join(archive, key))
		}
	}
	assert.Equal(f, []string{filepath.Join(f.folder, "late.json")}, contentsOf(f.T, f.folder))
}

// contentsOf lists the files below a folder.
func contentsOf(t *testing.T, folder string) []string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// A store that cannot be reached is an error, and the password is in no text.
func TestSharedClaimsAway(t *testing.T) {
	waits(t)
	s := newSpool(t, spooltest.Config{Files: 1})
	addr := testtool.Addr(t)
	for _, command := range [][]string{{"status"}, {"check"}, {"explain", "x"}} {
		args := append(command, "--source", s.folder, "--claims", "redis://:secret@"+addr+"/0?max_retries=-1")
		code, _, errs := runHere(t, args...)
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, errs, addr)
		assert.NotContains(t, errs, "secret")
	}
}
