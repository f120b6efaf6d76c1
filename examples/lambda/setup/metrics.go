package setup

import (
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
)

// metrics are those that CloudWatch is asked to keep, which it bills one by one.
// The lines hold the others all the same.
var metrics = []string{
	emf.RuntimeMs, emf.StatusError,
	emf.Loaded, emf.Delivered, emf.RetryErrors, emf.CorruptionErrors, emf.FailedErrors, emf.CorruptRatio,
	emf.Finished, emf.Lost, emf.LagMs,
	emf.Received, emf.Unsettled, emf.Refused,
	emf.OverdueMs, emf.Stuck, emf.Failed,
	emf.Archived, emf.Collided,
}

// Metrics returns the writer of the one line that each invocation leaves in the
// log, which is its summary and its metrics.
func (p Parts) Metrics(out io.Writer) *emf.Writer {
	w, err := emf.New(out, emf.Config{Function: os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), Only: metrics})
	if err != nil {
		p.wrong("AWS_LAMBDA_FUNCTION_NAME", err)
	}
	return w
}

// Logger logs warnings to standard error, as JSON with the name of the function, which
// makes it a dimension of what metric filters count. What a call came to is in the line
// of its metrics.
func Logger() *zap.Logger {
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	logger := zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), zapcore.WarnLevel))
	return logger.With(zap.String(emf.FunctionName, os.Getenv("AWS_LAMBDA_FUNCTION_NAME")))
}

// Done writes the line of an invocation that handled an event. That a line could
// not be written is told on standard error, as the event is settled all the same.
func Done(w *emf.Writer) func(*aws.Report) {
	logger := Logger()
	return func(r *aws.Report) {
		if err := w.Run(r); err != nil {
			logger.Warn("write the line of the invocation", zap.Error(err))
		}
	}
}
