package dynamodbtest

import (
	"slices"
	"time"
)

// Limits of the operations of streams.
const (
	maxStreams     = 100
	maxShards      = 100
	maxRecords     = 1000
	maxRecordBytes = 1 << 20
	minARN         = 37
	minShardID     = 28
)

// wireSchema is a primary key as it is written.
func wireSchema(s *schema) []wireKey {
	out := []wireKey{{s.partition.name, "HASH"}}
	if s.sort.name != "" {
		out = append(out, wireKey{s.sort.name, "RANGE"})
	}
	return out
}

type wireKey struct{ AttributeName, KeyType string }

func noSuchStream() *apiError {
	return fail("ResourceNotFoundException", "Requested resource not found: Stream not found")
}

// stream finds a stream. The caller holds the data lock.
func (s *Server) stream(arn string, now time.Time) (*stream, *apiError) {
	s.forgetStreams(now)
	for _, st := range s.streams {
		if st.arn == arn {
			st.keepUp(now)
			return st, nil
		}
	}
	return nil, noSuchStream()
}

// forgetStreams drops the streams that were disabled more than a day ago.
func (s *Server) forgetStreams(now time.Time) {
	s.streams = slices.DeleteFunc(s.streams, func(st *stream) bool {
		if st.disabled {
			st.keepUp(now)
		}
		return st.disabled && len(st.shards) == 0
	})
}

func (s *Server) listStreams(r *request) ([]byte, *apiError) {
	table, err := r.in.text("TableName")
	if err != nil {
		return nil, err
	}
	limit, err := r.in.limit(maxStreams)
	if err != nil {
		return nil, err
	}
	start, err := r.in.text("ExclusiveStartStreamArn")
	if err != nil {
		return nil, err
	}
	type wire struct{ StreamArn, TableName, StreamLabel string }
	out := struct {
		Streams                []wire
		LastEvaluatedStreamArn string `json:",omitempty"`
	}{Streams: []wire{}}
	s.data.Lock()
	defer s.data.Unlock()
	s.forgetStreams(r.now)
	skip := start != ""
	for _, st := range s.streams {
		switch {
		case skip:
			skip = st.arn != start
		case table != "" && st.table != table:
		case len(out.Streams) == limit:
			out.LastEvaluatedStreamArn = out.Streams[limit-1].StreamArn
			return marshal(out)
		default:
			out.Streams = append(out.Streams, wire{st.arn, st.table, st.label})
		}
	}
	return marshal(out)
}

// wireShard is a shard as DescribeStream answers it.
type wireShard struct {
	ShardID             string `json:"ShardId"`
	ParentShardID       string `json:"ParentShardId,omitempty"`
	SequenceNumberRange struct {
		StartingSequenceNumber string
		EndingSequenceNumber   string `json:",omitempty"`
	}
}

func (sh *shard) wire() (w wireShard) {
	w.ShardID, w.ParentShardID = sh.id, sh.parent
	w.SequenceNumberRange.StartingSequenceNumber = sh.first.String()
	if !sh.closed.IsZero() {
		w.SequenceNumberRange.EndingSequenceNumber = sh.last.String()
	}
	return w
}

func (s *Server) describeStream(r *request) ([]byte, *apiError) {
	arn, err := r.in.identifier("StreamArn", minARN)
	if err != nil {
		return nil, err
	}
	limit, err := r.in.limit(maxShards)
	if err != nil {
		return nil, err
	}
	start, err := r.in.text("ExclusiveStartShardId")
	if err != nil {
		return nil, err
	}
	parent, err := shardFilter(r.in)
	if err != nil {
		return nil, err
	}
	s.data.Lock()
	defer s.data.Unlock()
	st, err := s.stream(arn, r.now)
	if err != nil {
		return nil, err
	}
	type description struct {
		StreamArn, StreamLabel, StreamStatus, StreamViewType string
		CreationRequestDateTime                              float64
		TableName                                            string
		KeySchema                                            []wireKey
		Shards                                               []wireShard
		LastEvaluatedShardID                                 string `json:"LastEvaluatedShardId,omitempty"`
	}
	d := description{
		StreamArn: st.arn, StreamLabel: st.label, StreamStatus: "ENABLED", StreamViewType: st.view, CreationRequestDateTime: seconds(st.created),
		TableName: st.table, KeySchema: wireSchema(&st.schema), Shards: []wireShard{},
	}
	if st.disabled {
		d.StreamStatus = "DISABLED"
	}
	for _, sh := range st.shards { // their ids rise
		switch {
		case sh.id <= start || parent != "" && sh.parent != parent:
		case len(d.Shards) == limit:
			d.LastEvaluatedShardID = d.Shards[limit-1].ShardID
			return marshal(map[string]description{"StreamDescription": d})
		default:
			d.Shards = append(d.Shards, sh.wire())
		}
	}
	return marshal(map[string]description{"StreamDescription": d})
}

// shardFilter reads a ShardFilter: the shard whose children are asked for.
func shardFilter(in ref) (parent string, err *apiError) {
	filter, err := in.object("ShardFilter")
	if err != nil || filter.absent() {
		return "", err
	}
	if _, err := filter.choice("Type", "CHILD_SHARDS"); err != nil {
		return "", err
	}
	if parent, err = filter.text("ShardId"); err == nil && parent == "" {
		err = invalid("ShardId is required in a ShardFilter of type CHILD_SHARDS")
	}
	return parent, err
}

// seconds is a time as the services write it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

func (s *Server) getRecords(r *request) ([]byte, *apiError) {
	text, err := r.in.text("ShardIterator")
	if err != nil {
		return nil, err
	}
	limit, err := r.in.limit(maxRecords)
	if err != nil {
		return nil, err
	}
	it, err := parseIterator(text)
	if err != nil {
		return nil, err
	}
	st, records, next, err := s.readShard(it, limit, r.now)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"Records":[`)
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = records[i].appendJSON(b, st, s.cfg.Region)
	}
	b = append(b, ']')
	if next != nil {
		b = appendString(append(b, `,"NextShardIterator":`...), next.String())
	}
	return append(b, '}'), nil
}

// readShard returns the records from an iterator, and the next iterator: nil at
// the end of a shard that is closed.
func (s *Server) readShard(it iterator, limit int, now time.Time) (*stream, []record, *iterator, *apiError) {
	s.data.Lock()
	defer s.data.Unlock()
	st, err := s.stream(it.stream, now)
	if err != nil {
		return nil, nil, nil, err
	}
	if now.Sub(it.issued) > iteratorAge {
		return nil, nil, nil, fail("ExpiredIteratorException", "The iterator has expired: it is older than 15 minutes.")
	}
	sh := st.find(it.shard)
	if sh == nil || it.from <= sh.trimmed {
		return nil, nil, nil, fail("TrimmedDataAccessException", "The records that the iterator points to have been trimmed.")
	}
	i, _ := slices.BinarySearchFunc(sh.records, it.from, func(r record, n sequence) int { return compareSequences(r.sequence, n) })
	end, bytes := i, 0
	for end < len(sh.records) && end-i < limit {
		bytes += sh.records[end].size()
		if bytes > maxRecordBytes && end > i {
			break
		}
		end++
	}
	records := slices.Clone(sh.records[i:end])
	next := iterator{stream: st.arn, shard: sh.id, from: it.from, issued: now}
	if end > i {
		next.from = sh.records[end-1].sequence + 1
	}
	if end == len(sh.records) && !sh.closed.IsZero() {
		return st, records, nil, nil
	}
	return st, records, &next, nil
}
