package dynamodbtest

import "slices"

// Limits of a BatchGetItem.
const (
	maxBatchKeys  = 100
	maxBatchBytes = 16 << 20
)

// reads is what a BatchGetItem asks of one table.
type reads struct {
	table      *table
	keys       []string
	own        []attrs
	paths      []path
	consistent bool
	in         ref

	found []item
	left  []attrs
	used  float64
}

func (s *Server) batchGetItem(r *request) ([]byte, *apiError) {
	how, err := r.in.capacity()
	if err != nil {
		return nil, err
	}
	tables, err := r.batch()
	switch {
	case err != nil:
		return nil, err
	case len(tables) == 0:
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	var all []*reads
	n := 0
	for _, in := range tables {
		one, err := s.decodeReads(r, in)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		n += len(one.keys)
	}
	if n > maxBatchKeys {
		return nil, invalid("Too many items requested for the BatchGetItem call")
	}
	if err := s.readBatch(r, all, n); err != nil {
		return nil, err
	}
	return answerReads(all, how), nil
}

func (s *Server) decodeReads(r *request, in ref) (*reads, *apiError) {
	if in.kind() != jsonObject {
		return nil, malformed()
	}
	if err := in.refuse("AttributesToGet"); err != nil {
		return nil, err
	}
	t, err := s.find(in.node().name, r.now)
	if err != nil {
		return nil, err
	}
	keys, err := in.array("Keys")
	if err != nil {
		return nil, err
	}
	if keys.count() == 0 {
		return nil, invalid("1 validation error detected: Value '[]' at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", t.name)
	}
	one := &reads{table: t, in: in}
	if one.consistent, err = in.boolean("ConsistentRead"); err != nil {
		return nil, err
	}
	p, err := decodePlaceholders(in)
	if err != nil {
		return nil, err
	}
	if one.paths, err = p.projection(in, &t.schema); err != nil {
		return nil, err
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for k := range keys.each {
		own, key, err := t.decodeKey(k)
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, invalid("Provided list of item keys contains duplicates")
		}
		seen[key] = true
		one.keys, one.own = append(one.keys, key), append(one.own, own)
	}
	return one, nil
}

// readBatch reads what there is capacity and room for.
func (s *Server) readBatch(r *request, all []*reads, n int) *apiError {
	skip := r.fault.unprocessed(n)
	s.data.Lock() // for the capacity
	defer s.data.Unlock()
	i, bytes, left := -1, 0, 0
	for _, one := range all {
		if err := s.gone(one.table); err != nil {
			return err
		}
		for k, key := range one.keys {
			i++
			it := one.table.items.get(key)
			size := it.size()
			units := readCost(size, one.consistent)
			if bytes+size > maxBatchBytes || skip[i] || !one.table.readBucket.take(units, r.now) {
				one.left = append(one.left, one.own[k])
				left++
				continue
			}
			bytes += size
			one.used += units
			if it != "" {
				one.found = append(one.found, it)
			}
		}
	}
	if left == n {
		return throttled()
	}
	return nil
}

func answerReads(all []*reads, how string) []byte {
	b := []byte(`{"Responses":{`)
	for _, one := range all {
		b = append(appendName(b, one.table.name), '[')
		for i, it := range one.found {
			if i > 0 {
				b = append(b, ',')
			}
			b = show(it.attrs(), one.paths).appendJSON(b)
		}
		b = append(b, ']')
	}
	b = append(b, `},"UnprocessedKeys":{`...)
	for _, one := range all {
		if len(one.left) == 0 {
			continue
		}
		b = append(appendName(b, one.table.name), `{"Keys":[`...)
		for i, k := range one.left {
			if i > 0 {
				b = append(b, ',')
			}
			b = k.appendJSON(b)
		}
		b = append(b, ']')
		for _, name := range []string{"ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"} {
			if m := one.in.get(name); !m.absent() {
				b = m.appendJSON(appendName(b, name))
			}
		}
		b = append(b, '}')
	}
	b = append(b, '}')
	var used []consumed
	for _, one := range all {
		used = append(used, consumed{table: one.table.name, read: one.used})
	}
	b = appendAllConsumed(b, how, used, false)
	return append(b, '}')
}

// appendJSON appends a value of a request, members sorted by name: clients send
// those of one value in any order.
func (r ref) appendJSON(b []byte) []byte {
	switch n := r.node(); n.kind {
	case jsonString:
		return appendString(b, n.text)
	case jsonNumber:
		return append(b, n.text...)
	case jsonTrue:
		return append(b, "true"...)
	case jsonFalse:
		return append(b, "false"...)
	case jsonArray:
		b = append(b, '[')
		first := true
		for e := range r.each {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = e.appendJSON(b)
		}
		return append(b, ']')
	case jsonObject:
		b = append(b, '{')
		for _, m := range slices.SortedStableFunc(r.each, byName) {
			b = m.appendJSON(appendName(b, m.node().name))
		}
		return append(b, '}')
	default:
		return append(b, "null"...)
	}
}
