package dynamodbtest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strings"
	"time"
)

// iterator is a place in a shard.
type iterator struct {
	stream, shard string
	from          sequence // of the next record, at least
	issued        time.Time
}

// String is the iterator as clients get it: opaque, but for the ARN.
func (it iterator) String() string {
	text := fmt.Sprintf("%s %d %d", it.shard, uint64(it.from), it.issued.UnixNano())
	return it.stream + "|1|" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%08x%s", crc32.ChecksumIEEE([]byte(text)), text))
}

func parseIterator(s string) (iterator, *apiError) {
	wrong := invalid("Invalid ShardIterator")
	arn, rest, ok := strings.Cut(s, "|1|")
	if !ok {
		return iterator{}, wrong
	}
	text, err := base64.StdEncoding.DecodeString(rest)
	if err != nil || len(text) < 8 || fmt.Sprintf("%08x", crc32.ChecksumIEEE(text[8:])) != string(text[:8]) {
		return iterator{}, wrong
	}
	it := iterator{stream: arn}
	var from uint64
	var issued int64
	if n, err := fmt.Sscanf(string(text[8:]), "%s %d %d", &it.shard, &from, &issued); err != nil || n != 3 {
		return iterator{}, wrong
	}
	it.from, it.issued = sequence(from), time.Unix(0, issued)
	return it, nil
}

func compareSequences(a, b sequence) int { return cmp.Compare(a, b) }

func (s *Server) getShardIterator(r *request) ([]byte, *apiError) {
	arn, err := r.in.identifier("StreamArn", minARN)
	if err != nil {
		return nil, err
	}
	id, err := r.in.identifier("ShardId", minShardID)
	if err != nil {
		return nil, err
	}
	how, err := r.in.choice("ShardIteratorType", "", "TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER")
	if err != nil {
		return nil, err
	}
	if how == "" {
		return nil, invalid("1 validation error detected: Value null at 'shardIteratorType' failed to satisfy constraint: Member must not be null")
	}
	number, err := r.in.text("SequenceNumber")
	if err != nil {
		return nil, err
	}
	at, ok := parseSequence(number)
	byNumber := how == "AT_SEQUENCE_NUMBER" || how == "AFTER_SEQUENCE_NUMBER"
	switch {
	case byNumber && number == "":
		return nil, invalid("SequenceNumber must be provided for the ShardIteratorType %s", how)
	case !byNumber && number != "":
		return nil, invalid("SequenceNumber must not be provided for the ShardIteratorType %s", how)
	case byNumber && !ok:
		return nil, invalid("Invalid SequenceNumber: %s", number)
	}
	s.data.Lock()
	defer s.data.Unlock()
	st, err := s.stream(arn, r.now)
	if err != nil {
		return nil, err
	}
	sh := st.find(id)
	if sh == nil {
		return nil, fail("ResourceNotFoundException", "Requested resource not found: Shard does not exist")
	}
	it := iterator{stream: arn, shard: id, issued: r.now}
	switch how {
	case "TRIM_HORIZON":
		it.from = sh.horizon()
	case "LATEST":
		it.from = st.sequence + 1
	default:
		if at < sh.first || !sh.closed.IsZero() && at > sh.last || at > st.sequence {
			return nil, invalid("Invalid SequenceNumber: it is not of the shard")
		}
		if at <= sh.trimmed {
			return nil, fail("TrimmedDataAccessException", "The record has been trimmed.")
		}
		it.from = at
		if how == "AFTER_SEQUENCE_NUMBER" {
			it.from++
		}
	}
	return append(appendString([]byte(`{"ShardIterator":`), it.String()), '}'), nil
}

// horizon is the oldest place in the shard: its oldest record.
func (sh *shard) horizon() sequence {
	if len(sh.records) > 0 {
		return sh.records[0].sequence
	}
	return max(sh.first, sh.trimmed+1)
}
