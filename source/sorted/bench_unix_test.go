//go:build unix

package sorted_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/sorted"
)

const benchLines = 1_000_000

// BenchmarkSort sorts a million lines by a number, as often as -benchtime says, by
// this package, in memory and beyond it, by slices.SortStableFunc on all lines with
// the numbers beside them, and by sort(1) of coreutils. Compare within one run, and processor time
// where the machine is not idle:
//
//	go test ./source/sorted -run '^$' -bench Sort -benchtime 3x
func BenchmarkSort(b *testing.B) {
	root := b.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	var csv, ndjson bytes.Buffer
	for i := range benchLines {
		n := rnd.IntN(1_000_000_000)
		fmt.Fprintf(&csv, "%d,%d,some more text that is in the line and makes it longer\n", i, n)
		fmt.Fprintf(&ndjson, "{\"id\":%d,\"user\":{\"n\":%d},\"text\":\"some more text that is in the line and makes it longer\"}\n", i, n)
	}
	require.NoError(b, os.WriteFile(filepath.Join(root, "csv"), csv.Bytes(), 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(root, "json"), ndjson.Bytes(), 0o600))
	byColumn := sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{Index: 1, Type: sorted.Number}}, TempDir: b.TempDir()}
	byMember := sorted.Config{By: []sorted.Key{{Name: "user.n", Type: sorted.Number}}, TempDir: b.TempDir()}
	for _, c := range []struct {
		key    string
		cfg    sorted.Config
		number func(line []byte) float64
	}{
		{"csv", byColumn, func(line []byte) float64 {
			_, rest, _ := bytes.Cut(line, []byte(","))
			text, _, _ := bytes.Cut(rest, []byte(","))
			n, _ := strconv.ParseFloat(string(text), 64)
			return n
		}},
		{"json", byMember, func(line []byte) float64 { return gjson.GetBytes(line, "user.n").Num }},
	} {
		path := filepath.Join(root, c.key)
		for _, memory := range []int64{1 << 30, 32 << 20} {
			b.Run(fmt.Sprintf("%s/sorted-%dMiB", c.key, memory>>20), func(b *testing.B) {
				folder, err := dir.Open(root, dir.Config{})
				require.NoError(b, err)
				defer folder.Close()
				c.cfg.MemoryBytes = memory
				s := ordered(b, folder, c.cfg)
				before := used(b)
				for b.Loop() {
					r, _, err := s.Open(b.Context(), source.Object{Key: c.key, Size: -1}, 0, -1)
					require.NoError(b, err)
					_, err = io.Copy(io.Discard, r)
					require.NoError(b, err)
					require.NoError(b, r.Close())
				}
				report(b, used(b)-before)
			})
		}
		b.Run(c.key+"/naive", func(b *testing.B) {
			before := used(b)
			for b.Loop() {
				require.NoError(b, naive(path, c.number))
			}
			report(b, used(b)-before)
		})
	}
	tool, err := exec.LookPath("sort")
	if err != nil {
		return
	}
	for _, parallel := range []string{"1", "2"} {
		b.Run("csv/coreutils-"+parallel, func(b *testing.B) {
			var all time.Duration
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), tool, "--parallel", parallel, "-S", "1G", "-s", "-t", ",", "-k", "2,2n", filepath.Join(root, "csv"))
				cmd.Env = append(os.Environ(), "LC_ALL=C")
				cmd.Stdout = io.Discard
				require.NoError(b, cmd.Run())
				all += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			report(b, all)
		})
	}
}

// used is the processor time of this process so far.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, all time.Duration) {
	b.ReportMetric(float64(all.Milliseconds())/float64(b.N), "cpu-ms/op")
}

// naive holds all lines, and forgets how many digits a number has.
func naive(path string, number func([]byte) float64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	type line struct {
		n    float64
		text []byte
	}
	var all []line
	in := bufio.NewScanner(f)
	for in.Scan() {
		text := bytes.Clone(in.Bytes())
		all = append(all, line{number(text), text})
	}
	slices.SortStableFunc(all, func(a, b line) int {
		switch {
		case a.n < b.n:
			return -1
		case a.n > b.n:
			return 1
		}
		return 0
	})
	for _, l := range all {
		if _, err := io.Discard.Write(l.text); err != nil {
			return err
		}
	}
	return in.Err()
}
