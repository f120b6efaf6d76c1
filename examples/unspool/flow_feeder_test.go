//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/internal/spooltest"
)

// flowLayout is the time in the keys of a flow, as --name-time takes it: a folder
// for each minute.
const flowLayout = "2006/01/02/15/04/05.000000000"

// flowSelect is what is sent of each record: what the judge needs, and what all
// tests select.
func flowSelect() string { return "n,at," + selectFlag() }

// feeder writes the files of a flow: each is written beside the folder and renamed
// into place under a name that says when. Its records hold their number, and the
// time shortly before their file appeared.
type feeder struct {
	folder string
	files  int
	rate   int // files a second; 0 is as fast as it can

	tweets [][]byte // without the opening brace
	spare  *os.File // the folder in which files are written
	inside *os.File // the one of the last file
	text   bytes.Buffer

	// Once it has run:
	took time.Duration
	cpu  time.Duration
}

func newFeeder(folder string, files, rate int) *feeder {
	f := &feeder{folder: folder, files: files, rate: rate}
	for file := range spooltest.Files(spooltest.Config{Files: 64}) {
		for _, r := range file.Records {
			f.tweets = append(f.tweets, bytes.TrimPrefix(r.JSON, []byte("{")))
		}
	}
	return f
}

// run writes all files, or as many as there are until ctx ends.
func (f *feeder) run(ctx context.Context) error {
	runtime.LockOSThread() // so that its time can be told
	defer runtime.UnlockOSThread()
	before := threadTime()
	spare := f.folder + ".writing"
	err := os.MkdirAll(spare, 0o755)
	if err == nil {
		f.spare, err = os.Open(spare)
	}
	if err != nil {
		return err
	}
	defer f.spare.Close()
	defer f.leave()
	start := time.Now()
	defer func() { f.took, f.cpu = time.Since(start), threadTime()-before }()
	for n := range f.files {
		if f.rate > 0 { // in lots: to sleep costs, too
			due := start.Add(time.Duration(n) * time.Second / time.Duration(f.rate))
			if time.Until(due) > 0 {
				time.Sleep(time.Until(due) + lot)
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped after %d of %d files: %w", n, f.files, context.Cause(ctx))
		}
		if err := f.write(n); err != nil {
			return err
		}
	}
	return nil
}

// write writes the n-th file, with few calls of the kernel: it shares the machine
// with those whom it feeds.
func (f *feeder) write(n int) error {
	at := time.Now()
	f.text.Reset()
	f.text.WriteString("# a feed\n# of tweets\n")
	for k := range recordsOf(n) {
		f.text.WriteString(`{"n":`)
		f.text.Write(strconv.AppendInt(f.text.AvailableBuffer(), int64(n*perFile+k), 10))
		f.text.WriteString(`,"at":`)
		f.text.Write(strconv.AppendInt(f.text.AvailableBuffer(), at.UnixNano(), 10))
		f.text.WriteByte(',')
		f.text.Write(f.tweets[rand.IntN(len(f.tweets))])
		f.text.WriteByte('\n')
	}
	name := at.UTC().Format(flowLayout) + "-" + strconv.Itoa(n) + ".json"
	if err := f.enter(path.Dir(name)); err != nil {
		return err
	}
	const spare = "file"
	fd, err := unix.Openat(int(f.spare.Fd()), spare, unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, f.text.Bytes()) // to a file, all at once
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return err
	}
	return unix.Renameat(int(f.spare.Fd()), spare, int(f.inside.Fd()), path.Base(name))
}

// enter makes a folder the one of the files to come.
func (f *feeder) enter(folder string) error {
	if f.inside != nil && f.inside.Name() == filepath.Join(f.folder, folder) {
		return nil
	}
	f.leave()
	err := os.MkdirAll(filepath.Join(f.folder, folder), 0o755)
	if err == nil {
		f.inside, err = os.Open(filepath.Join(f.folder, folder))
	}
	return err
}

func (f *feeder) leave() {
	if f.inside != nil {
		f.inside.Close()
		f.inside = nil
	}
}

// lot is how far a feeder is behind, at most, where it keeps its pace.
const lot = 10 * time.Millisecond

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(unix.RUSAGE_THREAD, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
