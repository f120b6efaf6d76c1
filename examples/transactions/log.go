package main

import (
	"bytes"
	"io"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger writes JSON lines: of those that say the same, one in a second.
func newLogger(to io.Writer) *zap.Logger {
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(to), zap.InfoLevel)
	return zap.New(zapcore.NewSamplerWithOptions(core, time.Second, 1, 0))
}

// meter counts what is written.
type meter struct{ lines, bytes atomic.Int64 }

func (m *meter) Write(p []byte) (int, error) {
	m.lines.Add(int64(bytes.Count(p, []byte("\n"))))
	m.bytes.Add(int64(len(p)))
	return len(p), nil
}
