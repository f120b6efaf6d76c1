package lambda

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// functions are all there are, as their folders are named.
var functions = []string{"archiver", "checker", "loader", "s3event", "sqsconsumer"}

// programs builds all functions, at their first use, into a folder that is removed at
// the end.
var programs = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "unspool-lambda-")
	if err != nil {
		return "", err
	}
	built = folder
	args := []string{"build", "-o", folder + string(filepath.Separator)}
	for _, f := range functions {
		args = append(args, "./"+f)
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return "", &buildError{string(out), err}
	}
	return folder, nil
})

// built is the folder of programs.
var built string

type buildError struct {
	output string
	err    error
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.output }
func (e *buildError) Unwrap() error { return e.err }

// program returns the path of a function, built for this machine.
func program(t testing.TB, function string) string {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, function)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		if err := os.RemoveAll(built); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}
