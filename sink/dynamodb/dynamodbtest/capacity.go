package dynamodbtest

import (
	"strconv"
	"time"
)

// What a unit of capacity pays for.
const (
	writeUnit = 1 << 10
	readUnit  = 4 << 10
)

// writeCost is the write units of an item of a size.
func writeCost(bytes int) float64 { return float64(max(1, (bytes+writeUnit-1)/writeUnit)) }

// readCost is the read units of what was read.
func readCost(bytes int, consistent bool) float64 {
	units := float64(max(1, (bytes+readUnit-1)/readUnit))
	if !consistent {
		units /= 2
	}
	return units
}

// bucket is the capacity of a provisioned table: units come in all the time, and are
// saved up for a while. The zero bucket is without bounds.
type bucket struct {
	rate, limit, level float64
	at                 time.Time
}

func newBucket(rate int, burst time.Duration, now time.Time) bucket {
	limit := max(1, burst.Seconds()) * float64(rate)
	return bucket{float64(rate), limit, limit, now}
}

// take takes units, if they are there. What costs more than can be saved up is
// there when all is saved up; the rest is owed, and comes in before anything else is
// there.
func (b *bucket) take(units float64, now time.Time) bool {
	if b.rate == 0 {
		return true
	}
	if now.After(b.at) {
		b.level = min(b.limit, b.level+b.rate*now.Sub(b.at).Seconds())
		b.at = now
	}
	if b.level < min(units, b.limit) {
		return false
	}
	b.level -= units
	return true
}

func throttled() *apiError {
	return fail("ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.")
}

// consumed is what a request has used of a table.
type consumed struct {
	table       string
	read, write float64
}

// appendConsumed appends ConsumedCapacity of one table, if it was asked for.
func appendConsumed(b []byte, how string, c consumed) []byte {
	if how == "NONE" {
		return b
	}
	return c.appendJSON(appendName(b, "ConsumedCapacity"), how, false)
}

// appendAllConsumed appends ConsumedCapacity of several tables, if it was asked for.
func appendAllConsumed(b []byte, how string, all []consumed, split bool) []byte {
	if how == "NONE" {
		return b
	}
	b = append(appendName(b, "ConsumedCapacity"), '[')
	for i, c := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.appendJSON(b, how, split)
	}
	return append(b, ']')
}

// appendJSON appends the units; split says of which kind they are too, as
// transactions do.
func (c consumed) appendJSON(b []byte, how string, split bool) []byte {
	units := func(b []byte) []byte {
		b = appendUnits(appendName(b, "CapacityUnits"), c.read+c.write)
		if split && c.read > 0 {
			b = appendUnits(appendName(b, "ReadCapacityUnits"), c.read)
		}
		if split && c.write > 0 {
			b = appendUnits(appendName(b, "WriteCapacityUnits"), c.write)
		}
		return b
	}
	b = appendString(append(b, `{"TableName":`...), c.table)
	b = units(b)
	if how == "INDEXES" {
		b = append(units(append(appendName(b, "Table"), '{')), '}')
	}
	return append(b, '}')
}

func appendUnits(b []byte, units float64) []byte {
	return strconv.AppendFloat(b, units, 'f', 1, 64)
}

// capacity reads ReturnConsumedCapacity.
func (r ref) capacity() (string, *apiError) {
	return r.choice("ReturnConsumedCapacity", "NONE", "TOTAL", "INDEXES")
}
