package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// A file that was exchanged for another, of its size and its time, right after it
// was drained is not archived: nobody has processed it.
func TestArchiveOfAnExchangedFile(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 3})
	s.drain(t)
	time.Sleep(2 * coarseness) // times of files go by ticks of the kernel
	name := filepath.Join(s.folder, spooltest.Make(s.cfg, 0).Name)
	st, err := os.Stat(name)
	require.NoError(t, err)
	other := make([]byte, st.Size())
	require.NoError(t, os.WriteFile(name+".tmp", other, 0o600))
	require.NoError(t, os.Chtimes(name+".tmp", st.ModTime(), st.ModTime()))
	require.NoError(t, os.Rename(name+".tmp", name))
	code, out, errs := runHere(t, s.to("archive", "--delete", "--after", "0")...)
	assert.Equal(t, exitFailed, code, errs)
	assert.Contains(t, out, "left        1, 1 not what was processed\n")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, other, text)

	code, _, errs = runHere(t, s.to("archive", "--delete", "--after", "0", "--clock-skew", "1h")...)
	require.Equal(t, exitOK, code, errs)
	assert.NoFileExists(t, name)
}

// Only where one clock tells all times are they taken at their word.
func TestClockSkew(t *testing.T) {
	for _, c := range []struct {
		source, claims string
		want           time.Duration
	}{
		{"in", "", coarseness}, {"file:///in", "disk:x", coarseness},
		{"in", "redis://h", 0}, {"s3://b/in", "disk:x", 0}, {"s3://b/in", "s3://b/claims", 0},
	} {
		s := settings{Source: c.source, Claims: c.claims, ClockSkew: unset}
		assert.Equal(t, c.want, s.clockSkew(), c)
		s.ClockSkew = time.Minute
		assert.Equal(t, time.Minute, s.clockSkew())
		s.ClockSkew = 0
		assert.Negative(t, s.clockSkew(), "none")
	}
}

// Claims of files that somebody else took away are forgotten when that is asked
// for, and not before their time.
func TestArchiveForgets(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 10})
	s.drain(t)
	for i := range 4 {
		require.NoError(t, os.Remove(filepath.Join(s.folder, spooltest.Make(s.cfg, i).Name)))
	}
	archive := func(more ...string) processor.ArchiveReport {
		t.Helper()
		code, out, errs := runHere(t, s.to("archive", append(more, "--json")...)...)
		require.Equal(t, exitOK, code, errs)
		return unmarshal[processor.ArchiveReport](t, out)
	}
	assert.Zero(t, archive("--forget", "1h").Forgotten)
	r := archive("--forget", "1ms")
	assert.Equal(t, []int64{4, 0, 0}, []int64{r.Forgotten, r.Archived, r.Objects})
	assert.Zero(t, s.drain(t).Loaded, "what is there is remembered")
	require.NoError(t, os.Remove(filepath.Join(s.folder, spooltest.Make(s.cfg, 4).Name)))
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "new.json"), []byte(`{"id":1}`), 0o600))
	r = archive("--forget", "1ms", "--delete", "--after", "0")
	assert.Equal(t, []int64{1, 5}, []int64{r.Forgotten, r.Archived})
}

// An archive on a disk that is full keeps what fits, whole, and leaves the rest
// where it is; with room again, the next archiver does that. The disk is another
// one than the source's, so that files are copied.
func TestArchiveOnAFullDisk(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 100})
	s.drain(t)
	small := filepath.Join(t.TempDir(), "small")
	require.NoError(t, os.Mkdir(small, 0o755))
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount a small tmpfs, to be run as root: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(small, syscall.MNT_DETACH)) })
	to := filepath.Join(small, "archive")
	args := s.to("archive", "--to", to, "--after", "0", "--json")

	code, out, errs := runHere(t, args...)
	require.Equal(t, exitFailed, code, errs)
	r := unmarshal[processor.ArchiveReport](t, out)
	assert.Contains(t, r.Errors[0], "no space left")
	assert.EqualValues(t, 100, r.Archived+r.Failed)
	assert.NotZero(t, r.Archived)
	assert.NotZero(t, r.Failed)
	assert.Len(t, contentsOf(t, s.folder), int(r.Failed), "what is not archived is where it was")
	for f := range spooltest.Files(s.cfg) {
		text, err := os.ReadFile(filepath.Join(to, f.Name))
		if !os.IsNotExist(err) {
			require.NoError(t, err)
			require.Equal(t, f.Data, text, "half a file")
		}
	}
	assert.Zero(t, s.drain(t).Loaded, "nothing is drained again")

	require.NoError(t, syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=64m"))
	code, out, errs = runHere(t, args...)
	require.Equal(t, exitOK, code, errs)
	again := unmarshal[processor.ArchiveReport](t, out)
	assert.Equal(t, r.Failed, again.Archived)
	assert.Equal(t, again.Archived, again.Copied)
	assert.Empty(t, contentsOf(t, s.folder))
	assert.Len(t, contentsOf(t, to), 100, "nor a file too many")
}

// Workers and archivers side by side, on claims that they share: each file is
// drained once and ends up in the archive, and no archiver is in another's way.
func TestArchiversBesideWorkers(t *testing.T) {
	waits(t)
	files := scale(80, 5000)
	s := newSpool(t, spooltest.Config{Files: files})
	folder := filepath.Join(t.TempDir(), "watched")
	require.NoError(t, os.Mkdir(folder, 0o755))
	location := startRedis(t)
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	to := filepath.Join(t.TempDir(), "archive")
	common := []string{"--source", folder, "--claims", location}
	var workers []*child
	for range 2 {
		workers = append(workers, startChild(t, q.env(), s.args(q, append(common, "--watch", "--linger", "10ms")...)...))
	}
	archive := append([]string{"archive", "--to", to, "--after", "0", "--max-time", "30s", "--json"}, common...)
	fed := 0
	feed := func(n int) {
		for ; fed < files && n > 0; n-- {
			name := strconv.Itoa(fed) + ".json"
			require.NoError(t, os.Rename(filepath.Join(s.folder, spooltest.Make(s.cfg, fed).Name), filepath.Join(folder, name)))
			fed++
		}
	}
	deadline := time.Now().Add(5 * time.Minute)
	for archived := int64(0); archived < int64(files); {
		require.True(t, time.Now().Before(deadline), "%d of %d archived", archived, files)
		feed(files / scale(4, 10))
		both := []*child{startChild(t, nil, archive...), startChild(t, nil, archive...)}
		for _, c := range both {
			require.Equal(t, exitOK, c.wait(), c.stderr.String()+c.stdout.String())
			archived += unmarshal[processor.ArchiveReport](t, c.stdout.String()).Archived
		}
	}
	for _, c := range workers {
		c.signal(t, os.Interrupt)
		c.wait()
		summaryOf(t, c.stdout.Bytes())
	}
	q.requireAll(t, s.want.Delivered, 1)
	assert.Empty(t, contentsOf(t, folder))
	for i := range files {
		text, err := os.ReadFile(filepath.Join(to, strconv.Itoa(i)+".json"))
		require.NoError(t, err)
		require.Equal(t, spooltest.Make(s.cfg, i).Data, text)
	}
}
