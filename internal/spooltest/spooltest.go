// Package spooltest makes folders of realistic files for tests, examples and
// benchmarks, and says what must become of every record in them.
//
// Everything follows from [Config] alone: the same Config gives the same bytes
// on every machine, so a test that fails can be repeated, and what a file held
// can be made again by [Make] instead of being kept in memory.
package spooltest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Config says what to make. Apart from Files the zero value works.
type Config struct {
	// Files is how many files to make.
	Files int
	// Seed chooses among equally realistic folders.
	Seed uint64
	// CorruptEvery makes one file in so many hold something corrupt; 0 means
	// none does.
	CorruptEvery int
	// OddEvery makes one file in so many legal but odd: see [File.Kind]. 0 means
	// none is.
	OddEvery int
	// PerFolder is how many files share a folder. Defaults to 1,000.
	PerFolder int
}

// File is one file.
type File struct {
	// Name is the path below the folder, with forward slashes: the key of the
	// object.
	Name string
	// Kind says in a word or two what sort of file it is ("plain", "truncated").
	Kind string
	// Data is what the file holds.
	Data []byte
	// Records are the good records in it, in order: each must be delivered once.
	Records []Record
	// Corrupt is how many records of it must go to the corruption destination.
	Corrupt int
}

// Record is one good record of a file.
type Record struct {
	// ID is the value of its member "id", different for every record of a
	// folder, and beyond what a float64 can hold exactly.
	ID int64
	// JSON is the record, byte for byte as it stands in the file.
	JSON []byte
}

// Expected is what must become of a folder.
type Expected struct {
	Files int
	Bytes int64
	// Delivered are the ids of all good records, ascending.
	Delivered []int64
	// Corrupt counts the corrupt records of each file that has any, by name.
	Corrupt map[string]int
	// Kinds counts the files by [File.Kind].
	Kinds map[string]int
}

// CorruptRecords returns the number of corrupt records in all files.
func (e Expected) CorruptRecords() int {
	n := 0
	for _, c := range e.Corrupt {
		n += c
	}
	return n
}

// Files returns the files one after the other. Each is made anew and belongs
// to the caller.
func Files(cfg Config) iter.Seq[File] {
	return func(yield func(File) bool) {
		for n := range cfg.Files {
			if !yield(Make(cfg, n)) {
				return
			}
		}
	}
}

// Make returns the n-th file, counted from 0.
func Make(cfg Config, n int) File {
	r := rand.New(rand.NewPCG(cfg.Seed, uint64(n)))
	perFolder := cfg.PerFolder
	if perFolder <= 0 {
		perFolder = 1000
	}
	f := File{Name: fmt.Sprintf("2026-11-%02d/%03d/feed-%06d.json", 1+n/perFolder%28, n/perFolder, n)}
	m := maker{Rand: r, file: &f, next: FirstID + int64(n)*maxRecords}
	switch {
	case cfg.CorruptEvery > 0 && n%cfg.CorruptEvery == cfg.CorruptEvery/2:
		m.make(corruptKinds[n/cfg.CorruptEvery%len(corruptKinds)])
	case cfg.OddEvery > 0 && n%cfg.OddEvery == cfg.OddEvery-1:
		m.make(oddKinds[n/cfg.OddEvery%len(oddKinds)])
	default:
		m.make(kind{"plain", (*maker).plain})
	}
	return f
}

// Write makes the files of cfg in folder, which it makes too if need be.
func Write(folder string, cfg Config) (Expected, error) {
	want := Expected{Corrupt: map[string]int{}, Kinds: map[string]int{}}
	made := ""
	for f := range Files(cfg) {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		if parent := filepath.Dir(path); parent != made {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return Expected{}, fmt.Errorf("make folder of files: %w", err)
			}
			made = parent
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			return Expected{}, fmt.Errorf("make file: %w", err)
		}
		want.add(f)
	}
	return want, nil
}

func (e *Expected) add(f File) {
	e.Files++
	e.Bytes += int64(len(f.Data))
	e.Kinds[f.Kind]++
	if f.Corrupt > 0 {
		e.Corrupt[f.Name] += f.Corrupt
	}
	for _, rec := range f.Records {
		e.Delivered = append(e.Delivered, rec.ID)
	}
}
