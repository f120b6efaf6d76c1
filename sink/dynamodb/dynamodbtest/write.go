package dynamodbtest

import (
	"encoding/json"
	"slices"
	"time"
)

// write is one item that is to be written, or looked at, by any operation.
type write struct {
	table     *table
	key       string
	own       attrs // the item, or the key's attributes
	put       bool  // own is the new item
	remove    bool
	check     bool // it changes nothing
	update    *update
	condition condition
	packed    item   // of own, if put
	failure   string // ReturnValuesOnConditionCheckFailure
}

// change works out what the write changes, without changing it. The caller holds
// the data lock. next are the attributes of the new item, if they were unpacked. Of
// a condition that fails c tells what it costs.
func (w *write) change() (c change, next attrs, err *apiError) {
	c = change{key: w.key, old: w.table.items.get(w.key)}
	c.oldSize = c.old.size()
	var old attrs
	if w.condition != nil || w.update != nil {
		old = c.old.attrs()
	}
	if w.condition != nil && !w.condition.holds(old) {
		err := fail("ConditionalCheckFailedException", "The conditional request failed")
		if w.failure == "ALL_OLD" && c.old != "" {
			err.item = old
		}
		c.newSize = w.packed.size()
		return c, nil, err
	}
	switch {
	case w.put:
		c.new = w.packed
	case w.remove:
	case w.check:
		c.new = c.old
	case w.update == nil && c.old == "":
		c.new = pack(w.own)
	case w.update == nil:
		c.new = c.old
	default:
		if c.old == "" {
			old = w.own
		}
		next, err = w.update.apply(old)
		if err != nil {
			return change{}, nil, err
		}
		if err := checkItem(next); err != nil {
			return change{}, nil, err
		}
		c.new = pack(next)
	}
	c.newSize = c.new.size()
	if s := w.table.stream; s != nil && c.old != c.new {
		c.keys = pack(w.table.schema.keysOf(w.own))
	}
	return c, next, nil
}

// cost is the write units of a change: of the larger of the two items.
func (c *change) cost() float64 { return writeCost(max(c.oldSize, c.newSize)) }

// checkItem checks what an item has become.
func checkItem(a attrs) *apiError {
	if a.size() > maxItemBytes {
		return invalid("Item size to update has exceeded the maximum allowed size")
	}
	for i := range a {
		if err := checkAttr(a[i].name, &a[i].value); err != nil {
			return err
		}
	}
	return nil
}

