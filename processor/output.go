package processor

import (
	"context"
	"encoding/json"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
)

// addRecordID returns value, a JSON object, with the record's id as its first
// member. ok is false if it is no object. The result is valid until the next
// call.
func (w *worker) addRecordID(value []byte, rec source.Record, output int) (_ []byte, ok bool) {
	i := jsonscan.SkipSpace(value, 0)
	if i == len(value) || value[i] != '{' {
		return nil, false
	}
	i = jsonscan.SkipSpace(value, i+1)
	dst := append(w.withID[:0], '{')
	dst = append(dst, w.run.idLabel...)
	dst = append(dst, '"')
	dst = appendRecordID(dst, w.originHash(rec.Object), rec.Offset, output)
	dst = append(dst, '"')
	if i < len(value) && value[i] != '}' {
		dst = append(dst, ',')
	}
	w.withID = append(dst, value[i:]...)
	return w.withID, true
}

// idLabel is the member name of record ids, as JSON, with the colon.
func idLabel(name string) []byte {
	if name == "" {
		return nil
	}
	label, err := json.Marshal(name)
	if err != nil { // not possible for a string
		return nil
	}
	return append(label, ':')
}

// originHash names the object a record comes from.
func (w *worker) originHash(o *source.Object) string {
	if w.frame != nil && o == &w.frame.obj.src {
		return w.frame.obj.identityHash()
	}
	if o != w.hashOf {
		w.hashOf, w.hash = o, objectHash(o.Key, o.Identity())
	}
	return w.hash
}

// offload stores a value that no message can hold where the sink keeps such
// values, and packs the pointer to it. ok is false where it keeps none.
func (w *worker) offload(value []byte, e entry) (ok bool, err error) {
	r := w.run
	body := make([]byte, 0, len(value)+r.packing.overhead())
	switch r.packing.mode {
	case PackArray:
		body = append(append(append(body, '['), value...), ']')
	case PackLines:
		body = append(append(body, value...), '\n')
	case PackSingle:
		body = append(body, value...)
	}
	id := stableMessageID(w.originHash(e.origin), r.fingerprint, []entry{e})
	ctx, cancel := context.WithTimeout(r.leave, r.cfg.SendTimeout)
	defer cancel()
	pointer, ok, err := r.offloader.Offload(ctx, sink.Message{Body: body, ID: id, Records: 1})
	if err == nil && ok {
		w.pack.addMessage(pointer, e)
	}
	return ok, err
}
