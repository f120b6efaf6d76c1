package redrive

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// ToRetry returns a target that puts records into a retry destination, with no
// attempts on record: the next run transforms, packs and counts them as any others.
// Messages cannot go there.
func ToRetry(url string) (Target, error) {
	store, err := destination.Open(destination.Config{URL: url})
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("redrive: %w", err))
	}
	return retry{store}, nil
}

type retry struct{ store *destination.Store }

// Batch implements [Target]. A batch makes one file for each object in it.
func (retry) Batch(context.Context) (letters, bytes int, err error) { return 10_000, 8 << 20, nil }

// Replay implements [Target].
func (r retry) Replay(ctx context.Context, letters []Letter) []error {
	errs := make([]error, len(letters))
	lines := map[string][]byte{} // by object
	members := map[string][]int{}
	var objects []string
	for i, l := range letters {
		switch {
		case l.unfit != nil:
			errs[i] = l.unfit
			continue
		case l.Stage == StageMessage:
			errs[i] = fault.Corruptf("redrive: a message is no record for the retry destination")
			continue
		}
		l.Attempt = 0
		if lines[l.Object] == nil {
			objects = append(objects, l.Object)
		}
		lines[l.Object] = lineOf(lines[l.Object], &l)
		members[l.Object] = append(members[l.Object], i)
	}
	for _, object := range objects {
		if err := r.put(ctx, object, lines[object]); err != nil {
			for _, i := range members[object] {
				errs[i] = err
			}
		}
	}
	return errs
}

func (r retry) put(ctx context.Context, object string, lines []byte) error {
	part, err := r.store.Create(ctx, object, 0)
	if err != nil {
		return err
	}
	defer part.Abort()
	if _, err := part.Write(lines); err != nil {
		return err
	}
	_, err = part.Commit(ctx)
	return err
}

// Packing is how a record becomes a message, where it is replayed by itself.
type Packing string

// Packings. A message of a queue is replayed as it is with each of them.
const (
	PackArray  Packing = "array" // a JSON array with one record
	PackLines  Packing = "lines"
	PackSingle Packing = "single"
)

// ToSink returns a target that sends each letter as a message of its own: one of a
// queue as it was, a record as it lies there, untransformed, in the packing of the
// others. A record that would break such a message, such as what is no JSON in an array,
// is refused. to stays the caller's.
//
// One of a queue that package sqsstore filled is sent as that sent it, with no attempts
// behind it, for a consumer that knows such messages.
//
// On a FIFO queue it gets an id of its own, so that it is not taken for the message
// that was sent before; a record's group is its object, or the name of the letter.
func ToSink(to sink.Sink, as Packing) (Target, error) {
	var errs []error
	if to == nil {
		errs = append(errs, errors.New("redrive: no sink"))
	}
	as = cmp.Or(as, PackArray)
	if as != PackArray && as != PackLines && as != PackSingle {
		errs = append(errs, fmt.Errorf("redrive: packing %q is none of array, lines, single", as))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(err)
	}
	return &sender{to: to, as: as}, nil
}

type sender struct {
	to     sink.Sink
	as     Packing
	limits sink.Limits
	known  bool // limits are
}

// Batch implements [Target].
func (s *sender) Batch(ctx context.Context) (letters, bytes int, err error) {
	if !s.known {
		if s.limits, err = s.to.Limits(ctx); err != nil {
			return 0, 0, err
		}
		s.known = true
	}
	letters, bytes = cmp.Or(s.limits.BatchMessages, 100), cmp.Or(s.limits.BatchBytes, 1<<20)
	return letters, bytes - letters*packed, nil
}

// packed is how many bytes packing adds to a record.
const packed = 2

// Replay implements [Target].
func (s *sender) Replay(ctx context.Context, letters []Letter) []error {
	errs := make([]error, len(letters))
	var batch []sink.Message
	var members []int
	for i := range letters {
		m := s.message(&letters[i])
		switch most := s.limits.MessageBytes; {
		case letters[i].unfit != nil:
			errs[i] = letters[i].unfit
		case s.breaks(&letters[i]):
			errs[i] = fault.Corruptf("redrive: it would break a message that is packed as %s", s.as)
		case most > 0 && m.Size() > most:
			errs[i] = fault.Corrupt(fmt.Errorf("%w: %d bytes of at most %d", sink.ErrTooLarge, m.Size(), most))
		default:
			batch, members = append(batch, m), append(members, i)
		}
	}
	if len(batch) == 0 {
		return errs
	}
	err := s.to.Send(ctx, batch)
	if partly, ok := errors.AsType[*sink.BatchError](err); ok {
		err = nil
		for _, f := range partly.Failed {
			if f.Index < 0 || f.Index >= len(members) || f.Err == nil {
				err = fmt.Errorf("redrive: the sink names none of the %d messages: %w", len(members), partly)
				break
			}
			errs[members[f.Index]] = f.Err
		}
	}
	if flusher, ok := s.to.(sink.Flusher); ok && err == nil && s.limits.NeedsFlush {
		err = flusher.Flush(ctx)
	}
	if err != nil {
		for _, i := range members {
			errs[i] = err
		}
	}
	return errs
}

// breaks reports whether a record is none that can be packed.
func (s *sender) breaks(l *Letter) bool {
	switch {
	case l.Stage == StageMessage, l.body != nil:
		return false
	case s.as == PackArray:
		return !isJSON(l.Data) || !utf8.Valid(l.Data)
	case s.as == PackLines:
		return len(l.Data) == 0 || bytes.IndexByte(l.Data, '\n') >= 0
	}
	return len(l.Data) == 0 // no queue takes it
}

// message is the letter as it is sent.
func (s *sender) message(l *Letter) sink.Message {
	m := sink.Message{Body: l.sent(), ID: strings.ReplaceAll(uuid.NewString(), "-", ""), Attributes: l.Attributes, Records: 1}
	if l.Stage != StageMessage && l.body == nil {
		switch s.as {
		case PackArray:
			m.Body = fmt.Appendf(nil, "[%s]", l.Data)
		case PackLines:
			m.Body = fmt.Appendf(nil, "%s\n", l.Data)
		case PackSingle:
		}
	}
	if s.limits.FIFO {
		m.Group = groupOf(l)
	}
	return m
}

// groupOf is the message group of a letter: its own, or one that is made of where it
// comes from.
func groupOf(l *Letter) string {
	if l.Group != "" {
		return l.Group
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(cmp.Or(l.Object, l.ID))).String()
}
