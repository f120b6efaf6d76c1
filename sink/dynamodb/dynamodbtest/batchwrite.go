package dynamodbtest

// maxBatchWrites is how many items a BatchWriteItem takes.
const maxBatchWrites = 25

func (s *Server) batchWriteItem(r *request) ([]byte, *apiError) {
	how, err := r.in.capacity()
	if err != nil {
		return nil, err
	}
	writes, err := s.decodeBatch(r)
	if err != nil {
		return nil, err
	}
	left, used, err := s.writeBatch(r, writes)
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"UnprocessedItems":`), '{')
	var table *table
	for _, w := range left {
		if w.table != table {
			if table != nil {
				b = append(b, ']')
			}
			b = append(appendName(b, w.table.name), '[')
			table = w.table
		} else {
			b = append(b, ',')
		}
		if w.put {
			b = w.own.appendJSON(append(b, `{"PutRequest":{"Item":`...))
		} else {
			b = w.own.appendJSON(append(b, `{"DeleteRequest":{"Key":`...))
		}
		b = append(b, '}', '}')
	}
	if table != nil {
		b = append(b, ']')
	}
	b = append(b, '}')
	b = appendAllConsumed(b, how, used, false)
	return append(b, '}'), nil
}

// decodeBatch reads all writes of a batch, in the order of Call.Item.
func (s *Server) decodeBatch(r *request) ([]write, *apiError) {
	tables, err := r.batch()
	switch {
	case err != nil:
		return nil, err
	case len(tables) == 0:
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case r.call.Writes > maxBatchWrites:
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	writes := make([]write, 0, r.call.Writes)
	for _, in := range tables {
		t, err := s.find(in.node().name, r.now)
		if err != nil {
			return nil, err
		}
		if in.count() == 0 {
			return nil, invalid("The batch write request list for a table cannot be null or empty: %s", t.name)
		}
		keys := make(map[string]bool, in.count())
		for one := range in.each {
			w, err := decodeBatchWrite(t, one)
			if err != nil {
				return nil, err
			}
			if keys[w.key] {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			keys[w.key] = true
			writes = append(writes, w)
		}
	}
	return writes, nil
}

func decodeBatchWrite(t *table, in ref) (write, *apiError) {
	put, del := in.get("PutRequest"), in.get("DeleteRequest")
	w := write{table: t}
	if put.absent() == del.absent() {
		return w, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	if del.absent() {
		return w, w.decodePut(put)
	}
	w.remove = true
	return w, w.decodeKey(del)
}

// writeBatch carries out what it has capacity for, and what no fault forbids. It
// returns the rest.
func (s *Server) writeBatch(r *request, writes []write) (left []*write, used []consumed, err *apiError) {
	skip := r.fault.unprocessed(len(writes))
	s.data.Lock()
	defer s.data.Unlock()
	for i := range writes { // before anything is done
		if err := s.gone(writes[i].table); err != nil {
			return nil, nil, err
		}
	}
	for i := range writes {
		w := &writes[i]
		if len(used) == 0 || used[len(used)-1].table != w.table.name {
			used = append(used, consumed{table: w.table.name})
		}
		if skip[i] {
			left = append(left, w)
			continue
		}
		c, _, err := w.change()
		if err != nil {
			return nil, nil, err
		}
		units := c.cost()
		if !w.table.writeBucket.take(units, r.now) {
			left = append(left, w)
			continue
		}
		w.table.commit(c, r.now)
		used[len(used)-1].write += units
	}
	if len(left) == len(writes) {
		return nil, nil, throttled()
	}
	return left, used, nil
}
