//go:build linux

package chaostest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const roleFeeder = "feeder"

// The environment of the feeder, and in part of the workers.
const (
	envFolder = "CHAOS_ROLE_FOLDER" // of the files
	envFiles  = "CHAOS_ROLE_FILES"
	envSeed   = "CHAOS_ROLE_SEED"
	envLarge  = "CHAOS_ROLE_LARGE"
	envSpread = "CHAOS_ROLE_SPREAD" // the time over which files are written
	envHeld   = "CHAOS_ROLE_HELD"   // how many of the files, the last ones, are held back
	envBatch  = "CHAOS_ROLE_BATCH"  // of how many of them are written at once
	envGate   = "CHAOS_ROLE_GATE"   // begins the name of a file that says so, which the batch's number ends
)

// recordsOf returns how many records file f holds: a few, or in a large one
// more than a thousand, so that it is worked on in pieces and has checkpoints.
func recordsOf(seed uint64, f, large int) int {
	r := rand.New(rand.NewPCG(seed, uint64(f)))
	if large > 0 && f%large == large-1 {
		return 1000 + r.IntN(1000)
	}
	return 1 + r.IntN(5)
}

// padding makes a record about 300 bytes long.
var padding = strings.Repeat("the quick brown fox jumps over the lazy dog. ", 6)

// writeFile makes the content of file f.
func writeFile(seed uint64, f, large int) []byte {
	var b bytes.Buffer
	for n := range recordsOf(seed, f, large) {
		fmt.Fprintf(&b, `{"f":%d,"n":%d,"pad":%q}`+"\n", f, n, padding[:200+(f+n)%70])
	}
	return b.Bytes()
}

// keyOf is the key of file f in the claim store, and its path in the folder.
func keyOf(f int) string { return fmt.Sprintf("%02d/%07d.json", f%16, f) }

// fileOf is the inverse of keyOf.
func fileOf(key string) (int, error) {
	return strconv.Atoi(strings.TrimSuffix(filepath.Base(key), ".json"))
}

// feed is the feeding process: it creates each file under another name and
// then renames it. The last ones wait for a gate.
func feed() error {
	folder := os.Getenv(envFolder)
	var files, large, held, batch int
	var seed uint64
	if _, err := fmt.Sscan(strings.Join([]string{
		os.Getenv(envFiles), os.Getenv(envLarge), os.Getenv(envHeld), os.Getenv(envBatch), os.Getenv(envSeed),
	}, " "), &files, &large, &held, &batch, &seed); err != nil {
		return fmt.Errorf("read the feeder's environment: %w", err)
	}
	spread, err := time.ParseDuration(os.Getenv(envSpread))
	if err != nil {
		return fmt.Errorf("read the feeder's environment: %w", err)
	}
	start := time.Now()
	for f := range files {
		name := filepath.Join(folder, keyOf(f))
		if f < 16 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
		}
		if f >= files-held {
			awaitGate(os.Getenv(envGate), (f-files+held)/batch)
		}
		time.Sleep(time.Until(start.Add(spread * time.Duration(f) / time.Duration(files))))
		if err := os.WriteFile(name+".tmp", writeFile(seed, f, large), 0o600); err != nil {
			return err
		}
		if err := os.Rename(name+".tmp", name); err != nil {
			return err
		}
	}
	return nil
}

// gate names the file that lets a batch of files through.
func gate(start string, batch int) string { return fmt.Sprintf("%s-%d", start, batch) }

func awaitGate(start string, batch int) {
	for {
		if _, err := os.Stat(gate(start, batch)); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
