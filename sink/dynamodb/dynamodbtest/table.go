package dynamodbtest

import (
	"time"
)

// table is a table and all that is in it. The server's data lock guards it; what
// is set when it is made needs none.
type table struct {
	name, arn, id string
	created       time.Time
	active        time.Time // CREATING before
	schema        schema
	definitions   []keyAttr // as CreateTable had them
	onDemand      bool
	readUnits     int
	writeUnits    int
	readBucket    bucket
	writeBucket   bucket

	items  blocks
	bytes  int
	ttl    string // attribute, if TTL is on
	stream *stream
}

// change is a write that is to be stored: the item before and after.
type change struct {
	key              string
	old, new         item
	oldSize, newSize int
	keys             item // the key attributes, for a stream
}

// commit stores a change, and tells the stream of it if anything is different.
func (t *table) commit(c change, now time.Time) {
	if c.old == c.new {
		return
	}
	if c.new == "" {
		t.items.remove(c.key)
	} else {
		t.items.put(c.key, c.new)
	}
	t.bytes += c.newSize - c.oldSize
	if t.stream != nil {
		t.stream.record(c, now)
	}
}

// find returns a table that can be used.
func (s *Server) find(name string, now time.Time) (*table, *apiError) {
	if err := checkTableName(name); err != nil {
		return nil, err
	}
	s.data.RLock()
	defer s.data.RUnlock()
	t := s.tables[name]
	if t == nil || now.Before(t.active) {
		return nil, noSuchTable()
	}
	return t, nil
}

// gone finds out that a table was deleted since it was found. The caller holds
// the data lock.
func (s *Server) gone(t *table) *apiError {
	if s.tables[t.name] != t {
		return noSuchTable()
	}
	return nil
}

func checkTableName(name string) *apiError {
	if len(name) < 3 || len(name) > 255 {
		return invalid("TableName must be at least 3 characters long and at most 255 characters long")
	}
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '-' && c != '.' {
			return invalid("1 validation error detected: Value '%s' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", name)
		}
	}
	return nil
}
