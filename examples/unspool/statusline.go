package main

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// statusLine is stderr with one line at its bottom that is rewritten in place,
// where stderr is a terminal; elsewhere the line is not shown. What is written
// to it (the log) scrolls by above the line. It is safe for concurrent use.
type statusLine struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // of the terminal; nil where there is none
	line  string     // as it stands there
}

func newStatusLine(stderr io.Writer) *statusLine {
	s := &statusLine{w: stderr}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 { // a terminal that does not know
				return 80
			}
			return width
		}
	}
	return s
}

// Live reports whether the line is shown.
func (s *statusLine) Live() bool { return s.width != nil }

// Show replaces the line.
func (s *statusLine) Show(line string) {
	if !s.Live() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line[:min(len(line), s.width()-1)]
	io.WriteString(s.w, clearLine+s.line)
}

// Done removes the line.
func (s *statusLine) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != "" {
		s.line = ""
		io.WriteString(s.w, clearLine)
	}
}

// Write writes whole lines above the line.
func (s *statusLine) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == "" {
		return s.w.Write(p)
	}
	var out bytes.Buffer
	out.WriteString(clearLine)
	out.Write(p)
	out.WriteString(s.line)
	if _, err := s.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Sync makes a statusLine a zapcore.WriteSyncer.
func (s *statusLine) Sync() error { return nil }

// clearLine moves to the start of the terminal's line and empties it.
const clearLine = "\r\x1b[K"
