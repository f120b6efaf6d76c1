package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// runDry is "unspool run --dry-run": it prints the first records before (<) and
// after (>) the transform, or why they are corrupt (!). It claims, sends and
// writes nothing.
func runDry(ctx context.Context, set settings, errs []error, stdout, stderr io.Writer) error {
	set.Mirror = "" // nothing is written
	in, more := buildInput(ctx, set)
	defer in.Close()
	errs = append(append(errs, more...), checkSink(set)...)
	if err := usage(errs); err != nil {
		return err
	}
	limit := set.Limit
	if limit == unset {
		limit = dryRecords
	}
	d := dryRun{input: in, recordID: set.RecordID, limit: limit, out: stdout, buf: make([]byte, 0, 64<<10)}
	err := d.run(ctx)
	fmt.Fprintf(stderr, "unspool: dry run: %s records of %s objects shown, nothing sent or noted\n",
		digits(int64(d.shown)), digits(int64(d.objects)))
	tellPassedOver(stderr, set, in.PassedOver())
	if ctx.Err() != nil {
		return told(errStopped)
	}
	return err
}

// dryRun prints records until its limit.
type dryRun struct {
	*input
	recordID string
	limit    int
	out      io.Writer

	split          *source.Splitter
	outputs        transform.Output
	buf            []byte
	shown, objects int
}

func (d *dryRun) run(ctx context.Context) error {
	var err error
	if d.split, err = source.NewSplitter(d.Split); err != nil {
		return err
	}
	for o, err := range d.Source.Objects(ctx) {
		if err != nil {
			return err
		}
		d.objects++
		switch err := d.object(ctx, o); {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errWrite):
			return err
		case err != nil:
			if err := d.print("! %s: %v\n", o.Key, err); err != nil {
				return err
			}
		}
		if d.shown >= d.limit {
			return nil
		}
	}
	return nil
}

// object prints the records of one object.
func (d *dryRun) object(ctx context.Context, o source.Object) error {
	body, o, err := d.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	d.split.Reset()
	data, atEOF := d.buf[:0], false
	for d.shown < d.limit {
		at := d.split.Offset()
		t := d.split.Next(data, atEOF)
		switch t.Kind {
		case source.TokenMore:
		case source.TokenEnd:
			return nil
		case source.TokenRecord:
			rec := source.Record{Data: data[t.Start:t.End], Object: &o, Offset: at + int64(t.Start), Valid: t.Valid}
			err = d.record(ctx, rec)
		case source.TokenCorrupt:
			if !t.Continues { // told once, with its last piece
				d.shown++
				err = d.print("%s: offset %d\n! %v\n", o.Key, at+int64(t.Start), t.Err)
			}
		}
		if err != nil {
			return err
		}
		data = data[t.Advance:]
		if t.Kind == source.TokenMore {
			if data, atEOF, err = d.more(body, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// more reads on into the buffer, of which data is the part still needed.
func (d *dryRun) more(body io.Reader, data []byte) (_ []byte, atEOF bool, err error) {
	if 2*len(data) > cap(d.buf) {
		d.buf = make([]byte, 0, 2*cap(d.buf))
	}
	data = d.buf[:copy(d.buf[:cap(d.buf)], data)]
	n, err := body.Read(data[len(data):cap(data)])
	if errors.Is(err, io.EOF) {
		atEOF, err = true, nil
	}
	return data[:len(data)+n], atEOF, err
}

// record prints one record and what the transform makes of it.
func (d *dryRun) record(ctx context.Context, rec source.Record) error {
	d.shown++
	if !utf8.Valid(rec.Data) {
		return d.print("%s: offset %d\n! invalid UTF-8\n", rec.Object.Key, rec.Offset)
	}
	if err := d.print("%s: offset %d\n< %s\n", rec.Object.Key, rec.Offset, rec.Data); err != nil {
		return err
	}
	d.outputs.Reset()
	if err := d.Transform.Apply(ctx, rec, &d.outputs); err != nil {
		return d.print("! %v\n", err)
	}
	if d.outputs.Len() == 0 {
		return d.print("! dropped\n")
	}
	for i := range d.outputs.Len() {
		value := d.outputs.Value(i)
		if d.recordID != "" {
			value = withID(value, d.recordID, processor.RecordID(*rec.Object, rec.Offset, i))
		}
		if err := d.print("> %s\n", value); err != nil {
			return err
		}
	}
	return nil
}

// errWrite marks the error of a write to stdout.
var errWrite = errors.New("write to stdout")

func (d *dryRun) print(format string, args ...any) error {
	if _, err := fmt.Fprintf(d.out, format, args...); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}

// withID adds the member name in front of value, a JSON object, as the library
// does when it sends.
func withID(value []byte, name, id string) []byte {
	rest, ok := bytes.CutPrefix(value, []byte("{"))
	if !ok {
		return value
	}
	member, err := json.Marshal(map[string]string{name: id})
	if err != nil {
		return value
	}
	member = member[:len(member)-1]
	if rest = bytes.TrimLeft(rest, " \t\r\n"); !bytes.HasPrefix(rest, []byte("}")) {
		member = append(member, ',')
	}
	return append(member, rest...)
}
