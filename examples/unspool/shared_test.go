package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
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

// All commands work on claims that many machines share, while others work: a run
// ends by itself when all that is left is held, and operators see, and take
// nothing from who is alive.
func TestSharedClaims(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 20})
	location := startRedis(t)
	store, closeStore, err := openClaims(t.Context(), location, toDrain)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closeStore()) })
	live, dead := filepath.ToSlash(spooltest.Make(s.cfg, 0).Name), filepath.ToSlash(spooltest.Make(s.cfg, 1).Name)
	results, err := store.Claim(t.Context(), "other/1", "n1", []string{live}, time.Hour)
	require.NoError(t, err)
	_, err = store.Claim(t.Context(), "other/2", "n2", []string{dead}, time.Millisecond)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		counts, err := store.Count(t.Context())
		require.NoError(t, err)
		return counts.Expired == 1
	}, 30*time.Second, time.Millisecond)
	to := func(command string, more ...string) []string {
		return append([]string{command, "--source", s.folder, "--claims", location}, more...)
	}

	code, out, errs := runHere(t, to("status", "--grace", "0")...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "stuck       1\n            "+dead+": attempt 1, expired ")
	assert.Contains(t, out, "source      20 objects: 18 new, 1 processing, 1 expired\n")

	code, out, errs = runHere(t, to("check", "--grace", "0", "--json")...)
	require.Equal(t, exitOK, code, errs)
	r := unmarshal[processor.CheckReport](t, out)
	assert.Equal(t, []int64{1, 1, 1}, []int64{r.Expired, r.Released, r.Counts.Processing})

	code, out, errs = runHere(t, to("run", "--sink", "file://"+filepath.Join(t.TempDir(), "out"))...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "status     ok")
	assert.Contains(t, out, "objects    19 finished, 1 held or waiting\n")

	code, out, errs = runHere(t, to("release", live)...)
	assert.Equal(t, exitFailed, code, errs)
	assert.Contains(t, out, live+": left alone: held by other/1, expires in ")

	archive := filepath.Join(t.TempDir(), "archive")
	code, out, errs = runHere(t, to("archive", "--to", archive, "--after", "0")...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "left        1, 1 not finished\n")
	require.NoError(t, store.Complete(t.Context(), []claim.Lease{results[0].Lease}), "the other one goes on")
	code, _, errs = runHere(t, to("archive", "--to", archive, "--after", "0")...)
	require.Equal(t, exitOK, code, errs)
	entries, err := os.ReadDir(s.folder)
	require.NoError(t, err)
	for _, e := range entries {
		assert.Empty(t, contentsOf(t, filepath.Join(s.folder, e.Name())), "not a file is left")
	}
	counts, err := store.Count(t.Context())
	require.NoError(t, err)
	assert.Equal(t, claim.Counts{}, counts, "nor a claim")
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
	s := newSpool(t, spooltest.Config{Files: 1})
	addr := testtool.Addr(t)
	for _, command := range [][]string{{"status"}, {"check"}, {"explain", "x"}} {
		args := append(command, "--source", s.folder, "--claims", "redis://:secret@"+addr+"/0")
		code, _, errs := runHere(t, args...)
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, errs, addr)
		assert.NotContains(t, errs, "secret")
	}
}
