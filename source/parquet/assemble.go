package parquet

import "fmt"

// How rows are put together of columns that tell, with each value, at which level
// of the schema something repeats and down to which it is there, is in
// https://research.google/pubs/dremel-interactive-analysis-of-web-scale-datasets-2/

// first returns the first column of a node, in the row at hand.
func (r *rows) first(n *node) (*column, error) {
	c := r.cols[n.first]
	if c.ended || c.row != r.row {
		return nil, fmt.Errorf("column %s: %w", c.node.path, errDisagree)
	}
	return c, nil
}

// absent reports whether a node is null.
func (r *rows) absent(n *node) (bool, error) {
	c, err := r.first(n)
	return err == nil && n.optional && c.def < n.def, err
}

// pass passes over an entry of each column of a node that is not there.
func (r *rows) pass(n *node) error {
	for i := n.first; i < n.last; i++ {
		if _, err := r.first(r.leaves[i]); err != nil {
			return err
		}
		if err := r.advance(r.cols[i]); err != nil {
			return err
		}
	}
	return nil
}

// any appends the value of a node.
func (r *rows) any(dst []byte, n *node) ([]byte, error) {
	null, err := r.absent(n)
	switch {
	case err != nil:
		return dst, err
	case null:
		return append(dst, "null"...), r.pass(n)
	case n.repeated:
		return r.list(dst, n, n, n)
	}
	return r.present(dst, n)
}

// present appends the value of a node that is there, or of one of its
// repetitions.
func (r *rows) present(dst []byte, n *node) ([]byte, error) {
	switch n.kind {
	case isGroup:
		return r.object(dst, n)
	case isList:
		return r.list(dst, n, n.items, n.element)
	case isMap:
		return r.mapping(dst, n)
	}
	c, err := r.first(n)
	if err != nil {
		return dst, err
	}
	if c.def != n.def {
		return dst, fmt.Errorf("column %s: %w", n.path, errLevels)
	}
	if dst, err = n.leaf.append(dst, c.value); err != nil {
		return dst, rowFault{fmt.Errorf("column %s: %w", n.path, err)}
	}
	return dst, r.advance(c)
}

// object appends the members of a group.
func (r *rows) object(dst []byte, n *node) ([]byte, error) {
	dst = append(dst, '{')
	for _, child := range n.children {
		if r.cfg.OmitNulls {
			null, err := r.absent(child)
			if err != nil {
				return dst, err
			}
			if null {
				if err := r.pass(child); err != nil {
					return dst, err
				}
				continue
			}
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = r.any(append(dst, child.name...), child); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// list appends the repetitions of items in n, each as element.
func (r *rows) list(dst []byte, n, items, element *node) ([]byte, error) {
	dst = append(dst, '[')
	dst, err := r.each(dst, n, items, func(dst []byte) ([]byte, error) {
		if element == items {
			return r.present(dst, items)
		}
		return r.any(dst, element)
	})
	return append(dst, ']'), err
}

// mapping appends an object of keys and values.
func (r *rows) mapping(dst []byte, n *node) ([]byte, error) {
	dst = append(dst, '{')
	dst, err := r.each(dst, n, n.items, func(dst []byte) ([]byte, error) {
		dst, err := r.any(dst, n.items.children[0])
		if err != nil {
			return dst, err
		}
		return r.any(append(dst, ':'), n.items.children[1])
	})
	return append(dst, '}'), err
}

// each calls show for each repetition of items in n, with commas between.
func (r *rows) each(dst []byte, n, items *node, show func(dst []byte) ([]byte, error)) ([]byte, error) {
	c, err := r.first(items)
	if err != nil {
		return dst, err
	}
	if c.def < items.def {
		return dst, r.pass(n)
	}
	for {
		if dst, err = show(dst); err != nil {
			return dst, err
		}
		switch {
		case c.ended || c.row != r.row || c.rep < items.rep:
			return dst, nil
		case c.rep > items.rep:
			return dst, fmt.Errorf("column %s: %w", c.node.path, errLevels)
		case len(dst)-r.start > r.cfg.MaxRowBytes:
			return dst, rowFault{errRowLong}
		}
		dst = append(dst, ',')
	}
}