// decodePut reads the item of a write.
func (w *write) decodePut(in ref) *apiError {
	a, err := decodeItem(in.get("Item"))
	if err != nil {
		return err
	}
	if in.get("Item").absent() {
		return invalid("1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null")
	}
	w.own, w.put = a, true
	if w.key, err = w.table.schema.itemKey(a); err != nil {
		return err
	}
	if a.size() > maxItemBytes {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	w.packed = pack(a)
	return nil
}

// decodeKey reads the key of a write.
func (w *write) decodeKey(in ref) (err *apiError) {
	w.own, w.key, err = w.table.decodeKey(in.get("Key"))
	return err
}

// decodeKey reads a primary key.
func (t *table) decodeKey(in ref) (attrs, string, *apiError) {
	a, err := decodeAttrs(in)
	if err != nil {
		return nil, "", err
	}
	if in.absent() {
		return nil, "", invalid("1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null")
	}
	key, err := t.schema.ownKey(a)
	return a, key, err
}

// decodeCondition reads the condition of a write, its update if it is one, and
// what is to be returned where the condition fails.
func (w *write) decodeExpressions(in ref) *apiError {
	p, err := decodePlaceholders(in)
	if err != nil {
		return err
	}
	if !w.put && !w.remove && !w.check {
		if w.update, err = p.update(in, &w.table.schema); err != nil {
			return err
		}
	}
	var paths []path
	if w.condition, paths, err = p.condition(in, "ConditionExpression"); err != nil {
		return err
	}
	if err := w.table.schema.scalarKeys(paths); err != nil {
		return err
	}
	if w.failure, err = in.choice("ReturnValuesOnConditionCheckFailure", "NONE", "ALL_OLD"); err != nil {
		return err
	}
	return p.done()
}

// single is what operations that write one item have in common.
type single struct {
	write
	capacity, returns string
}

// decodeSingle reads what is common. returns are the ReturnValues that it takes.
func (s *Server) decodeSingle(r *request, returns ...string) (*single, *apiError) {
	if err := r.in.refuse("Expected", "ConditionalOperator", "AttributeUpdates"); err != nil {
		return nil, err
	}
	t, err := s.find(r.call.Table, r.now)
	if err != nil {
		return nil, err
	}
	one := &single{write: write{table: t}}
	if one.capacity, err = r.in.capacity(); err != nil {
		return nil, err
	}
	if _, err = r.in.choice("ReturnItemCollectionMetrics", "NONE", "SIZE"); err != nil {
		return nil, err
	}
	if one.returns, err = r.in.choice("ReturnValues", "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"); err != nil {
		return nil, err
	}
	if !slices.Contains(returns, one.returns) {
		return nil, invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	return one, nil
}

// carryOut does the write, and returns what changed.
func (s *Server) carryOut(w *write, now time.Time) (change, attrs, float64, *apiError) {
	s.data.Lock()
	defer s.data.Unlock()
	if err := s.gone(w.table); err != nil {
		return change{}, nil, 0, err
	}
	c, next, err := w.change()
	if err != nil && err.code != "ConditionalCheckFailedException" {
		return change{}, nil, 0, err
	}
	units := c.cost()
	if !w.table.writeBucket.take(units, now) { // a condition that fails costs as much
		return change{}, nil, 0, throttled()
	}
	if err != nil {
		return change{}, nil, 0, err
	}
	w.table.commit(c, now)
	return c, next, units, nil
}

func (s *Server) putItem(r *request) ([]byte, *apiError) {
	one, err := s.decodeSingle(r, "NONE", "ALL_OLD")
	if err != nil {
		return nil, err
	}
	if err := one.decodePut(r.in); err != nil {
		return nil, err
	}
	return s.writeOne(r, one)
}

func (s *Server) deleteItem(r *request) ([]byte, *apiError) {
	one, err := s.decodeSingle(r, "NONE", "ALL_OLD")
	if err != nil {
		return nil, err
	}
	one.remove = true
	if err := one.decodeKey(r.in); err != nil {
		return nil, err
	}
	return s.writeOne(r, one)
}

func (s *Server) updateItem(r *request) ([]byte, *apiError) {
	one, err := s.decodeSingle(r, "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
	if err != nil {
		return nil, err
	}
	if err := one.decodeKey(r.in); err != nil {
		return nil, err
	}
	return s.writeOne(r, one)
}

// writeOne carries the write out and answers.
func (s *Server) writeOne(r *request, one *single) ([]byte, *apiError) {
	if err := one.decodeExpressions(r.in); err != nil {
		return nil, err
	}
	c, next, units, err := s.carryOut(&one.write, r.now)
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	if a := one.returned(c, next); len(a) > 0 {
		b = a.appendJSON(appendName(b, "Attributes"))
	}
	b = appendConsumed(b, one.capacity, consumed{table: one.table.name, write: units})
	return append(b, '}'), nil
}

// returned is what ReturnValues asks for.
func (one *single) returned(c change, next attrs) attrs {
	switch one.returns {
	case "ALL_OLD":
		return c.old.attrs()
	case "ALL_NEW":
		return c.new.attrs()
	case "UPDATED_OLD":
		return project(c.old.attrs(), one.updated())
	case "UPDATED_NEW":
		return project(next, one.updated())
	}
	return nil
}

func (one *single) updated() []path {
	if one.update == nil {
		return nil
	}
	return one.update.paths()
}

// marshal writes an answer that is not on a hot path.
func marshal(v any) ([]byte, *apiError) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fail("InternalFailure", "%v", err)
	}
	return b, nil
}
