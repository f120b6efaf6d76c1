// Package setup makes what the functions of examples/lambda have in common, from
// the settings that they are given.
//
// A setting is a variable of the environment, or a member of the same name in the
// file unspool.yaml beside the binary; the environment wins. The file may serve
// all functions:
//
//	SOURCE: s3://feeds/in
//	SELECT: id,user=user.screen_name
//	PROCESSOR:
//	  concurrency: 8
//	  pack: {mode: lines}
//
// PROCESSOR holds plain values of [processor.Config]. In the environment it is
// YAML, too, as in {concurrency: 4}, and its members win over those of the file.
package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/unspool-go/unspool/processor"
)

// File is the name of the file with settings.
const File = "unspool.yaml"

// Names are those of all settings of all functions. Each function's documentation
// says which it reads.
var Names = []string{
	"AFTER", "ARCHIVE", "ASIDE", "CLAIMS", "DELAY", "DELETE", "FOLDERS", "FORGET", "GRACE", "LATE", "MAXAGE", "NEXT", "OBSERVERS",
	"PROCESSOR", "QUEUE", "SELECT", "SOURCE", "TABLE", "WINDOW",
}

// Settings are what a function is told. They collect what is wrong with them, so
// that all is told at once. Settings are read by one goroutine.
type Settings struct {
	lookup    func(string) (string, bool)
	file      map[string]string
	processor *yaml.Node // of the file; nil where it says nothing
	errs      []error
}

// Load returns the settings of this process: of its environment, and of the file
// beside its binary, which may be missing.
func Load() *Settings {
	program, err := os.Executable()
	if err != nil {
		return &Settings{lookup: os.LookupEnv, errs: []error{err}}
	}
	file, err := os.Open(filepath.Join(filepath.Dir(program), File))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return New(os.LookupEnv, strings.NewReader(""))
	case err != nil:
		return &Settings{lookup: os.LookupEnv, errs: []error{err}}
	}
	defer file.Close()
	return New(os.LookupEnv, file)
}

// New returns the settings of an environment, as [os.LookupEnv] knows it, and of
// the text of a file.
func New(lookup func(string) (string, bool), file io.Reader) *Settings {
	s := &Settings{lookup: lookup, file: map[string]string{}}
	var doc yaml.Node
	if err := yaml.NewDecoder(file).Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) { // an empty file says nothing
			s.wrong(File, err)
		}
		return s
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		s.wrong(File, errors.New("is no mapping of names to values"))
		return s
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		s.member(root.Content[i], root.Content[i+1])
	}
	return s
}

// member takes one setting of the file.
func (s *Settings) member(key, value *yaml.Node) {
	place := fmt.Sprintf("%s: line %d: %s", File, key.Line, key.Value)
	_, again := s.file[key.Value]
	switch {
	case !slices.Contains(Names, key.Value):
		s.wrong(place, errors.New("no function has such a setting"))
	case again:
		s.wrong(place, errors.New("is there twice"))
	case key.Value == "PROCESSOR":
		s.processor = value
	case value.Kind != yaml.ScalarNode:
		s.wrong(place, errors.New("needs one value"))
	case value.Tag != "!!null":
		s.file[key.Value] = value.Value
	}
}

func (s *Settings) wrong(name string, err error) {
	s.errs = append(s.errs, fmt.Errorf("%s: %w", name, err))
}

// Get returns a setting, empty if it is not there.
func (s *Settings) Get(name string) string {
	if value, _ := s.lookup(name); value != "" {
		return value
	}
	return s.file[name]
}

// Need returns a setting that must be there.
func (s *Settings) Need(name string) string {
	value := s.Get(name)
	if value == "" {
		s.wrong(name, errors.New("not set"))
	}
	return value
}

// Duration returns a setting such as 24h, or otherwise if it is not there.
func (s *Settings) Duration(name string, otherwise time.Duration) time.Duration {
	text := s.Get(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		s.wrong(name, fmt.Errorf("%q is no duration such as 24h", text))
	}
	return d
}

// Number returns a setting that is a whole number and not negative, and 0 if it is not
// there.
func (s *Settings) Number(name string) int {
	text := s.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		s.wrong(name, fmt.Errorf("%q is no number such as 5", text))
	}
	return n
}

// Flag returns a setting that is true or false, and false if it is not there.
func (s *Settings) Flag(name string) bool {
	switch text := s.Get(name); text {
	case "true":
		return true
	case "", "false":
	default:
		s.wrong(name, fmt.Errorf("%q is neither true nor false", text))
	}
	return false
}

// Processor returns what PROCESSOR says. The folders for what cannot be delivered
// are set by ASIDE alone, because all functions must agree on them.
func (s *Settings) Processor() processor.Config {
	const name = "PROCESSOR"
	merged := &yaml.Node{Kind: yaml.MappingNode}
	var given yaml.Node
	text, _ := s.lookup(name)
	if err := yaml.Unmarshal([]byte(text), &given); err != nil {
		s.wrong(name, err)
		return processor.Config{}
	}
	for _, node := range []*yaml.Node{s.processor, content(&given)} {
		switch {
		case node == nil || node.Tag == "!!null":
		case node.Kind != yaml.MappingNode:
			s.wrong(name, errors.New("is no mapping such as {concurrency: 8}"))
		default:
			merge(merged, node)
		}
	}
	section, err := yaml.Marshal(merged)
	if err != nil {
		s.wrong(name, err)
		return processor.Config{}
	}
	cfg, err := processor.LoadConfig(bytes.NewReader(section))
	if err != nil {
		s.wrong(name, err)
	}
	if cfg.RetryURL+cfg.FailedURL+cfg.CorruptionURL != "" {
		s.wrong(name, errors.New("retryURL, failedURL and corruptionURL are set by ASIDE"))
	}
	return cfg
}

// content is what a document holds, nil if that is nothing.
func content(doc *yaml.Node) *yaml.Node {
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// merge puts the members of a mapping into another, in place of those of the same
// names.
func merge(into, from *yaml.Node) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, value := from.Content[i], from.Content[i+1]
		at := 0
		for at < len(into.Content) && into.Content[at].Value != key.Value {
			at += 2
		}
		if at == len(into.Content) {
			into.Content = append(into.Content, key, value)
		} else {
			into.Content[at+1] = value
		}
	}
}

// Err returns all that is wrong.
func (s *Settings) Err() error { return errors.Join(s.errs...) }
