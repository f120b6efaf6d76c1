package dynamodbtest

import (
	"iter"
)

// maxPage is how many bytes of items a Query or Scan reads in one call.
const maxPage = 1 << 20

// page is what Query and Scan have in common.
type page struct {
	table      *table
	limit      int // 0 is none
	filter     condition
	filtered   []path // that the filter looks at
	paths      []path
	countOnly  bool
	consistent bool
	capacity   string
	start      string // key of ExclusiveStartKey, or empty
}

// decodePage reads what is common. The caller reads the other expressions before
// it says that p is done.
func (s *Server) decodePage(r *request) (*page, *placeholders, *apiError) {
	if err := r.in.refuse("AttributesToGet", "KeyConditions", "QueryFilter", "ScanFilter", "ConditionalOperator"); err != nil {
		return nil, nil, err
	}
	t, err := s.find(r.call.Table, r.now)
	if err != nil {
		return nil, nil, err
	}
	if name, err := r.in.text("IndexName"); err != nil {
		return nil, nil, err
	} else if name != "" {
		return nil, nil, invalid("The table does not have the specified index: %s", name)
	}
	g := &page{table: t}
	if g.capacity, err = r.in.capacity(); err != nil {
		return nil, nil, err
	}
	if g.limit, err = r.in.limit(1<<31 - 1); err != nil {
		return nil, nil, err
	}
	if g.consistent, err = r.in.boolean("ConsistentRead"); err != nil {
		return nil, nil, err
	}
	p, err := decodePlaceholders(r.in)
	if err != nil {
		return nil, nil, err
	}
	if g.filter, g.filtered, err = p.condition(r.in, "FilterExpression"); err != nil {
		return nil, nil, err
	}
	if err := t.schema.scalarKeys(g.filtered); err != nil {
		return nil, nil, err
	}
	if g.paths, err = p.projection(r.in, &t.schema); err != nil {
		return nil, nil, err
	}
	if err := g.decodeSelect(r.in); err != nil {
		return nil, nil, err
	}
	if in := r.in.get("ExclusiveStartKey"); !in.absent() {
		if _, g.start, err = t.decodeKey(in); err != nil {
			return nil, nil, invalid("The provided starting key is invalid: %s", err.message)
		}
	}
	return g, p, nil
}

// decodeSelect reads Select.
func (g *page) decodeSelect(in ref) *apiError {
	how, err := in.choice("Select", "", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT")
	switch {
	case err != nil:
		return err
	case how == "ALL_PROJECTED_ATTRIBUTES":
		return parameter("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case how == "SPECIFIC_ATTRIBUTES" && g.paths == nil:
		return parameter("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case how != "" && how != "SPECIFIC_ATTRIBUTES" && g.paths != nil:
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", how)
	}
	g.countOnly = how == "COUNT"
	return nil
}

// read reads a page of entries under the data lock, and answers after it.
func (g *page) read(s *Server, r *request, walk func() iter.Seq[entry]) ([]byte, *apiError) {
	found, more, bytes, err := g.collect(s, r, walk)
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	if !g.countOnly {
		b = append(b, `"Items":[`...)
	}
	count := 0
	for _, e := range found {
		a := e.item.attrs()
		if g.filter != nil && !g.filter.holds(a) {
			continue
		}
		if !g.countOnly {
			if count > 0 {
				b = append(b, ',')
			}
			b = show(a, g.paths).appendJSON(b)
		}
		count++
	}
	if !g.countOnly {
		b = append(b, ']')
	}
	b = appendInt(appendName(b, "Count"), count)
	b = appendInt(appendName(b, "ScannedCount"), len(found))
	if more {
		last := found[len(found)-1].item.attrs()
		b = g.table.schema.keysOf(last).appendJSON(appendName(b, "LastEvaluatedKey"))
	}
	b = appendConsumed(b, g.capacity, consumed{table: g.table.name, read: readCost(bytes, g.consistent)})
	return append(b, '}'), nil
}

// collect takes entries until the page is full. more is true where the page ended
// before the entries did, or just where they end: DynamoDB does not look further.
func (g *page) collect(s *Server, r *request, walk func() iter.Seq[entry]) (found []entry, more bool, bytes int, err *apiError) {
	s.data.Lock() // for the capacity
	defer s.data.Unlock()
	if err := s.gone(g.table); err != nil {
		return nil, false, 0, err
	}
	for e := range walk() {
		found = append(found, e)
		bytes += e.item.size()
		if len(found) == g.limit || bytes >= maxPage {
			more = true
			break
		}
	}
	if !g.table.readBucket.take(readCost(bytes, g.consistent), r.now) {
		return nil, false, 0, throttled()
	}
	return found, more, bytes, nil
}

func (s *Server) query(r *request) ([]byte, *apiError) {
	g, p, err := s.decodePage(r)
	if err != nil {
		return nil, err
	}
	keys, err := p.keyCondition(r.in, &g.table.schema)
	if err != nil {
		return nil, err
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	for _, x := range g.filtered {
		if g.table.schema.is(x[0].name) {
			return nil, invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", x[0].name)
		}
	}
	back := r.in.get("ScanIndexForward")
	if !back.absent() && back.kind() != jsonTrue && back.kind() != jsonFalse {
		return nil, malformed()
	}
	down := !back.absent() && back.kind() == jsonFalse
	if g.start != "" {
		if g.start < keys.prefix || g.start >= after(keys.prefix) {
			return nil, invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
		if down {
			keys.to = min(keys.to, g.start)
		} else {
			keys.from = max(keys.from, g.start+"\x00")
		}
	}
	return g.read(s, r, func() iter.Seq[entry] { return g.table.items.between(keys.from, keys.to, down) })
}

// between goes through the entries whose key is at least from and below to.
func (m *blocks) between(from, to string, down bool) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if down {
			for e := range m.downTo(to) {
				if e.key < from || !yield(e) {
					return
				}
			}
			return
		}
		for e := range m.from(from) {
			if to != "" && e.key >= to || !yield(e) {
				return
			}
		}
	}
}
