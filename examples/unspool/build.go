package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unspool-go/unspool/processor"
)

// job is a service with all that was opened for it.
type job struct {
	Service *processor.Service
	// Notes tell the user what was decided for them.
	Notes []string
	// PassedOver returns how many folders were not listed for --horizon.
	PassedOver func() int64

	closers []func() error
}

// Close closes what was opened, the last first. Further calls do nothing.
func (j *job) Close() error {
	var errs []error
	for i := len(j.closers) - 1; i >= 0; i-- {
		errs = append(errs, j.closers[i]())
	}
	j.closers = nil
	return errors.Join(errs...)
}

// build makes a job of settings, in which errs were found already. The mistakes
// of the user's are all found before anything is written, and marked errUsage.
func build(ctx context.Context, set settings, errs []error, stdout io.Writer, status *statusLine) (_ *job, err error) {
	closeStores, err := openStores(ctx, set.stores()...)
	if err != nil {
		errs = append(errs, err)
	}
	in, more := buildInput(ctx, set)
	errs = append(errs, more...)
	places, more := plan(set, in.Folder)
	errs = append(errs, more...)
	j := &job{PassedOver: in.PassedOver, closers: []func() error{closeStores, in.Close}}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.Close())
		}
	}()
	if err := usage(errs); err != nil {
		return nil, err
	}

	cfg := processor.Config{
		Source: in.Source, Transform: in.Transform, Split: in.Split,
		Logger:            newLogger(status, set.Verbose),
		RecordID:          set.RecordID,
		Pack:              packing(set),
		RetryURL:          places.retry,
		FailedURL:         places.failed,
		CorruptionURL:     places.corruption,
		MaxRetries:        orNone(set.MaxRetries),
		Concurrency:       set.Concurrency,
		Rate:              processor.Rate{Records: set.Rate},
		DeadlineReduction: set.DeadlineReduction,
		Lease:             set.Lease,
		PollInterval:      set.PollInterval,
		RescanInterval:    set.RescanInterval,
		Fingerprint:       fingerprint(set),
	}
	if status.Live() {
		p := progress{now: time.Now}
		p.deadline, _ = ctx.Deadline()
		cfg.Progress = func(r processor.Response) { status.Show(p.Line(r)) }
	}
	if cfg.Sink, err = j.openSink(ctx, set, stdout); err != nil {
		return nil, err
	}
	store, closeStore, err := openClaims(ctx, places.claims, toDrain)
	if err != nil {
		return nil, err
	}
	cfg.Claimer = store
	j.closers = append(j.closers, closeStore)
	if j.Service, err = processor.New(cfg); err != nil {
		return nil, usage([]error{err})
	}
	j.Notes = places.notes
	return j, nil
}

func packing(set settings) processor.Pack {
	p := processor.Pack{
		Mode:        processor.PackMode(set.Pack),
		TargetBytes: set.TargetBytes,
		PerObject:   set.PerObject,
		Linger:      set.Linger,
	}
	if p.Mode == "" && !strings.HasPrefix(set.Sink, "sqs:") {
		p.Mode = processor.PackLines
	}
	if p.Linger == 0 {
		p.Linger = -1 // for the library 0 is the default
	}
	return p
}

// orNone returns n as the library has it, for which 0 is the default and a
// negative number means none.
func orNone(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// fingerprint stands for the settings that shape what is made of a record.
func fingerprint(set settings) string {
	return strings.Join([]string{set.Format, set.Records, set.Preamble, set.Select, set.Missing}, "\n")
}

// newLogger logs warnings, or everything, above the status line.
func newLogger(status *statusLine, verbose bool) *zap.Logger {
	level := zapcore.WarnLevel
	if verbose {
		level = zapcore.DebugLevel
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), status, level))
}
