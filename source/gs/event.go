package gs

import (
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs/gsevent"
)

// ObjectOf returns the object of an event as s lists it, and whether it does:
// not if the event is not of a creation, or not of an object that s would list.
func (s *Source) ObjectOf(e gsevent.Event) (source.Object, bool) {
	if !e.Created() || e.Bucket != s.cfg.Bucket {
		return source.Object{}, false
	}
	key, ok := s.newFilter().key(e.Object.Key)
	if !ok {
		return source.Object{}, false
	}
	o := e.Object
	o.Key = key
	return o, true
}
