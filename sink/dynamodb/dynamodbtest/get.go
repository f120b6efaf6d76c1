package dynamodbtest

func (s *Server) getItem(r *request) ([]byte, *apiError) {
	if err := r.in.refuse("AttributesToGet"); err != nil {
		return nil, err
	}
	t, err := s.find(r.call.Table, r.now)
	if err != nil {
		return nil, err
	}
	how, err := r.in.capacity()
	if err != nil {
		return nil, err
	}
	consistent, err := r.in.boolean("ConsistentRead")
	if err != nil {
		return nil, err
	}
	_, key, err := t.decodeKey(r.in.get("Key"))
	if err != nil {
		return nil, err
	}
	p, err := decodePlaceholders(r.in)
	if err != nil {
		return nil, err
	}
	paths, err := p.projection(r.in, &t.schema)
	if err != nil {
		return nil, err
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	it, units, err := s.read(t, key, consistent, r)
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	if it != "" {
		b = show(it.attrs(), paths).appendJSON(appendName(b, "Item"))
	}
	b = appendConsumed(b, how, consumed{table: t.name, read: units})
	return append(b, '}'), nil
}

// read reads one item.
func (s *Server) read(t *table, key string, consistent bool, r *request) (item, float64, *apiError) {
	s.data.Lock() // for the capacity
	defer s.data.Unlock()
	if err := s.gone(t); err != nil {
		return "", 0, err
	}
	it := t.items.get(key)
	units := readCost(it.size(), consistent)
	if !t.readBucket.take(units, r.now) {
		return "", 0, throttled()
	}
	return it, units, nil
}
