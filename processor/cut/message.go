package cut

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// sender sends parts as messages, a batch at a time.
type sender struct {
	sink   sink.Sink
	limits sink.Limits
}

// output returns where the parts of an object go.
func (c *Cutter) output(ctx context.Context) (*output, error) {
	o := &output{limit: c.cfg.PartBytes}
	if c.cfg.Sink != nil {
		limits, err := c.cfg.Sink.Limits(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the sink for its limits: %w", err)
		}
		o.sender = &sender{c.cfg.Sink, limits}
		if most := int64(limits.MessageBytes); most > 0 && (o.limit == 0 || o.limit > most) {
			o.limit = most
		}
	}
	if o.limit == 0 {
		o.limit = defaultPartBytes
	}
	return o, nil
}

// send sends all parts of an object.
func (s *sender) send(j *job, p *parts) error {
	var batch []sink.Message
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.sendAll(j, batch)
		batch, size = batch[:0], 0
		return err
	}
	for {
		more, err := p.begin()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		var body bytes.Buffer
		if err := p.writeTo(&body); err != nil {
			return err
		}
		m := sink.Message{Body: body.Bytes(), ID: j.messageID(p.part.Offset), Records: int(p.part.Records)}
		if s.limits.FIFO {
			m.Group = j.group()
		}
		p.part.Name = m.ID
		j.manifest.Parts = append(j.manifest.Parts, p.part)
		if s.limits.MessageBytes > 0 && m.Size() > s.limits.MessageBytes {
			var ok bool
			if o, offloads := s.sink.(sink.Offloader); offloads {
				if m, ok, err = o.Offload(j.ctx, m); err != nil {
					return err
				}
			}
			if !ok {
				if err := j.refuse(m, sink.ErrTooLarge); err != nil {
					return err
				}
				continue
			}
		}
		full := s.limits.BatchMessages > 0 && len(batch) == s.limits.BatchMessages ||
			s.limits.BatchBytes > 0 && size+m.Size() > s.limits.BatchBytes || size > batchBytes
		if full {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, m), size+m.Size()
	}
	if err := flush(); err != nil {
		return err
	}
	if f, ok := s.sink.(sink.Flusher); ok && s.limits.NeedsFlush {
		return f.Flush(j.ctx)
	}
	return nil
}

const (
	// batchBytes is what a batch holds where the sink has no limit.
	batchBytes = 1 << 20
	// mostFailures is how often a message may fail by its own fault.
	mostFailures = 10
	firstDelay   = 100 * time.Millisecond
	longestDelay = 10 * time.Second
)

// sendAll sends a batch until all of it is accepted, or refused for good.
func (s *sender) sendAll(j *job, batch []sink.Message) error {
	rest := append([]sink.Message(nil), batch...)
	failures := 0
	for delay := firstDelay; len(rest) > 0; delay = min(2*delay, longestDelay) {
		err := s.sink.Send(j.ctx, rest)
		if err == nil {
			return nil
		}
		if errors.Is(err, sink.ErrTooLarge) && len(rest) > 1 {
			half := len(rest) / 2
			return errors.Join(s.sendAll(j, rest[:half]), s.sendAll(j, rest[half:]))
		}
		var again []sink.Message
		entries, partial := errors.AsType[*sink.BatchError](err)
		if !partial {
			entries = &sink.BatchError{}
			for i := range rest {
				entries.Failed = append(entries.Failed, sink.EntryError{Index: i, Err: err})
			}
		}
		own := false
		for _, e := range entries.Failed {
			switch {
			case e.Index < 0 || e.Index >= len(rest):
				return fmt.Errorf("the sink names message %d of %d: %w", e.Index, len(rest), e.Err)
			case fault.Is(e.Err, fault.ClassFatal):
				return e.Err
			case fault.Is(e.Err, fault.ClassCorrupt), errors.Is(e.Err, sink.ErrTooLarge):
				if err := j.refuse(rest[e.Index], e.Err); err != nil {
					return err
				}
			default:
				own = own || !fault.Is(e.Err, fault.ClassInterrupted)
				again = append(again, rest[e.Index])
			}
		}
		if rest = again; len(rest) == 0 {
			return nil
		}
		if own {
			if failures++; failures == mostFailures {
				return fmt.Errorf("failed %d times: %w", failures, err)
			}
		}
		select {
		case <-time.After(delay):
		case <-j.ctx.Done():
			return fmt.Errorf("%w: %w", j.ctx.Err(), err)
		}
	}
	return nil
}

// refuse writes a message that the sink would not take to the corruption
// destination.
func (j *job) refuse(m sink.Message, cause error) error {
	for i := range j.manifest.Parts {
		part := &j.manifest.Parts[i]
		if part.Name != m.ID {
			continue
		}
		part.Corrupt = true
		env := j.envelope(part.Offset, cause)
		env.Stage, env.Data = "sink", m.Body
		name := j.folder + "/message-" + strconv.FormatInt(part.Offset, 10) + ".ndjson"
		_, _, err := j.cutter.corrupt.Put(j.ctx, name, func(w io.Writer) error {
			_, err := w.Write(env.Append(nil))
			return err
		})
		return err
	}
	return fmt.Errorf("no part is called %s", m.ID)
}

// messageID names a message: the same in each pass over the same content.
func (j *job) messageID(offset int64) string {
	h := sha256.Sum256([]byte(j.folder + "\x00" + strconv.FormatInt(offset, 10)))
	return hex.EncodeToString(h[:20])
}

// group is the message group of an object.
func (j *job) group() string {
	h := sha256.Sum256([]byte(j.object.Key))
	return hex.EncodeToString(h[:16])
}
