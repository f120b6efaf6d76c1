package dynamodb

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// The attributes of items. Names count towards their size.
const (
	attrKey      = "k" // B: see setKey and arrivalKey
	attrArrivals = "n" // N
	attrObjects  = "o" // N
	attrRecords  = "r" // N
	attrEdition  = "v" // N
	attrStatus   = "s" // S: as completion encodes it
	attrTTL      = "e" // N: Unix time in seconds, for DynamoDB's TTL
)

// attributes is an item, or a part of one.
type attributes = map[string]types.AttributeValue

// setKey is the primary key of a set. Its ID has no byte of zero, which tells it from
// those of its arrivals.
func setKey(set completion.Set) attributes { return attributes{attrKey: blob(set.ID())} }

// arrivalKey is that of an arrival.
func arrivalKey(set completion.Set, key string) attributes {
	return attributes{attrKey: blob(set.ID() + "\x00" + key)}
}

// expiry is the attribute for an item that is written now.
func (s *Store) expiry() types.AttributeValue {
	seconds := time.Now().Unix()
	keep := int64(s.keep/time.Second) + 1
	if seconds > math.MaxInt64-keep {
		return integer(math.MaxInt64)
	}
	return integer(seconds + keep)
}

// read turns the item of a set into its record.
func read(attrs attributes) (completion.Record, error) {
	var rec completion.Record
	for name, to := range map[string]*int64{
		attrArrivals: &rec.Count.Arrivals, attrObjects: &rec.Count.Objects, attrRecords: &rec.Count.Records, attrEdition: &rec.Edition,
	} {
		v, ok := attrs[name]
		if !ok {
			continue
		}
		n, ok := v.(*types.AttributeValueMemberN)
		var err error
		if ok {
			*to, err = strconv.ParseInt(n.Value, 10, 64)
		}
		if !ok || err != nil {
			return completion.Record{}, fault.Fatal(fmt.Errorf("dynamodb: attribute %q of a set is no number", name))
		}
	}
	text := ""
	if v, ok := attrs[attrStatus]; ok {
		s, ok := v.(*types.AttributeValueMemberS)
		if !ok {
			return completion.Record{}, fault.Fatal(fmt.Errorf("dynamodb: attribute %q of a set is no text", attrStatus))
		}
		text = s.Value
	}
	var err error
	rec.Status, err = completion.DecodeStatus(text)
	return rec, err
}

func blob(s string) types.AttributeValue { return &types.AttributeValueMemberB{Value: []byte(s)} }

func integer(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
