package streampoll

import (
	"context"
	"errors"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
)

// reader reads one shard. After every error it can be used again: it goes on behind
// the last change that is settled.
type reader struct {
	api    API
	stream string
	shard  string
	limit  int32

	after string // sequence number of the last change that is settled, empty at first
	// since is when the group began: changes made before, which come first, are
	// skipped. It is zero where there are none, and from the first other change on.
	since  time.Time
	noTime bool // the server knows no iterators by time

	iterator string // empty where one has to be made
	unread   bool   // the iterator stands at the oldest change, and was not used yet
}

// page is what one request has read. What is left out of it was made before the group
// began.
type page struct {
	changes []types.Record
	skipped int
	last    string // sequence number of the last that was skipped
	closed  bool   // it is the last page of the shard
}

// read reads the next page. All of the page before must be settled.
func (r *reader) read(ctx context.Context) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if r.iterator == "" {
		if err := r.locate(ctx); err != nil {
			return page{}, err
		}
	}
	out, err := r.api.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: &r.iterator, Limit: &r.limit})
	if err != nil {
		if dynamofault.Code(err) != "" { // and not the transport: there may be nothing wrong with it
			r.iterator = ""
		}
		return page{}, called(ctx, "GetRecords", err)
	}
	for i := range out.Records {
		if out.Records[i].Dynamodb == nil || sequence(&out.Records[i]) == "" {
			return page{}, errors.New("dynamodb: GetRecords: a change has no sequence number")
		}
	}
	r.iterator, r.unread = awssdk.ToString(out.NextShardIterator), false
	p := page{changes: out.Records, closed: r.iterator == ""}
	for len(p.changes) > 0 && !r.since.IsZero() {
		if at := p.changes[0].Dynamodb.ApproximateCreationDateTime; at == nil || !at.Before(r.since) {
			r.since = time.Time{}
			break
		}
		p.last = sequence(&p.changes[0])
		p.skipped++
		p.changes = p.changes[1:]
	}
	return p, nil
}

// locate makes an iterator.
func (r *reader) locate(ctx context.Context) error {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &r.stream, ShardId: &r.shard}
	switch {
	case r.after != "":
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &r.after
	case !r.since.IsZero() && !r.noTime:
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &r.since
	default:
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	}
	out, err := r.api.GetShardIterator(ctx, in)
	if code := dynamofault.Code(err); in.Timestamp != nil && (code == codeUnwanted || code == codeNotParsed) {
		r.noTime = true // or its clock is behind: what is too old is skipped all the same
		return r.locate(ctx)
	}
	if err != nil {
		return called(ctx, "GetShardIterator", err)
	}
	if r.iterator = awssdk.ToString(out.ShardIterator); r.iterator == "" {
		return errors.New("dynamodb: GetShardIterator: there is no iterator")
	}
	r.unread = r.after == ""
	return nil
}

// restart goes on with the oldest change that there is, and reports whether changes
// may be lost by that: not where it stood there anyway.
func (r *reader) restart() (gap bool) {
	gap = r.after != "" || !r.unread
	r.after, r.iterator, r.unread = "", "", true
	r.noTime = true
	return gap
}

// sequence returns the sequence number of a change.
func sequence(c *types.Record) string { return awssdk.ToString(c.Dynamodb.SequenceNumber) }
