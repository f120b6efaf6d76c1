package dynamodbtest

import (
	"cmp"
	"slices"
)

// apply returns the item after the update. Everything on the right is read from the
// item as it was.
func (u *update) apply(old attrs) (attrs, *apiError) {
	type change struct {
		path path
		to   value
	}
	var changes []change
	for _, s := range u.sets {
		v, err := s.what.value(old)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{s.path, v})
	}
	gone := slices.Clone(u.removes)
	for _, a := range u.adds {
		v, err := a.added(old)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{a.path, v})
	}
	for _, d := range u.deletes {
		v, there, err := d.deleted(old)
		switch {
		case err != nil:
			return nil, err
		case !there || len(v.elems) == 0:
			gone = append(gone, d.path)
		default:
			changes = append(changes, change{d.path, v})
		}
	}
	// Indexes beyond the end of a list append in the order of the indexes.
	slices.SortStableFunc(changes, func(a, b change) int { return compareEnds(a.path, b.path) })
	item := value{kind: kindM, attrs: old}
	for _, c := range changes {
		var err *apiError
		if item, err = item.set(c.path, c.to); err != nil {
			return nil, err
		}
	}
	// What is removed from a list must not move what is removed next.
	slices.SortStableFunc(gone, func(a, b path) int { return compareEnds(b, a) })
	for _, p := range gone {
		var err *apiError
		if item, err = item.remove(p); err != nil {
			return nil, err
		}
	}
	return item.attrs, nil
}

// compareEnds orders paths by the index that they end in.
func compareEnds(a, b path) int { return cmp.Compare(a[len(a)-1].index, b[len(b)-1].index) }

func wrongPath() *apiError {
	return invalid("The document path provided in the update expression is invalid for update")
}

// set returns v with another value where path leads.
func (v value) set(path path, to value) (value, *apiError) {
	if len(path) == 0 {
		return to, nil
	}
	s := path[0]
	child, ok := s.from(v)
	switch {
	case s.isIndex != (v.kind == kindL) || v.kind != kindL && v.kind != kindM:
		return value{}, wrongPath()
	case !ok && len(path) > 1:
		return value{}, wrongPath()
	}
	child, err := child.set(path[1:], to)
	if err != nil {
		return value{}, err
	}
	if !s.isIndex {
		v.attrs = v.attrs.with(s.name, child)
		return v, nil
	}
	v.elems = slices.Clone(v.elems)
	if ok {
		v.elems[s.index] = child
	} else {
		v.elems = append(v.elems, child)
	}
	return v, nil
}

// remove returns v without what path leads to. All but the end of the path must
// be there.
func (v value) remove(path path) (value, *apiError) {
	s := path[0]
	child, ok := s.from(v)
	switch {
	case s.isIndex != (v.kind == kindL) || v.kind != kindL && v.kind != kindM:
		return value{}, wrongPath()
	case !ok && len(path) > 1:
		return value{}, wrongPath()
	case !ok:
		return v, nil
	case len(path) == 1 && s.isIndex:
		v.elems = slices.Delete(slices.Clone(v.elems), s.index, s.index+1)
		return v, nil
	case len(path) == 1:
		v.attrs = v.attrs.without(s.name)
		return v, nil
	}
	child, err := child.remove(path[1:])
	if err != nil {
		return value{}, err
	}
	return v.set(path[:1], child)
}

// added is the result of ADD.
func (a amount) added(old attrs) (value, *apiError) {
	v, ok := a.path.eval(old)
	switch {
	case !ok:
		return a.by.is, nil
	case v.kind != a.by.is.kind:
		return value{}, wrongOperand()
	case v.kind == kindN:
		n, err := add(v.text, a.by.is.text, false)
		return value{kind: kindN, text: n}, err
	}
	elems := slices.Clone(v.elems)
	for _, e := range a.by.is.elems {
		if !slices.ContainsFunc(v.elems, e.equal) {
			elems = append(elems, e)
		}
	}
	sortSet(elems)
	return value{kind: v.kind, elems: elems}, nil
}

// deleted is the result of DELETE; there is false where there is nothing to delete
// from.
func (a amount) deleted(old attrs) (v value, there bool, err *apiError) {
	v, ok := a.path.eval(old)
	if !ok {
		return value{}, false, nil
	}
	if v.kind != a.by.is.kind {
		return value{}, false, wrongOperand()
	}
	elems := slices.DeleteFunc(slices.Clone(v.elems), func(e value) bool { return slices.ContainsFunc(a.by.is.elems, e.equal) })
	return value{kind: v.kind, elems: elems}, true, nil
}
